import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { signSessionKey, verifySignedKey } from '@parley/core/certificates'
import { CryptoError, PrivateKey } from '@parley/core/crypto'
import { DecodeError } from '@parley/core/encoding'
import fc from 'fast-check'

const session = PrivateKey.generate('x25519').publicKey

describe('signed session keys', () => {
  for (const [algorithm, length] of [
    ['ed25519', 122],
    ['ed448', 173],
  ] as const) {
    it(`are signed and verified with ${algorithm}`, () => {
      const leaf = PrivateKey.generate(algorithm)
      const signed = signSessionKey(session, leaf)
      assert.equal(signed.length, length)
      assert.ok(verifySignedKey(signed, leaf.publicKey).equals(session))
      const service = PrivateKey.generate('ed25519').publicKey
      assert.ok(verifySignedKey(signSessionKey(service, leaf), leaf.publicKey).equals(service))
      for (const other of [
        PrivateKey.generate(algorithm),
        PrivateKey.generate('ed25519'),
        PrivateKey.generate('ed448'),
      ]) {
        assert.throws(() => verifySignedKey(signed, other.publicKey), {
          name: 'CryptoError',
          code: 'INVALID_SIGNATURE',
        })
      }
    })
  }

  it('have the layout of the protocol', () => {
    const signed = Buffer.from(signSessionKey(session, PrivateKey.generate('ed25519'))).toString('hex')
    const key = Buffer.from(session.raw).toString('hex')
    assert.ok(signed.startsWith(`3078302c302a300506032b656e032100${key}300506032b6570034100`))
    const ed448 = Buffer.from(signSessionKey(session, PrivateKey.generate('ed448'))).toString('hex')
    assert.ok(ed448.startsWith(`3081aa302c302a300506032b656e032100${key}300506032b6571037300`))
  })

  it('refuse a bare key, which is not wrapped', () => {
    const leaf = PrivateKey.generate('ed25519')
    const wrapped = signSessionKey(session, leaf)
    assert.throws(() => verifySignedKey(session.spki, leaf.publicKey), DecodeError)
    assert.throws(() => verifySignedKey(Uint8Array.of(...wrapped, 0), leaf.publicKey), DecodeError)
  })

  it('refuse every change, with DecodeError or CryptoError', () => {
    const leaf = PrivateKey.generate('ed25519')
    const signed = signSessionKey(session, leaf)
    const refused = (bytes: Uint8Array) =>
      assert.throws(
        () => verifySignedKey(bytes, leaf.publicKey),
        (error: unknown) => error instanceof DecodeError || error instanceof CryptoError,
      )
    for (let length = 0; length < signed.length; length++) refused(signed.subarray(0, length))
    fc.assert(
      fc.property(fc.nat(signed.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = new Uint8Array(signed)
        changed[at] = (changed[at] as number) ^ change
        refused(changed)
      }),
      { numRuns: 500 },
    )
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), refused))
  })
})
