import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { DecodeError, toHex } from '@parley/core/encoding'
import { type AcnMessage, decodeAcnMessage, encodeAcnMessage } from '../protocol/index.ts'
import { fieldAt, fieldLength, writeField } from '../protocol/wire.ts'
import type { RegistrationDates } from '../record/index.ts'
import type { EnvelopeId } from '../store/index.ts'

/**
 * What Parley ends say to each other besides the messages of the network: field 1000 of an AcnMessage, which no other
 * program knows and all of them skip.
 *
 * ```proto
 * message Extension {
 *   uint32 capabilities = 1;      // bits, see CAPABILITY; in Register and in the status that answers it
 *   uint32 window = 2;            // envelopes that may wait for their status at once; in that status
 *   bytes id = 3;                 // 16 bytes: of an envelope or a report, and of the status that answers it
 *   bytes challenge = 4;          // 32 bytes, in an empty message that answers Register
 *   string challenge_answer = 5;  // in the Register that follows
 *   Report report = 6;            // in an empty message
 *   uint32 position = 7;          // of an envelope between peers: docs/acn-link.md
 *   Dates registration = 8;       // beside an agent's record: docs/acn-registrations.md
 *   string drained = 9;           // an agent's address, beside a sender's record: docs/acn-link.md
 *   bool carried = 10;            // beside an envelope for an agent: it came by a private channel
 * }
 * message Dates {
 *   uint64 issued_at = 1;         // milliseconds since 1970, as all times
 *   uint64 expires_at = 2;
 *   bytes signature = 3;          // DER, at most 80 bytes
 * }
 * message Report {
 *   bytes envelope_id = 1;
 *   string to = 2;
 *   string reason = 3;
 *   uint32 status = 4;            // left out when none was received
 *   uint64 at = 5;                // milliseconds since 1970
 * }
 * ```
 */
export interface Extension {
  readonly capabilities?: number
  readonly window?: number
  /** 32 lower-case hexadecimal digits. */
  readonly id?: EnvelopeId
  /** {@link CHALLENGE_LENGTH} bytes. */
  readonly challenge?: Uint8Array
  /** A signature in the agent's ledger's own text form. */
  readonly challengeAnswer?: string
  readonly report?: WireReport
  /** Of an envelope between two Parley peers: see `link/`. */
  readonly position?: number
  /** What the representing peer says of the record in the message. */
  readonly registration?: RegistrationDates
  /** Address of an agent for which nothing is to wait any more: see `link/`. */
  readonly drained?: string
  /** Of an envelope that a node gives its agent: it came by the node's carrier, and not through the network. */
  readonly carried?: boolean
}

/** A delivery report as it is on the wire: a later version may know more reasons. */
export interface WireReport {
  readonly envelopeId: EnvelopeId
  readonly to: string
  readonly reason: string
  readonly status?: number
  readonly at: number
}

/** Bits of `capabilities`. */
export const CAPABILITY = {
  /** Envelopes and their statuses carry ids, by which repeated ones are recognised. */
  ids: 1,
  /** Delivery reports are understood. */
  reports: 2,
  /** The agent can sign a challenge. */
  challenge: 4,
  /** The agent only sends: it gets nothing, and another session of the same agent goes on beside it. */
  sendsOnly: 8,
} as const

/** Length of a challenge, in bytes. */
export const CHALLENGE_LENGTH = 32

const FIELD = 1000
/** Its tag on the wire. */
const FIELD_TAG = [0xc2, 0x3e]
const ID_LENGTH = 16
const ID_TEXT = /^[0-9a-f]{32}$/
const MAX_TEXT = 256
const MAX_SIGNATURE = 80

/** Whether a text has the form of an envelope id. */
export function isEnvelopeId(text: string): text is EnvelopeId {
  return ID_TEXT.test(text)
}

/** The protobuf bytes of a message with an extension: other programs read the message alone. */
export function encodeExtended(message: AcnMessage, extension: Extension): Uint8Array {
  const head = encodeAcnMessage(message)
  const added = encodeExtension(extension)
  const bytes = new Uint8Array(head.length + fieldLength(FIELD_TAG.length, added.length))
  bytes.set(head)
  writeField(bytes, head.length, FIELD_TAG, added)
  return bytes
}

/**
 * A message and the extension that it carries. Of several extensions the last one counts.
 * @throws DecodeError when either cannot be read
 */
export function decodeExtended(body: Uint8Array): { message: AcnMessage; extension: Extension | undefined } {
  const message = decodeAcnMessage(body)
  return { message, extension: reading(() => findExtension(body)) }
}

/** The protobuf bytes of the extension alone. */
export function encodeExtension(extension: Extension): Uint8Array {
  const { capabilities, window, id, challenge, challengeAnswer, report, position, registration, drained, carried } =
    extension
  const writer = new BinaryWriter()
  if (capabilities !== undefined) writer.tag(1, WireType.Varint).uint32(capabilities)
  if (window !== undefined) writer.tag(2, WireType.Varint).uint32(window)
  if (id !== undefined) writer.tag(3, WireType.LengthDelimited).bytes(idBytes(id))
  if (challenge !== undefined) writer.tag(4, WireType.LengthDelimited).bytes(challenge)
  if (challengeAnswer !== undefined) writer.tag(5, WireType.LengthDelimited).string(challengeAnswer)
  if (report !== undefined) writer.tag(6, WireType.LengthDelimited).bytes(encodeReport(report))
  if (position !== undefined) writer.tag(7, WireType.Varint).uint32(position)
  if (registration) writer.tag(8, WireType.LengthDelimited).bytes(encodeDates(registration))
  if (drained !== undefined) writer.tag(9, WireType.LengthDelimited).string(drained)
  if (carried !== undefined) writer.tag(10, WireType.Varint).bool(carried)
  return writer.finish()
}

/** The protobuf bytes of a report alone, as mailboxes hand it out. */
export function encodeReport({ envelopeId, to, reason, status, at }: WireReport): Uint8Array {
  const writer = new BinaryWriter()
    .tag(1, WireType.LengthDelimited)
    .bytes(idBytes(envelopeId))
    .tag(2, WireType.LengthDelimited)
    .string(to)
    .tag(3, WireType.LengthDelimited)
    .string(reason)
  if (status !== undefined) writer.tag(4, WireType.Varint).uint32(status)
  return writer.tag(5, WireType.Varint).uint64(at).finish()
}

/**
 * The report that these bytes hold.
 * @throws DecodeError
 */
export function decodeReport(bytes: Uint8Array): WireReport {
  return reading(() => readReport(bytes))
}

/** The protobuf bytes of a registration's dates. */
export function encodeDates({ issuedAt, expiresAt, signature }: RegistrationDates): Uint8Array {
  return new BinaryWriter()
    .tag(1, WireType.Varint)
    .uint64(issuedAt)
    .tag(2, WireType.Varint)
    .uint64(expiresAt)
    .tag(3, WireType.LengthDelimited)
    .bytes(signature)
    .finish()
}

/**
 * A registration's dates.
 * @throws DecodeError
 */
export function decodeDates(bytes: Uint8Array): RegistrationDates {
  return reading(() => {
    let [issuedAt, expiresAt, signature] = [0, 0, new Uint8Array()]
    const reader = new BinaryReader(bytes)
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag()
      if (type === WireType.Varint && field === 1) issuedAt = readTime(reader)
      else if (type === WireType.Varint && field === 2) expiresAt = readTime(reader)
      else if (type === WireType.LengthDelimited && field === 3) signature = Uint8Array.from(reader.bytes())
      else reader.skip(type, field)
    }
    if (signature.length > MAX_SIGNATURE) throw new DecodeError('signature is too long', 0)
    return { issuedAt, expiresAt, signature }
  })
}

function findExtension(body: Uint8Array): Extension | undefined {
  // Most messages have one field, and the extension, if any, after it.
  const [first = 0] = body
  const message = fieldAt(body, 0, [first], body.length)
  if (message && (first & 0x87) === 2) {
    if (message.end === body.length) return undefined
    const added = fieldAt(body, message.end, FIELD_TAG, body.length)
    if (added?.end === body.length) return readExtension(body.subarray(added.start, added.end))
  }
  const reader = new BinaryReader(body)
  let found: Extension | undefined
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag()
    if (field === FIELD && type === WireType.LengthDelimited) found = readExtension(reader.bytes())
    else reader.skip(type, field)
  }
  return found
}

function readExtension(bytes: Uint8Array): Extension {
  const extension: Extension = {}
  const reader = new BinaryReader(bytes)
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag()
    Object.assign(extension, readField(reader, field, type))
  }
  return extension
}

function readField(reader: BinaryReader, field: number, type: WireType): Extension {
  if (type === WireType.Varint) {
    if (field === 1) return { capabilities: reader.uint32() }
    if (field === 2) return { window: reader.uint32() }
    if (field === 7) return { position: reader.uint32() }
    if (field === 10) return { carried: reader.bool() }
  }
  if (type === WireType.LengthDelimited) {
    if (field === 3) return { id: readId(reader.bytes()) }
    if (field === 4) return { challenge: readChallenge(reader.bytes()) }
    if (field === 5) return { challengeAnswer: readText(reader) }
    if (field === 6) return { report: readReport(reader.bytes()) }
    if (field === 8) return { registration: decodeDates(reader.bytes()) }
    if (field === 9) return { drained: readText(reader) }
  }
  reader.skip(type, field)
  return {}
}

function readReport(bytes: Uint8Array): WireReport {
  let report: Partial<WireReport> = {}
  const reader = new BinaryReader(bytes)
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag()
    report = { ...report, ...readReportField(reader, field, type) }
  }
  const { envelopeId, to = '', reason = '', status, at = 0 } = report
  if (envelopeId === undefined) throw new DecodeError('report without id', 0)
  return { envelopeId, to, reason, at, ...(status !== undefined && { status }) }
}

function readReportField(reader: BinaryReader, field: number, type: WireType): Partial<WireReport> {
  if (type === WireType.LengthDelimited) {
    if (field === 1) return { envelopeId: readId(reader.bytes()) }
    if (field === 2) return { to: readText(reader) }
    if (field === 3) return { reason: readText(reader) }
  }
  if (type === WireType.Varint) {
    if (field === 4) return { status: reader.uint32() }
    if (field === 5) return { at: readTime(reader) }
  }
  reader.skip(type, field)
  return {}
}

function readId(bytes: Uint8Array): EnvelopeId {
  if (bytes.length !== ID_LENGTH) throw new DecodeError(`id of ${bytes.length} bytes`, 0)
  return toHex(bytes)
}

function readChallenge(bytes: Uint8Array): Uint8Array {
  if (bytes.length !== CHALLENGE_LENGTH) throw new DecodeError(`challenge of ${bytes.length} bytes`, 0)
  return Uint8Array.from(bytes)
}

function readText(reader: BinaryReader): string {
  const text = reader.string(true)
  if (text.length > MAX_TEXT) throw new DecodeError('text is too long', 0)
  return text
}

function readTime(reader: BinaryReader): number {
  const time = Number(reader.uint64())
  if (!Number.isSafeInteger(time)) throw new DecodeError('time is out of range', 0)
  return time
}

function idBytes(id: EnvelopeId): Uint8Array {
  if (!isEnvelopeId(id)) throw new TypeError('id must be 32 lower-case hexadecimal digits')
  return Buffer.from(id, 'hex')
}

/** Whatever the protobuf reader throws is a DecodeError that does not quote the input. */
function reading<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof DecodeError) throw error
    throw new DecodeError('extension is not valid protobuf', 0)
  }
}
