import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { PeerKey } from '@parley/acn/record'
import { CryptoError } from '@parley/core/crypto'
import { DecodeError } from '@parley/core/encoding'
import fc from 'fast-check'
import { type CardMessage, decodeCardMessage, encodeCardMessage } from '../../src/directory/card-message.ts'
import { cardEnvelope, readCardEnvelope } from '../../src/directory/index.ts'
import { MAX_CARD_IN_MESSAGE, MAX_CARD_MESSAGE } from '../../src/directory/limits.ts'
import { ANSWER_UNIT, openQuestion, SEALED_QUESTION_LENGTH, sealQuestion } from '../../src/directory/seal.ts'

const plain = { noNullPrototype: true } as const
const bytes = fc.uint8Array({ maxLength: 200 })
const name = (maxLength: number) =>
  fc
    .string({ unit: 'binary', minLength: 1, maxLength })
    .filter((text) => text.isWellFormed() && text.length <= maxLength)
const code = fc.nat(0xffff_ffff)

const messages: fc.Arbitrary<CardMessage> = fc.oneof(
  fc.record({ type: fc.constant('request' as const), address: name(256) }, plain),
  fc.record({ type: fc.constant('answer' as const), cards: fc.array(bytes, { maxLength: 2 }) }, plain),
  fc.record({ type: fc.constant('publish' as const), card: bytes }, plain),
  fc.record({ type: fc.constant('published' as const), code }, plain),
  fc.record({ type: fc.constant('relay' as const), peerId: name(64), sealed: bytes }, plain),
  fc.record({ type: fc.constant('sealed' as const), sealed: bytes }, plain),
  fc.constant<CardMessage>({ type: 'askPeers' }),
  fc.record({ type: fc.constant('peers' as const), peerIds: fc.array(name(64), { maxLength: 32 }) }, plain),
  fc.record({ type: fc.constant('refused' as const), code }, plain),
)

describe('messages about cards', () => {
  test('are read as they were written, also by those who know fewer fields', () => {
    fc.assert(
      fc.property(messages, (message) => {
        const written = encodeCardMessage(message)
        assert.deepEqual(decodeCardMessage(written), message)
        // Field 100, a number, of a later version.
        assert.deepEqual(decodeCardMessage(Buffer.concat([written, Buffer.from('a00607', 'hex')])), message)
      }),
    )
  })

  test('are one at a time', () => {
    fc.assert(
      fc.property(messages, messages, (a, b) => {
        assert.throws(() => decodeCardMessage(Buffer.concat([encodeCardMessage(a), encodeCardMessage(b)])), DecodeError)
      }),
    )
    assert.throws(() => decodeCardMessage(new Uint8Array()), DecodeError)
  })

  test('are bounded', () => {
    const tooMuch: readonly CardMessage[] = [
      { type: 'request', address: 'a'.repeat(257) },
      { type: 'request', address: '' },
      { type: 'answer', cards: [1, 2, 3].map((n) => Uint8Array.of(n)) },
      { type: 'answer', cards: [new Uint8Array(MAX_CARD_IN_MESSAGE + 1)] },
      { type: 'publish', card: new Uint8Array(MAX_CARD_IN_MESSAGE + 1) },
      { type: 'peers', peerIds: Array.from({ length: 33 }, (_, i) => `peer ${i}`) },
      { type: 'relay', peerId: 'a'.repeat(65), sealed: new Uint8Array() },
      { type: 'sealed', sealed: new Uint8Array(MAX_CARD_MESSAGE) },
    ]
    for (const message of tooMuch) assert.throws(() => decodeCardMessage(encodeCardMessage(message)), DecodeError)
  })

  test('arbitrary and changed bytes give a message or a DecodeError', () => {
    const onlyDecodeError = (bytes: Uint8Array) => {
      try {
        decodeCardMessage(bytes)
      } catch (error) {
        assert.ok(error instanceof DecodeError, String(error))
      }
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), onlyDecodeError), { numRuns: 1000 })
    fc.assert(
      fc.property(messages, fc.nat(), fc.nat(255), (message, at, byte) => {
        const changed = Uint8Array.from(encodeCardMessage(message))
        changed[at % changed.length] = byte
        onlyDecodeError(changed)
      }),
      { numRuns: 1000 },
    )
  })

  test('go in envelopes of their protocol', () => {
    const envelope = cardEnvelope('to', 'from', { type: 'request', address: 'to' })
    assert.deepEqual(readCardEnvelope(envelope), { type: 'request', address: 'to' })
    assert.equal(readCardEnvelope({ ...envelope, protocolId: 'fetchai/default:1.0.0' }), undefined)
    assert.throws(() => readCardEnvelope({ ...envelope, message: Buffer.from('no') }), DecodeError)
  })
})

describe('sealed questions', () => {
  const key = new PeerKey(randomBytes(32))
  const other = new PeerKey(randomBytes(32))

  test('are opened by the peer that was asked, and their answers by who asked', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 461 }), fc.uint8Array({ maxLength: 9000 }), (question, answer) => {
        const asked = sealQuestion(key.publicKey, question)
        assert.equal(asked.sealed.length, SEALED_QUESTION_LENGTH)
        const opened = openQuestion(key, asked.sealed)
        assert.deepEqual(Buffer.from(opened.question), Buffer.from(question))
        const sealed = opened.sealAnswer(answer)
        assert.equal((sealed.length - 32) % ANSWER_UNIT, 0)
        assert.deepEqual(Buffer.from(asked.openAnswer(sealed)), Buffer.from(answer))
      }),
      { numRuns: 50 },
    )
    assert.throws(() => sealQuestion(key.publicKey, new Uint8Array(462)), CryptoError)
    assert.throws(() => sealQuestion(new Uint8Array(33), new Uint8Array(1)), DecodeError)
  })

  test('are opened by nobody else, nor after a change', () => {
    const { sealed, openAnswer } = sealQuestion(key.publicKey, Buffer.from('who'))
    assert.throws(() => openQuestion(other, sealed), DecodeError)
    const answer = openQuestion(key, sealed).sealAnswer(Buffer.from('he'))
    const foreign = openQuestion(key, sealQuestion(key.publicKey, Buffer.from('who')).sealed)
    assert.throws(() => openAnswer(foreign.sealAnswer(Buffer.from('he'))), DecodeError)
    for (const length of [0, 16, 32, 33, answer.length - 1]) {
      assert.throws(() => openAnswer(answer.subarray(0, length)), DecodeError)
    }
    for (let at = 0; at < sealed.length; at += 7) {
      assert.throws(() => openQuestion(key, flipped(sealed, at)), DecodeError)
    }
    for (let at = 0; at < answer.length; at += 101) assert.throws(() => openAnswer(flipped(answer, at)), DecodeError)
    assert.throws(() => openQuestion(key, sealed.subarray(1)), DecodeError)
  })

  test('that come again are answered under another key', () => {
    const { sealed, openAnswer } = sealQuestion(key.publicKey, Buffer.from('who'))
    const [a, b] = [0, 1].map(() => openQuestion(key, sealed).sealAnswer(Buffer.from('he')))
    assert.ok(a && b)
    const xor = a.map((byte, i) => byte ^ (b[i] ?? 0)).subarray(32)
    assert.ok(xor.filter((byte) => byte === 0).length < xor.length / 16)
    assert.deepEqual(openAnswer(a), openAnswer(b))
  })
})

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[at] = (copy[at] ?? 0) ^ 1
  return copy
}
