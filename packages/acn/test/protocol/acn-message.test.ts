import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { create, toBinary } from '@bufbuild/protobuf'
import {
  decodeAcnMessage,
  decodeAgentRecord,
  decodeEnvelope,
  encodeAcnMessage,
  encodeAgentRecord,
  encodeEnvelope,
} from '@parley/acn/protocol'
import { DecodeError } from '@parley/core/encoding'
import fc from 'fast-check'
import { AcnMessageSchema, AeaEnvelopeSchema } from '../../src/protocol/gen/acn_pb.ts'
import { bytes, envelope, message, record } from './arbitraries.ts'

const fromHex = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'))

const envelopeMessage = fc
  .tuple(bytes, fc.option(fc.record({ record }, { noNullPrototype: true }), { nil: {} }))
  .map(([payload, rest]) => ({ type: 'aeaEnvelope' as const, envelope: payload, ...rest }))

describe('messages', () => {
  test('every message, envelope and record is read as it was written', () => {
    fc.assert(fc.property(message, (value) => assert.deepEqual(decodeAcnMessage(encodeAcnMessage(value)), value)))
    fc.assert(fc.property(envelope, (value) => assert.deepEqual(decodeEnvelope(encodeEnvelope(value)), value)))
    fc.assert(fc.property(record, (value) => assert.deepEqual(decodeAgentRecord(encodeAgentRecord(value)), value)))
  })

  test('the usual messages are written and read by hand as protobuf has them', () => {
    fc.assert(
      fc.property(envelopeMessage, (value) => {
        const general = toBinary(
          AcnMessageSchema,
          create(AcnMessageSchema, {
            performative: { case: 'aeaEnvelope', value: create(AeaEnvelopeSchema, { ...value }) },
          }),
        )
        assert.deepEqual(Buffer.from(encodeAcnMessage(value)), Buffer.from(general))
      }),
    )
    // Field 15, which nobody knows, makes every message one that is read the general way.
    const unknown = fromHex('7801')
    fc.assert(
      fc.property(message, (value) => {
        const written = encodeAcnMessage(value)
        assert.deepEqual(decodeAcnMessage(Uint8Array.of(...unknown, ...written)), value)
        assert.deepEqual(decodeAcnMessage(Uint8Array.of(...written, ...unknown)), value)
      }),
    )
  })

  test('the length of a field may have any number of bytes', () => {
    for (const length of [0, 1, 127, 128, 16_383, 16_384, 70_000, 2_097_152]) {
      const value = { type: 'aeaEnvelope', envelope: new Uint8Array(length).fill(7) } as const
      const read = decodeAcnMessage(encodeAcnMessage(value))
      assert.ok(read.type === 'aeaEnvelope' && Buffer.from(read.envelope).equals(value.envelope))
    }
    // A message that promises more than there is, at each place.
    const whole = encodeAcnMessage({ type: 'aeaEnvelope', envelope: new Uint8Array(200) })
    for (let end = 1; end < whole.length; end++) {
      assert.throws(() => decodeAcnMessage(whole.subarray(0, end)), DecodeError)
    }
  })

  test('arbitrary bytes are read or refused with a DecodeError', () => {
    const noise = fc.uint8Array({ maxLength: 200 })
    // Changing one byte of a message reaches deeper than noise.
    const damaged = fc.tuple(message, fc.nat(), fc.nat(255)).map(([value, at, byte]) => {
      const bytes = encodeAcnMessage(value)
      if (bytes.length > 0) bytes[at % bytes.length] = byte
      return bytes
    })
    fc.assert(
      fc.property(fc.oneof(noise, damaged), (bytes) => {
        for (const decode of [decodeAcnMessage, decodeEnvelope, decodeAgentRecord]) {
          try {
            decode(bytes)
          } catch (error) {
            assert.ok(error instanceof DecodeError)
          }
        }
      }),
      { numRuns: 500 },
    )
  })

  test('the error of a decoder does not repeat the input', () => {
    // A tag, then a text that is not UTF-8.
    const bytes = Buffer.concat([fromHex('3205'), fromHex('0a03'), Buffer.from('s\xffs', 'latin1')])
    assert.throws(() => decodeAcnMessage(bytes), {
      name: 'DecodeError',
      message: 'message is not valid protobuf at offset 0',
    })
  })

  test('texts must be UTF-8', () => {
    assert.throws(() => decodeEnvelope(fromHex('0a01ff')), DecodeError)
    assert.throws(() => decodeAgentRecord(fromHex('1a02c328')), DecodeError)
    // U+FEFF at the start belongs to the text.
    assert.equal(decodeEnvelope(fromHex('0a03efbbbf')).to, '\ufeff')
  })

  test('unknown fields are skipped', () => {
    const plain = { type: 'lookupRequest', agentAddress: 'a' } as const
    const bytes = Buffer.concat([fromHex('980602'), encodeAcnMessage(plain), fromHex('a2060161')])
    assert.deepEqual(decodeAcnMessage(bytes), plain)
    assert.deepEqual(encodeAcnMessage(decodeAcnMessage(bytes)), encodeAcnMessage(plain))
  })

  test('of several payloads the last one counts', () => {
    const [first, last] = [
      { type: 'lookupRequest', agentAddress: 'a' } as const,
      { type: 'status', body: { code: 3, msgs: [] } } as const,
    ]
    assert.deepEqual(decodeAcnMessage(Buffer.concat([encodeAcnMessage(first), encodeAcnMessage(last)])), last)
  })

  test('payloads without what they are for are read as such', () => {
    assert.deepEqual(decodeAcnMessage(new Uint8Array()), { type: 'empty' })
    assert.deepEqual(decodeAcnMessage(fromHex('4200')), { type: 'register' })
    assert.deepEqual(decodeAcnMessage(fromHex('3a00')), { type: 'lookupResponse' })
    assert.deepEqual(decodeAcnMessage(fromHex('4a00')), { type: 'status' })
    assert.deepEqual(decodeAcnMessage(fromHex('2a00')), { type: 'aeaEnvelope', envelope: new Uint8Array() })
  })

  test('bytes that nest without end are refused, not followed', () => {
    // Field 1, start of a group, as often as a frame can say it.
    assert.throws(() => decodeAcnMessage(new Uint8Array(3 * 1024 * 1024).fill(0x0b)), DecodeError)
  })
})
