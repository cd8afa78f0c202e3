import assert from 'node:assert/strict'
import {
  decodeAcnMessage,
  decodeEnvelope,
  encodeAcnMessage,
  encodeEnvelope,
  encodeFrame,
  FrameDecoder,
  STATUS,
  statusOf,
} from '@parley/acn/protocol'
import {
  each,
  expectKeys,
  hex,
  type JsonObject,
  object,
  one,
  sameBytes,
  sectionCases,
  text,
  type VectorFile,
} from '../../../core/test/vectors/vector-file.ts'
import { textFormat } from './text-format.ts'

function checkMessage(entry: JsonObject): void {
  expectKeys(entry, 'name', 'hex', 'framedHex', 'text')
  const bytes = hex(entry, 'hex')
  const message = decodeAcnMessage(bytes)
  assert.equal(plainQuotes(textFormat(message)), plainQuotes(text(entry, 'text')))
  sameBytes(encodeAcnMessage(message), bytes)

  const framed = hex(entry, 'framedHex')
  sameBytes(encodeFrame(bytes), framed)
  const decoder = new FrameDecoder()
  decoder.push(framed)
  const body = decoder.next()
  assert.ok(body)
  sameBytes(body, bytes)
  assert.equal(decoder.buffered, 0)

  if (message.type === 'aeaEnvelope') {
    sameBytes(encodeEnvelope(decodeEnvelope(message.envelope)), message.envelope)
  }
  if (message.type === 'status') {
    assert.equal(statusOf(message).code, message.body ? message.body.code : STATUS.ERROR_DECODE)
  }
}

/** The files do not always escape quotes inside quotes. */
function plainQuotes(described: string): string {
  return described.replaceAll(/\\(['"])/g, '$1')
}

function checkEnvelope(entry: JsonObject): void {
  expectKeys(entry, 'name', 'hex', 'fields')
  const envelope = decodeEnvelope(hex(entry, 'hex'))
  const fields = object(entry.fields)
  expectKeys(fields, 'to', 'sender', 'protocol_id', 'messageHex', 'uri')
  assert.equal(envelope.to, text(fields, 'to'))
  assert.equal(envelope.sender, text(fields, 'sender'))
  assert.equal(envelope.protocolId, text(fields, 'protocol_id'))
  sameBytes(envelope.message, hex(fields, 'messageHex'))
  assert.equal(envelope.uri, text(fields, 'uri'))
  sameBytes(encodeEnvelope(envelope), hex(entry, 'hex'))
}

/** Messages and envelopes of every kind. */
export const coverage: VectorFile[] = [
  {
    file: 'acn-messages.json',
    cases: (data) =>
      sectionCases(data, {
        acnMessages: each(checkMessage),
        envelopes: each(checkEnvelope),
        statusCodes: one((codes) => assert.deepEqual({ ...codes }, { ...STATUS })),
      }),
  },
]
