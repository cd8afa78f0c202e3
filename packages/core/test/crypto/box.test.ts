import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { secretbox as nacl } from '@noble/ciphers/salsa.js'
import {
  AUTHENTICATOR_LENGTH,
  authenticate,
  BOX_TAG_LENGTH,
  BoxKey,
  cbNonce,
  NONCE_LENGTH,
  openBox,
  openBoxNoPad,
  PrivateKey,
  PublicKey,
  reverseNonce,
  sealBox,
  sealBoxNoPad,
  verifyAuthenticator,
} from '@parley/core/crypto'
import { pad } from '@parley/core/encoding'
import fc from 'fast-check'
import { nobleSecretbox, sodiumSecretbox } from '../../src/crypto/secretbox.ts'
import { sodium } from '../../src/crypto/sodium.ts'

assert.ok(sodium, 'sodium-native cannot be loaded here')
const implementations = [sodiumSecretbox(sodium), nobleSecretbox]

const notAuthentic = { name: 'CryptoError', code: 'DECRYPT_CB' }
const hex = (text: string) => Buffer.from(text, 'hex')
const equal = (actual: Uint8Array, expected: Uint8Array) =>
  assert.equal(Buffer.from(actual).toString('hex'), Buffer.from(expected).toString('hex'))

/** From `spec/smp.md §2.3`. */
const KNOWN = {
  key: new Uint8Array(32).fill(1),
  nonce: new Uint8Array(24).fill(2),
  message: Uint8Array.from({ length: 40 }, (_, i) => i + 1),
  box: hex(
    'fc682076b41822cfedcfc65cc6c23d6c57699af76571b5a404945659e8f6d42604624524f3dc6aead9ed5eb9bd08e8740af34a0e675b2464',
  ),
}

for (const implementation of implementations) {
  describe(`boxes by ${implementation.name}`, () => {
    const keyOf = (secret: Uint8Array) => new BoxKey(secret, implementation)

    it('are those of the protocol', () => {
      const key = keyOf(KNOWN.key)
      equal(key.sealNoPad(KNOWN.nonce, KNOWN.message), KNOWN.box)
      equal(key.openNoPad(KNOWN.nonce, KNOWN.box), KNOWN.message)
    })

    it('are not the plain secretbox of NaCl', () => {
      const plain = nacl(KNOWN.key, KNOWN.nonce).seal(KNOWN.message)
      assert.throws(() => keyOf(KNOWN.key).openNoPad(KNOWN.nonce, plain), notAuthentic)
    })

    it('give back the message', () => {
      const bytes = fc.uint8Array({ maxLength: 400 })
      const secrets = fc.uint8Array({ minLength: 32, maxLength: 32 })
      fc.assert(
        fc.property(secrets, fc.uint8Array({ maxLength: 30 }), bytes, fc.nat(50), (secret, nonce, message, room) => {
          const key = keyOf(secret)
          const length = message.length + 2 + room
          const box = key.seal(nonce, message, length)
          assert.equal(box.length, BOX_TAG_LENGTH + length)
          equal(key.open(nonce, box), message)
          equal(key.openNoPad(nonce, box), pad(message, length))
          equal(key.openNoPad(nonce, key.sealNoPad(nonce, message)), message)
          for (const other of implementations) equal(new BoxKey(secret, other).seal(nonce, message, length), box)
        }),
      )
    })

    it('open whole blocks, from views too', () => {
      const key = keyOf(KNOWN.key)
      const message = randomBytes(16_000)
      const box = key.seal(KNOWN.nonce, message, 16_368)
      const block = new Uint8Array(20_000)
      block.set(box, 3)
      equal(key.open(KNOWN.nonce, block.subarray(3, 3 + box.length)), message)
      equal(block.subarray(3, 3 + box.length), box)
    })

    it('refuse changes, other keys and other nonces', () => {
      const key = keyOf(KNOWN.key)
      fc.assert(
        fc.property(fc.nat(KNOWN.box.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
          const changed = new Uint8Array(KNOWN.box)
          changed[at] = (changed[at] as number) ^ change
          assert.throws(() => key.openNoPad(KNOWN.nonce, changed), notAuthentic)
        }),
      )
      assert.throws(() => keyOf(new Uint8Array(32)).openNoPad(KNOWN.nonce, KNOWN.box), notAuthentic)
      assert.throws(() => key.openNoPad(new Uint8Array(24), KNOWN.box), notAuthentic)
      for (const length of [0, 1, 15, 16, 17]) {
        assert.throws(() => key.openNoPad(KNOWN.nonce, KNOWN.box.subarray(0, length)), notAuthentic)
      }
    })

    it('refuse authentic content that is not padded', () => {
      const key = keyOf(KNOWN.key)
      for (const content of [new Uint8Array(0), Uint8Array.of(0), Uint8Array.of(0, 2, 1)]) {
        const box = key.sealNoPad(KNOWN.nonce, content)
        assert.throws(() => key.open(KNOWN.nonce, box), { name: 'CryptoError', code: 'INVALID_MSG' })
      }
    })

    it('refuse messages that are too large', () => {
      const key = keyOf(KNOWN.key)
      const tooLarge = { name: 'CryptoError', code: 'LARGE_MSG' }
      assert.throws(() => key.seal(KNOWN.nonce, new Uint8Array(99), 100), tooLarge)
      assert.equal(key.open(KNOWN.nonce, key.seal(KNOWN.nonce, new Uint8Array(98), 100)).length, 98)
      assert.throws(() => key.seal(KNOWN.nonce, new Uint8Array(65_534), 70_000), tooLarge)
      assert.throws(() => key.seal(KNOWN.nonce, new Uint8Array(0), 1), tooLarge)
    })
  })
}

describe('boxes with a secret that is used once', () => {
  it('are the same', () => {
    const { key, nonce, message } = KNOWN
    equal(sealBoxNoPad(key, nonce, message), KNOWN.box)
    equal(openBoxNoPad(key, nonce, KNOWN.box), message)
    equal(openBox(key, nonce, sealBox(key, nonce, message, 100)), message)
    equal(sealBox(key, nonce, message, 100), new BoxKey(key).seal(nonce, message, 100))
    for (const length of [0, 31, 33]) {
      const secret = new Uint8Array(length)
      assert.throws(() => sealBoxNoPad(secret, nonce, message), { name: 'CryptoError', code: 'INVALID_KEY' })
    }
  })
})

describe('nonces', () => {
  it('are filled with zeros or cut', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const nonce = cbNonce(bytes)
        assert.equal(nonce.length, NONCE_LENGTH)
        for (const [i, byte] of nonce.entries()) assert.equal(byte, bytes[i] ?? 0)
      }),
    )
  })

  it('are reversed without a change to the original', () => {
    const nonce = Uint8Array.from({ length: NONCE_LENGTH }, (_, i) => i)
    equal(reverseNonce(reverseNonce(nonce)), nonce)
    assert.equal(reverseNonce(nonce)[0], NONCE_LENGTH - 1)
    assert.equal(nonce[0], 0)
    equal(reverseNonce(Buffer.from(nonce)), reverseNonce(nonce))
  })
})

describe('authenticators', () => {
  const queue = PrivateKey.generate('x25519')
  const server = PrivateKey.generate('x25519')
  const corrId = randomBytes(24)

  it('are verified by the holder of the other key', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (message) => {
        const authenticator = authenticate(queue, server.publicKey, corrId, message)
        assert.equal(authenticator.length, AUTHENTICATOR_LENGTH)
        assert.ok(verifyAuthenticator(server, queue.publicKey, corrId, message, authenticator))
        const key = Uint8Array.of(...message, 1)
        assert.ok(!verifyAuthenticator(server, queue.publicKey, corrId, key, authenticator))
      }),
      { numRuns: 50 },
    )
  })

  it('are false, not errors, when anything is wrong', () => {
    const message = Uint8Array.of(1, 2, 3)
    const authenticator = authenticate(queue, server.publicKey, corrId, message)
    const stranger = PrivateKey.generate('x25519')
    assert.ok(!verifyAuthenticator(server, stranger.publicKey, corrId, message, authenticator))
    assert.ok(!verifyAuthenticator(stranger, queue.publicKey, corrId, message, authenticator))
    assert.ok(!verifyAuthenticator(server, queue.publicKey, randomBytes(24), message, authenticator))
    const lowOrder = new PublicKey('x25519', new Uint8Array(32))
    assert.ok(!verifyAuthenticator(server, lowOrder, corrId, message, authenticator))
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        assert.ok(!verifyAuthenticator(server, queue.publicKey, corrId, message, bytes))
      }),
      { numRuns: 50 },
    )
    for (let at = 0; at < authenticator.length; at++) {
      const changed = new Uint8Array(authenticator)
      changed[at] = (changed[at] as number) ^ 1
      assert.ok(!verifyAuthenticator(server, queue.publicKey, corrId, message, changed))
    }
  })
})
