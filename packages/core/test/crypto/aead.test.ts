import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  AEAD_IV_LENGTH,
  AEAD_KEY_LENGTH,
  AEAD_TAG_LENGTH,
  decryptAead,
  decryptAeadNoPad,
  encryptAead,
  encryptAeadNoPad,
} from '@parley/core/crypto'
import fc from 'fast-check'

const exactly = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const equal = (actual: Uint8Array, expected: Uint8Array) =>
  assert.equal(Buffer.from(actual).toString('hex'), Buffer.from(expected).toString('hex'))
const notAuthentic = { name: 'CryptoError', code: 'DECRYPT_AES' }

const key = new Uint8Array(AEAD_KEY_LENGTH).fill(1)
const iv = new Uint8Array(AEAD_IV_LENGTH).fill(2)
const ad = Buffer.from('ad')

describe('AES-256-GCM', () => {
  it('gives the values of the specification', () => {
    const { tag, ciphertext } = encryptAeadNoPad(key, iv, ad, Buffer.from('hello world'))
    equal(tag, Buffer.from('6a89f1492871c70db959b0a37b96fdd0', 'hex'))
    equal(ciphertext, Buffer.from('1853fb26b0e1587bac4016', 'hex'))
  })

  it('gives back the message', () => {
    const bytes = fc.uint8Array({ maxLength: 300 })
    fc.assert(
      fc.property(exactly(32), exactly(16), bytes, bytes, fc.nat(50), (secret, vector, data, message, room) => {
        const length = message.length + 2 + room
        const sealed = encryptAead(secret, vector, length, data, message)
        assert.equal(sealed.ciphertext.length, length)
        assert.equal(sealed.tag.length, AEAD_TAG_LENGTH)
        equal(decryptAead(secret, vector, data, sealed.tag, sealed.ciphertext), message)
        const plain = encryptAeadNoPad(secret, vector, data, message)
        equal(decryptAeadNoPad(secret, vector, data, plain.tag, plain.ciphertext), message)
      }),
    )
  })

  it('refuses changes of any input', () => {
    const message = Buffer.from('hello')
    const { tag, ciphertext } = encryptAead(key, iv, 32, ad, message)
    const flip = (bytes: Uint8Array, at: number) => bytes.map((byte, i) => (i === at % bytes.length ? byte ^ 1 : byte))
    fc.assert(
      fc.property(fc.nat(63), (at) => {
        assert.throws(() => decryptAead(flip(key, at), iv, ad, tag, ciphertext), notAuthentic)
        assert.throws(() => decryptAead(key, flip(iv, at), ad, tag, ciphertext), notAuthentic)
        assert.throws(() => decryptAead(key, iv, flip(ad, at), tag, ciphertext), notAuthentic)
        assert.throws(() => decryptAead(key, iv, ad, flip(tag, at), ciphertext), notAuthentic)
        assert.throws(() => decryptAead(key, iv, ad, tag, flip(ciphertext, at)), notAuthentic)
      }),
    )
    for (const length of [0, 4, 12, 15]) {
      assert.throws(() => decryptAead(key, iv, ad, tag.subarray(0, length), ciphertext), notAuthentic)
    }
  })

  it('refuses messages that do not fit and content that is not padded', () => {
    const tooLarge = { name: 'CryptoError', code: 'LARGE_MSG' }
    assert.throws(() => encryptAead(key, iv, 100, ad, new Uint8Array(99)), tooLarge)
    assert.equal(encryptAead(key, iv, 100, ad, new Uint8Array(98)).ciphertext.length, 100)
    const { tag, ciphertext } = encryptAeadNoPad(key, iv, ad, Uint8Array.of(0, 9, 1))
    assert.throws(() => decryptAead(key, iv, ad, tag, ciphertext), { name: 'CryptoError', code: 'INVALID_MSG' })
  })
})
