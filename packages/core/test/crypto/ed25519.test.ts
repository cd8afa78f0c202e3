import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey, sign as opensslSign, verify as opensslVerify } from 'node:crypto'
import { describe, it } from 'node:test'
import { PrivateKey, sign, verify } from '@parley/core/crypto'
import fc from 'fast-check'

const raw = fc.uint8Array({ minLength: 32, maxLength: 32 })
const message = fc.uint8Array({ maxLength: 1000 })

describe('Ed25519', () => {
  it('is the same as that of OpenSSL, public keys and signatures', () => {
    fc.assert(
      fc.property(raw, message, (secret, text) => {
        const key = new PrivateKey('ed25519', secret)
        const openssl = createPrivateKey({ key: Buffer.from(key.pkcs8), format: 'der', type: 'pkcs8' })
        const opensslPublic = createPublicKey(openssl)
        assert.deepEqual(Buffer.from(key.publicKey.spki), opensslPublic.export({ format: 'der', type: 'spki' }))
        const signature = sign(key, text)
        assert.deepEqual(Buffer.from(signature), opensslSign(null, text, openssl))
        assert.ok(opensslVerify(null, text, opensslPublic, signature))
        assert.ok(verify(key.publicKey, text, signature))
      }),
    )
  })
})
