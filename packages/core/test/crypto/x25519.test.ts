import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey, diffieHellman } from 'node:crypto'
import { describe, it } from 'node:test'
import { CryptoError, dh, PrivateKey, PublicKey } from '@parley/core/crypto'
import fc from 'fast-check'

const raw = fc.uint8Array({ minLength: 32, maxLength: 32 })

describe('X25519', () => {
  it('is the same as that of OpenSSL, public keys and secrets', () => {
    fc.assert(
      fc.property(raw, raw, (ours, theirs) => {
        const privateKey = new PrivateKey('x25519', ours)
        const peer = new PrivateKey('x25519', theirs)
        const openssl = createPublicKey(
          createPrivateKey({ key: Buffer.from(peer.pkcs8), format: 'der', type: 'pkcs8' }),
        )
        assert.deepEqual(Buffer.from(peer.publicKey.spki), openssl.export({ format: 'der', type: 'spki' }))
        const expected = diffieHellman({ privateKey: privateKey.keyObject, publicKey: peer.publicKey.keyObject })
        assert.deepEqual(Buffer.from(dh(privateKey, peer.publicKey)), expected)
      }),
    )
  })

  it('refuses public keys of low order', () => {
    const lowOrder = [
      '0000000000000000000000000000000000000000000000000000000000000000',
      '0100000000000000000000000000000000000000000000000000000000000000',
      'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
      'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    ]
    for (const hex of lowOrder) {
      const key = new PublicKey('x25519', Buffer.from(hex, 'hex'))
      assert.throws(
        () => dh(PrivateKey.generate('x25519'), key),
        (error) => {
          return error instanceof CryptoError && error.code === 'INVALID_KEY'
        },
      )
    }
  })
})
