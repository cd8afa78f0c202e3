import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { describe, it } from 'node:test'
import { inspect } from 'node:util'
import {
  authKeyCodec,
  CryptoError,
  dh,
  dhKeyCodec,
  ed25519KeyCodec,
  type KeyAlgorithm,
  PrivateKey,
  PublicKey,
  publicKeyCodec,
  type SignatureAlgorithm,
  sign,
  verify,
  x25519KeyCodec,
} from '@parley/core/crypto'
import { DecodeError, decode, encode } from '@parley/core/encoding'
import fc from 'fast-check'

const ALGORITHMS: readonly KeyAlgorithm[] = ['ed25519', 'ed448', 'x25519', 'x448']
const LENGTH: Record<KeyAlgorithm, number> = { ed25519: 32, ed448: 57, x25519: 32, x448: 56 }
const SPKI_LENGTH: Record<KeyAlgorithm, number> = { ed25519: 44, ed448: 69, x25519: 44, x448: 68 }
const PKCS8_LENGTH: Record<KeyAlgorithm, number> = { ed25519: 48, ed448: 73, x25519: 48, x448: 72 }
const invalidKey = { name: 'CryptoError', code: 'INVALID_KEY' }

/** Points of X25519 with small order, and their forms that are not reduced: RFC 7748 §6.1. */
const LOW_ORDER = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]

for (const algorithm of ALGORITHMS) {
  describe(algorithm, () => {
    const key = PrivateKey.generate(algorithm)

    it('has the lengths and the DER of the standards', () => {
      assert.equal(key.raw.length, LENGTH[algorithm])
      assert.equal(key.publicKey.raw.length, LENGTH[algorithm])
      assert.equal(key.publicKey.spki.length, SPKI_LENGTH[algorithm])
      assert.equal(key.pkcs8.length, PKCS8_LENGTH[algorithm])
      const spki = createPublicKey({ key: Buffer.from(key.publicKey.spki), format: 'der', type: 'spki' })
      const pkcs8 = createPrivateKey({ key: Buffer.from(key.pkcs8), format: 'der', type: 'pkcs8' })
      assert.equal(spki.asymmetricKeyType, algorithm)
      assert.ok(spki.equals(key.publicKey.keyObject))
      assert.ok(pkcs8.equals(key.keyObject))
      assert.ok(createPublicKey(pkcs8).equals(spki))
    })

    it('is read from DER', () => {
      assert.deepEqual(PrivateKey.fromPkcs8(key.pkcs8).raw, key.raw)
      assert.ok(PublicKey.fromSpki(key.publicKey.spki).equals(key.publicKey))
      assert.ok(PublicKey.fromSpki(key.publicKey.spki).is(algorithm))
    })

    it('does not hold on to the bytes that it was read from', () => {
      const block = Buffer.alloc(16384)
      block.set(key.publicKey.spki, 100)
      const read = PublicKey.fromSpki(block.subarray(100, 100 + SPKI_LENGTH[algorithm]))
      block.fill(0)
      assert.ok(read.equals(key.publicKey))
      assert.equal(read.raw.buffer.byteLength, LENGTH[algorithm])
    })

    it('refuses other lengths', () => {
      for (const length of [0, LENGTH[algorithm] - 1, LENGTH[algorithm] + 1]) {
        assert.throws(() => new PublicKey(algorithm, new Uint8Array(length)), invalidKey)
        assert.throws(() => new PrivateKey(algorithm, new Uint8Array(length)), invalidKey)
      }
    })

    it('is never printed', () => {
      const secret = Buffer.from(key.raw).toString('hex')
      for (const shown of [inspect(key, { depth: 9, showHidden: true }), JSON.stringify({ key }), String(key)]) {
        assert.ok(!shown.includes(secret) && !shown.includes(key.raw.join(',')), 'secret in a printed key')
      }
    })
  })
}

describe('key codecs', () => {
  const codecs = [
    [publicKeyCodec, ALGORITHMS],
    [authKeyCodec, ['ed25519', 'ed448', 'x25519']],
    [x25519KeyCodec, ['x25519']],
    [ed25519KeyCodec, ['ed25519']],
    [dhKeyCodec, ['x448', 'x25519']],
  ] as const

  it('take their own algorithms only', () => {
    for (const algorithm of ALGORITHMS) {
      const { publicKey } = PrivateKey.generate(algorithm)
      const bytes = encode(publicKeyCodec, publicKey)
      for (const [codec, allowed] of codecs) {
        if ((allowed as readonly string[]).includes(algorithm)) assert.ok(decode(codec, bytes).equals(publicKey))
        else assert.throws(() => decode(codec, bytes), { name: 'DecodeError', offset: 0 })
      }
    }
  })

  it('throw only DecodeError for arbitrary and changed bytes', () => {
    const good = ALGORITHMS.map((algorithm) => encode(publicKeyCodec, PrivateKey.generate(algorithm).publicKey))
    const changed = fc.tuple(fc.constantFrom(...good), fc.nat(12), fc.nat(255)).map(([bytes, at, value]) => {
      const copy = new Uint8Array(bytes)
      copy[at] = value
      return copy
    })
    fc.assert(
      fc.property(fc.oneof(changed, fc.uint8Array({ maxLength: 80 })), (bytes) => {
        try {
          assert.deepEqual(new Uint8Array(encode(publicKeyCodec, decode(publicKeyCodec, bytes))), bytes)
        } catch (error) {
          assert.ok(error instanceof DecodeError, String(error))
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('refuse DER of other kinds', () => {
    assert.throws(() => PublicKey.fromSpki(PrivateKey.generate('ed25519').pkcs8), invalidKey)
    assert.throws(() => PrivateKey.fromPkcs8(PrivateKey.generate('x448').publicKey.spki), invalidKey)
    assert.throws(() => PrivateKey.fromPkcs8(new Uint8Array(0)), CryptoError)
  })
})

describe('signatures', () => {
  for (const [algorithm, length] of [
    ['ed25519', 64],
    ['ed448', 114],
  ] as const) {
    it(`of ${algorithm} hold for their key and message only`, () => {
      const key: PrivateKey<SignatureAlgorithm> = PrivateKey.generate(algorithm)
      const other = PrivateKey.generate(algorithm).publicKey
      fc.assert(
        fc.property(
          fc.uint8Array({ maxLength: 200 }),
          fc.nat(),
          fc.integer({ min: 1, max: 255 }),
          (message, at, change) => {
            const signature = sign(key, message)
            assert.equal(signature.length, length)
            assert.ok(verify(key.publicKey, message, signature))
            assert.ok(!verify(other, message, signature))
            assert.ok(!verify(key.publicKey, Uint8Array.of(...message, 0), signature))
            const changed = new Uint8Array(signature)
            changed[at % length] = (changed[at % length] as number) ^ change
            assert.ok(!verify(key.publicKey, message, changed))
          },
        ),
        { numRuns: 30 },
      )
    })

    it(`of ${algorithm} are false, not errors, when malformed`, () => {
      const { publicKey } = PrivateKey.generate(algorithm)
      const unsound = new PublicKey(algorithm, new Uint8Array(publicKey.raw.length).fill(0xff))
      for (const bytes of [0, 1, length - 1, length, length + 1]) {
        assert.equal(verify(publicKey, Uint8Array.of(1), new Uint8Array(bytes)), false)
        assert.equal(verify(unsound, Uint8Array.of(1), new Uint8Array(bytes)), false)
      }
    })
  }
})

describe('key agreement', () => {
  for (const [algorithm, length] of [
    ['x25519', 32],
    ['x448', 56],
  ] as const) {
    it(`of ${algorithm} gives both the same secret`, () => {
      const [a, b] = [PrivateKey.generate(algorithm), PrivateKey.generate(algorithm)]
      const secret = dh(a, b.publicKey)
      assert.equal(secret.length, length)
      assert.deepEqual(dh(b, a.publicKey), secret)
    })
  }

  it('refuses points of low order', () => {
    const x25519 = PrivateKey.generate('x25519')
    for (const point of LOW_ORDER) {
      assert.throws(() => dh(x25519, new PublicKey('x25519', Buffer.from(point, 'hex'))), invalidKey)
    }
    const x448 = PrivateKey.generate('x448')
    for (const first of [0, 1]) {
      const point = new Uint8Array(56)
      point[0] = first
      assert.throws(() => dh(x448, new PublicKey('x448', point)), invalidKey)
    }
  })
})
