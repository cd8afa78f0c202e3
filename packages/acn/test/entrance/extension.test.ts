import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AcnMessage, decodeAcnMessage, encodeAcnMessage, STATUS } from '@parley/acn/protocol'
import { DecodeError } from '@parley/core/encoding'
import fc from 'fast-check'
import {
  CHALLENGE_LENGTH,
  decodeExtended,
  decodeReport,
  type Extension,
  encodeExtended,
  encodeExtension,
  encodeReport,
  type WireReport,
} from '../../src/entrance/extension.ts'

const id = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('hex'))
const uint32 = fc.nat(0xffff_ffff)
const report: fc.Arbitrary<WireReport> = fc.record(
  {
    envelopeId: id,
    to: fc.string({ maxLength: 60 }),
    reason: fc.constantFrom('expired', 'refused', 'a word of a later version'),
    status: uint32,
    at: fc.nat(Number.MAX_SAFE_INTEGER),
  },
  { requiredKeys: ['envelopeId', 'to', 'reason', 'at'], noNullPrototype: true },
)
const extension: fc.Arbitrary<Extension> = fc.record(
  {
    capabilities: uint32,
    window: uint32,
    id,
    challenge: fc.uint8Array({ minLength: CHALLENGE_LENGTH, maxLength: CHALLENGE_LENGTH }),
    challengeAnswer: fc.string({ maxLength: 200 }),
    report,
    position: uint32,
    drained: fc.string({ maxLength: 60 }),
    carried: fc.boolean(),
  },
  { requiredKeys: [], noNullPrototype: true },
)
const plain = { noNullPrototype: true } as const
const body = fc.record(
  { code: fc.constantFrom(...Object.values(STATUS)), msgs: fc.array(fc.string(), { maxLength: 2 }) },
  plain,
)
const message: fc.Arbitrary<AcnMessage> = fc.oneof(
  fc.constant<AcnMessage>({ type: 'empty' }),
  fc.record({ type: fc.constant('aeaEnvelope' as const), envelope: fc.uint8Array({ maxLength: 300 }) }, plain),
  fc.record({ type: fc.constant('status' as const), body }, plain),
)

test('a message and its extension are read as they were written', () => {
  fc.assert(
    fc.property(message, extension, (message, extension) => {
      const read = decodeExtended(encodeExtended(message, extension))
      assert.deepEqual(normal(read.message), normal(message))
      assert.deepEqual(read.extension, extension)
    }),
    { numRuns: 200 },
  )
})

test('whoever does not know the extension reads the message alone', () => {
  fc.assert(
    fc.property(message, extension, (message, extension) => {
      const extended = encodeExtended(message, extension)
      const plain = encodeAcnMessage(message)
      assert.deepEqual(normal(decodeAcnMessage(extended)), normal(message))
      assert.ok(Buffer.from(extended.subarray(0, plain.length)).equals(plain))
    }),
    { numRuns: 200 },
  )
})

test('a message without an extension has none', () => {
  fc.assert(fc.property(message, (message) => decodeExtended(encodeAcnMessage(message)).extension === undefined))
})

test('a report is read as it was written', () => {
  fc.assert(fc.property(report, (report) => assert.deepEqual(decodeReport(encodeReport(report)), report)))
})

test('fields of a later version are skipped', () => {
  const known = encodeExtension({ window: 7 })
  // Field 15 with the text "later", field 14 with the number 1.
  const later = Buffer.concat([known, Buffer.from('7a056c61746572', 'hex'), Buffer.from('7001', 'hex')])
  const frame = Buffer.concat([Buffer.from('c23e', 'hex'), Buffer.of(later.length), later])
  assert.deepEqual(decodeExtended(frame).extension, { window: 7 })
})

test('arbitrary bytes give a value or a DecodeError', () => {
  const header = Buffer.from('c23e', 'hex')
  const onlyDecodeError = (read: () => unknown) => {
    try {
      read()
    } catch (error) {
      assert.ok(error instanceof DecodeError)
    }
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
      onlyDecodeError(() => decodeExtended(bytes))
      onlyDecodeError(() => decodeExtended(Buffer.concat([header, Buffer.of(bytes.length), bytes])))
      onlyDecodeError(() => decodeReport(bytes))
    }),
    { numRuns: 500 },
  )
})

test('an id that is none is not written', () => {
  assert.throws(() => encodeExtension({ id: 'ABC' }), TypeError)
})

/** Bytes as hexadecimal, so that a view compares equal to its copy. */
function normal(message: AcnMessage): unknown {
  if (message.type !== 'aeaEnvelope') return message
  return { type: message.type, envelope: Buffer.from(message.envelope).toString('hex') }
}
