import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import {
  type AgentRecord,
  decodeAgentRecord,
  encodeAgentRecord,
  recordFromMessage,
  recordToMessage,
} from './agent-record.ts'
import { decodeProtobuf, READ_OPTIONS } from './decode-protobuf.ts'
import {
  AcnMessageSchema,
  AeaEnvelopeSchema,
  LookupRequestSchema,
  LookupResponseSchema,
  type AcnMessage as Message,
  RegisterSchema,
  StatusBodySchema,
  StatusSchema,
} from './gen/acn_pb.ts'
import { fieldAt, fieldLength, writeField, writeFieldHead } from './wire.ts'

/** An envelope on its way. The record is the sender's; it is there between peers and absent between agent and node. */
export interface AeaEnvelopeMessage {
  readonly type: 'aeaEnvelope'
  /** An encoded envelope. */
  readonly envelope: Uint8Array
  readonly record?: AgentRecord
}

export interface LookupRequestMessage {
  readonly type: 'lookupRequest'
  readonly agentAddress: string
}

/** Without a record it is malformed. */
export interface LookupResponseMessage {
  readonly type: 'lookupResponse'
  readonly record?: AgentRecord
}

/** Without a record it is malformed. */
export interface RegisterMessage {
  readonly type: 'register'
  readonly record?: AgentRecord
}

/** What a status says. */
export interface StatusBody {
  /** One of the status codes, or a number that this program does not know. */
  readonly code: number
  readonly msgs: readonly string[]
}

/** Without a body it is malformed: {@link statusOf} reads it as a decoding error. */
export interface StatusMessage {
  readonly type: 'status'
  readonly body?: StatusBody
}

/** A message without any payload that this program knows. */
export interface EmptyMessage {
  readonly type: 'empty'
}

/** What a frame holds: `spec/acn.md §4`. */
export type AcnMessage =
  | AeaEnvelopeMessage
  | LookupRequestMessage
  | LookupResponseMessage
  | RegisterMessage
  | StatusMessage
  | EmptyMessage

/** Tags of the fields that almost every message consists of. */
const TAG = { aeaEnvelope: [0x2a], envelope: [0x0a], record: [0x12], extension: [0xc2, 0x3e] } as const
/** A status that says SUCCESS, which is every second message. */
const SUCCESS = Uint8Array.of(0x4a, 0x02, 0x0a, 0x00)

/** The protobuf bytes of a message, without the frame's length. */
export function encodeAcnMessage(message: AcnMessage): Uint8Array {
  if (message.type === 'aeaEnvelope') return encodeAeaEnvelope(message)
  if (message.type === 'status' && message.body?.code === 0 && message.body.msgs.length === 0) return SUCCESS.slice()
  return toBinary(AcnMessageSchema, create(AcnMessageSchema, { performative: toPerformative(message) }))
}

/**
 * The message that these bytes hold; byte fields are views of them. No bytes at all are an `empty` message, which
 * every receiver answers with ERROR_UNEXPECTED_PAYLOAD. Unknown fields are skipped.
 * @throws DecodeError, which is answered with ERROR_DECODE
 */
export function decodeAcnMessage(bytes: Uint8Array): AcnMessage {
  return (
    decodeUsual(bytes) ??
    decodeProtobuf('message', () => fromPerformative(fromBinary(AcnMessageSchema, bytes, READ_OPTIONS)))
  )
}

function encodeAeaEnvelope({ envelope, record }: AeaEnvelopeMessage): Uint8Array {
  const recordBytes = record && encodeAgentRecord(record)
  const ofEnvelope = envelope.length > 0 ? fieldLength(1, envelope.length) : 0
  const length = ofEnvelope + (recordBytes ? fieldLength(1, recordBytes.length) : 0)
  const bytes = new Uint8Array(fieldLength(1, length))
  let place = writeFieldHead(bytes, 0, TAG.aeaEnvelope, length)
  if (envelope.length > 0) place = writeField(bytes, place, TAG.envelope, envelope)
  if (recordBytes) writeField(bytes, place, TAG.record, recordBytes)
  return bytes
}

/** An envelope or a plain SUCCESS in the form in which everybody writes them; undefined for all else. */
function decodeUsual(bytes: Uint8Array): AcnMessage | undefined {
  const whole = fieldAt(bytes, 0, TAG.aeaEnvelope, bytes.length)
  if (!whole) return isSuccess(bytes) ? { type: 'status', body: { code: 0, msgs: [] } } : undefined
  if (!isEnd(bytes, whole.end)) return undefined
  const envelope = fieldAt(bytes, whole.start, TAG.envelope, whole.end)
  if (!envelope) return undefined
  const found = { type: 'aeaEnvelope', envelope: bytes.subarray(envelope.start, envelope.end) } as const
  if (envelope.end === whole.end) return found
  const record = fieldAt(bytes, envelope.end, TAG.record, whole.end)
  if (record?.end !== whole.end) return undefined
  return { ...found, record: decodeAgentRecord(bytes.subarray(record.start, record.end)) }
}

function isSuccess(bytes: Uint8Array): boolean {
  return SUCCESS.every((byte, index) => bytes[index] === byte) && isEnd(bytes, SUCCESS.length)
}

/** Nothing follows, or what Parley ends add: the only field that others skip and we know. */
function isEnd(bytes: Uint8Array, at: number): boolean {
  return at === bytes.length || fieldAt(bytes, at, TAG.extension, bytes.length)?.end === bytes.length
}

function toPerformative(message: AcnMessage): Message['performative'] {
  switch (message.type) {
    case 'aeaEnvelope': {
      const value = create(AeaEnvelopeSchema, { envelope: message.envelope, ...recordField(message.record) })
      return { case: 'aeaEnvelope', value }
    }
    case 'lookupRequest':
      return { case: 'lookupRequest', value: create(LookupRequestSchema, { agentAddress: message.agentAddress }) }
    case 'lookupResponse':
      return { case: 'lookupResponse', value: create(LookupResponseSchema, recordField(message.record)) }
    case 'register':
      return { case: 'register', value: create(RegisterSchema, recordField(message.record)) }
    case 'status': {
      const { body } = message
      const init = body ? { body: create(StatusBodySchema, { code: body.code, msgs: [...body.msgs] }) } : {}
      return { case: 'status', value: create(StatusSchema, init) }
    }
    case 'empty':
      return { case: undefined }
  }
}

function fromPerformative({ performative }: Message): AcnMessage {
  switch (performative.case) {
    case 'aeaEnvelope': {
      const { envelope, record } = performative.value
      return { type: 'aeaEnvelope', envelope, ...(record && { record: recordFromMessage(record) }) }
    }
    case 'lookupRequest':
      return { type: 'lookupRequest', agentAddress: performative.value.agentAddress }
    case 'lookupResponse':
    case 'register': {
      const { record } = performative.value
      return { type: performative.case, ...(record && { record: recordFromMessage(record) }) }
    }
    case 'status': {
      const { body } = performative.value
      return { type: 'status', ...(body && { body: { code: body.code, msgs: body.msgs } }) }
    }
    case undefined:
      return { type: 'empty' }
  }
}

function recordField(record: AgentRecord | undefined) {
  return record ? { record: recordToMessage(record) } : {}
}
