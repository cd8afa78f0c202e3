import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeText, encodeText, TEXT_PROTOCOL } from '../../src/text-message.ts'

/** Messages of the AEA framework 2.2.10: `DefaultMessage`, whose dialogue references are 64 times `1`, and `2`. */
const [ones, twos] = [`1240${'31'.repeat(64)}`, `1a40${'32'.repeat(64)}`]
const HELLO = `124f0801${ones}2a092a070a0568656c6c6f`
const GREETINGS = `12570801${ones}2a112a0f0a0d4772c3bcc39f6520f09f9c810a`
const EMPTY = `12480801${ones}2a022a00`
const NO_TEXT = `12990108ffffffffffffffffff01${ones}${twos}20012a062a040a02fffe`
const ERROR = `12a30108ffffffffffffffffff01${ones}${twos}20012a103a0e0a0012026e6f1a060a0161120162`

function decodeHex(hex: string, protocolId = TEXT_PROTOCOL): string | undefined {
  return decodeText(protocolId, Buffer.from(hex, 'hex'))
}

test('texts of the AEA framework are read', () => {
  assert.equal(decodeHex(HELLO), 'hello')
  assert.equal(decodeHex(GREETINGS), 'Grüße 🜁\n')
  assert.equal(decodeHex(EMPTY), '')
  assert.equal(decodeHex(NO_TEXT), undefined)
  // Another message of the protocol is no text, although all its bytes could be.
  assert.equal(decodeHex(ERROR), undefined)
})

test('texts are written as the AEA framework writes the first message of a dialogue', () => {
  for (const [text, wanted] of [
    ['hello', HELLO],
    ['Grüße 🜁\n', GREETINGS],
  ] as const) {
    const hex = Buffer.from(encodeText(text)).toString('hex')
    const reference = hex.slice(12, 12 + 128)
    assert.match(Buffer.from(reference, 'hex').toString(), /^[0-9a-f]{64}$/)
    assert.equal(hex.replace(reference, '31'.repeat(64)), wanted)
  }
  assert.notDeepEqual(encodeText('same'), encodeText('same'), 'each begins a dialogue of its own')
})

test('every text comes back, also as bytes of other protocols', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (text) => {
      assert.equal(decodeText(TEXT_PROTOCOL, encodeText(text)), text)
      assert.equal(decodeText('some/other:1.0.0', Buffer.from(text, 'utf8')), text)
    }),
  )
})

test('whatever comes is read without harm', () => {
  const damaged = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })).map(([at, byte]) => {
    const bytes = Buffer.from(HELLO, 'hex')
    bytes[at % bytes.length] = byte
    return bytes
  })
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), damaged), (bytes) => {
      const text = decodeText(TEXT_PROTOCOL, bytes)
      assert.ok(text === undefined || typeof text === 'string')
    }),
    { numRuns: 2000 },
  )
})
