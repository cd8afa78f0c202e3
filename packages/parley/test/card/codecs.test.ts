import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { DecodeError, EncodeError } from '@parley/core/encoding'
import fc from 'fast-check'
import {
  type ContactCard,
  decodeContactCard,
  decodeLinkBinding,
  decodeSignedCard,
  encodeContactCard,
  encodeLinkBinding,
  encodeSignedCard,
  MAX_ATTACHMENT,
  MAX_CARD_LIFETIME,
  MAX_SIGNED_CARD,
} from '../../src/card/index.ts'
import { contactCard, linkBinding, signedCard } from './arbitraries.ts'
import { AGENT_CARD, linkOf, NOW, peerOf, SampleAgent } from './sample.ts'

const agent = new SampleAgent(1)

/** Each codec with values for it. */
const CODECS = [
  codec('card', contactCard, encodeContactCard, decodeContactCard),
  codec('signed card', signedCard, (value) => encodeSignedCard(value), decodeSignedCard),
  codec('link binding', linkBinding, encodeLinkBinding, decodeLinkBinding),
]

interface AnyCodec {
  readonly name: string
  readonly values: fc.Arbitrary<unknown>
  encode(value: unknown): Uint8Array
  decode(bytes: Uint8Array): unknown
}

function codec<T>(
  name: string,
  values: fc.Arbitrary<T>,
  encode: (value: T) => Uint8Array,
  decode: (bytes: Uint8Array) => T,
): AnyCodec {
  return { name, values, encode: (value) => encode(value as T), decode }
}

for (const { name, values, encode, decode } of CODECS) {
  describe(name, () => {
    test('is read as it was written', () => {
      fc.assert(fc.property(values, (value) => assert.deepEqual(decode(encode(value)), value)))
    })

    test('has one encoding: whatever else would be read as it is refused', () => {
      fc.assert(
        fc.property(values, fc.nat(), fc.nat(), (value, at, choice) => {
          const fields = splitFields(encode(value))
          for (const other of otherEncodings(fields, at, choice)) assert.throws(() => decode(other), DecodeError)
        }),
      )
    })

    test('changed and arbitrary bytes give a value with the same bytes, or a DecodeError', () => {
      const onlyDecodeError = (bytes: Uint8Array) => {
        try {
          assert.deepEqual(Buffer.from(encode(decode(bytes))), Buffer.from(bytes))
        } catch (error) {
          assert.ok(error instanceof DecodeError, String(error))
        }
      }
      fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), onlyDecodeError), { numRuns: 500 })
      fc.assert(
        fc.property(values, fc.nat(), fc.nat(255), (value, at, byte) => {
          const bytes = Uint8Array.from(encode(value))
          bytes[at % bytes.length] = byte
          onlyDecodeError(bytes)
          onlyDecodeError(bytes.subarray(0, at % bytes.length))
        }),
        { numRuns: 500 },
      )
    })
  })
}

describe('the form of a card', () => {
  const card = agent.card()

  test('each field has its bounds', () => {
    const wrong: readonly Partial<ContactCard>[] = [
      { ledgerId: '' },
      { address: '' },
      { address: 'with space' },
      { address: 'a'.repeat(257) },
      { publicKey: '' },
      { contactLink: '' },
      { contactLink: 'https://example.com/' },
      { contactLink: linkOf(1).replace('/a#', '/g#') },
      { contactLink: `${linkOf(1)}${'a'.repeat(1024)}` },
      { channelKey: new Uint8Array(31) },
      { issuedAt: 0 },
      { issuedAt: 1.5 },
      { notBefore: 0 },
      { notAfter: card.notBefore },
      { notAfter: card.notBefore + MAX_CARD_LIFETIME + 1 },
      { sequence: 0 },
      { sequence: -1 },
      { sequence: Number.MAX_SAFE_INTEGER + 1 },
      { attachment: { digest: new Uint8Array(31), type: 'text/plain' } },
      { attachment: { digest: new Uint8Array(32), type: '' } },
      { attachment: { digest: new Uint8Array(32), type: 'a'.repeat(128) } },
      { attachment: { digest: new Uint8Array(32), type: 'text/plain\n' } },
    ]
    for (const change of wrong) {
      assert.throws(() => encodeContactCard({ ...card, ...change }), EncodeError, JSON.stringify(change))
    }
    encodeContactCard({ ...card, notAfter: card.notBefore + MAX_CARD_LIFETIME })
  })

  test('a sequence above what a number holds exactly is refused', () => {
    const bytes = new BinaryWriter().raw(encodeContactCard({ ...card, sequence: 1 }))
    const huge = bytes
      .tag(9, WireType.Varint)
      .uint64(2n ** 53n)
      .finish()
    assert.throws(() => decodeContactCard(huge), DecodeError)
  })

  test('a signed card has one signature, and not too many bytes', async () => {
    const byLedger = await agent.sign(card)
    const byPeer = agent.represented(card, peerOf(9))
    const [cardField, ledgerField] = splitFields(encodeSignedCard(byLedger))
    const [, recordField, peerField] = splitFields(encodeSignedCard(byPeer))
    assert.ok(cardField && ledgerField && recordField && peerField)
    for (const fields of [[cardField], [cardField, ledgerField, recordField], [cardField, ledgerField, peerField]]) {
      assert.throws(() => decodeSignedCard(Buffer.concat(fields)), DecodeError)
    }
    assert.throws(() => decodeSignedCard(Buffer.concat([cardField, peerField])), DecodeError)
    assert.throws(() => decodeSignedCard(Buffer.concat([cardField, recordField])), DecodeError)
    const long = { ...byLedger, proof: { kind: 'ledger', signature: 'a'.repeat(MAX_SIGNED_CARD) } } as const
    assert.throws(() => encodeSignedCard(long), EncodeError)
  })

  test('an attachment is bounded, named by its card, and can be left out', async () => {
    const bytes = new Uint8Array(MAX_ATTACHMENT)
    const attachment = { type: 'application/octet-stream', bytes }
    const signed = await agent.sign(agent.card({ attachment }), attachment)
    assert.deepEqual(encodeSignedCard(decodeSignedCard(encodeSignedCard(signed))), encodeSignedCard(signed))
    assert.deepEqual(Buffer.from(decodeSignedCard(encodeSignedCard(signed)).attachment ?? []), Buffer.from(bytes))
    const short = encodeSignedCard(signed, { withoutAttachment: true })
    assert.ok(short.length <= MAX_SIGNED_CARD)
    assert.equal(decodeSignedCard(short).attachment, undefined)
    assert.throws(() => encodeSignedCard({ ...signed, attachment: new Uint8Array(MAX_ATTACHMENT + 1) }), EncodeError)
    assert.throws(() => encodeSignedCard({ ...signed, attachment: new Uint8Array() }), EncodeError)
    assert.throws(
      () => agent.card({ attachment: { ...attachment, bytes: new Uint8Array(MAX_ATTACHMENT + 1) } }),
      RangeError,
    )
    assert.throws(() => agent.card({ attachment: { ...attachment, bytes: new Uint8Array() } }), RangeError)
    const unnamed = await agent.sign(agent.card(), AGENT_CARD)
    assert.throws(() => encodeSignedCard(unnamed), EncodeError)
    const written = Buffer.concat([encodeSignedCard(await agent.sign(agent.card())), Buffer.from('2a0161', 'hex')])
    assert.throws(() => decodeSignedCard(written), DecodeError)
  })

  test('makers count on from the last sequence, and at least up to now', () => {
    assert.equal(agent.card().sequence, NOW)
    assert.equal(agent.card({ previousSequence: NOW + 5 }).sequence, NOW + 6)
    assert.equal(agent.card({ previousSequence: 5 }).sequence, NOW)
  })
})

/** Fields of a message, each with its number and type. */
function splitFields(bytes: Uint8Array): Uint8Array[] {
  const fields: Uint8Array[] = []
  let start = 0
  while (start < bytes.length) {
    const [tag, afterTag] = varint(bytes, start)
    const [length, afterLength] = varint(bytes, afterTag)
    const end = (tag & 7) === WireType.LengthDelimited ? afterLength + length : afterLength
    fields.push(bytes.subarray(start, end))
    start = end
  }
  return fields
}

function varint(bytes: Uint8Array, start: number): [value: number, end: number] {
  let value = 0
  for (let at = start, factor = 1; ; at++, factor *= 128) {
    const byte = bytes[at] ?? assert.fail('ends in a number')
    value += (byte & 0x7f) * factor
    if (byte < 0x80) return [value, at + 1]
  }
}

/** What most readers of protobuf take for the same message. */
function* otherEncodings(fields: readonly Uint8Array[], at: number, choice: number): Generator<Uint8Array> {
  const index = at % fields.length
  const field = fields[index] ?? assert.fail('no field')
  // Twice.
  yield Buffer.concat([...fields, field])
  // In another order.
  const others = fields.filter((_, i) => i !== index)
  const place = choice % fields.length
  if (place !== index) yield Buffer.concat([...others.slice(0, place), field, ...others.slice(place)])
  // With a field that nobody knows.
  yield Buffer.concat([...fields, Buffer.from('980601', 'hex')])
  // With a default written out: field 12, and field 1 as empty text before the real one.
  yield Buffer.concat([...fields, Buffer.from('6000', 'hex')])
  yield Buffer.concat([Buffer.from('0a00', 'hex'), ...fields])
  // With a longer number of the field.
  const longer = Buffer.concat([Buffer.of((field[0] ?? 0) | 0x80, 0), field.subarray(1)])
  yield Buffer.concat([...fields.slice(0, index), longer, ...fields.slice(index + 1)])
}
