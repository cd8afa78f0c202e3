import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { DecodeError } from '@parley/core/encoding'
import { ENVELOPE_ID_LENGTH, MAX_CHANNEL_MESSAGE, MAX_ENVELOPE, REPEATED_REFUSALS, STATUS_CORRUPTED } from './limits.ts'
import type { ChannelRole } from './proof.ts'

/** The first message of each side. */
export interface Hello {
  readonly role: ChannelRole
  readonly own: string
  readonly peer: string
  /** Of the proof, 64 bytes. */
  readonly signature: Uint8Array
  /** Of the acceptor: its card as it is now. */
  readonly signedCard?: Uint8Array
}

/** How far the other side is. */
export interface Ack {
  /** All messages up to this number are stored. */
  readonly stored: number
  /** The application has taken, or refused, all envelopes up to this one. */
  readonly taken: number
  /** Envelopes up to `taken` that were refused; the latest ones, each repeated for a while. */
  readonly refused: readonly { readonly seq: number; readonly status: number }[]
}

/** What is sent of envelopes. `seq` counts the envelopes of one direction of a connection from 1. */
export type Frame =
  /** A whole envelope. */
  | { readonly type: 'whole'; readonly seq: number; readonly id: Uint8Array; readonly bytes: Uint8Array }
  /** The first part of an envelope. */
  | {
      readonly type: 'first'
      readonly seq: number
      readonly id: Uint8Array
      readonly bytes: Uint8Array
      /** Length of the whole. */
      readonly total: number
      /** SHA-256 of the whole, 32 bytes. */
      readonly digest: Uint8Array
    }
  /** A further part. */
  | { readonly type: 'part'; readonly seq: number; readonly bytes: Uint8Array; readonly offset: number }
  /** The envelope, or the rest of it, will not come. */
  | { readonly type: 'gone'; readonly seq: number }

/** Why a side closes, as on the wire. */
export const CLOSE_CODES = { moved: 1, refused: 2, protocol: 3, superseded: 4 } as const
export type CloseCode = keyof typeof CLOSE_CODES

/**
 * What one message of the connection holds.
 *
 * ```proto
 * message ChannelMessage {
 *   uint64 number = 1;        // 1, 2, 3 … of messages whose place is confirmed by ack.stored; else left out
 *   Hello hello = 2;
 *   Ack ack = 3;
 *   uint64 resend = 4;        // messages from this number on are to be sent again
 *   uint32 close = 5;
 *   repeated Frame frames = 6;
 * }
 * message Hello { uint32 role = 1; string own = 2; string peer = 3; bytes signature = 4; bytes signed_card = 5; }
 * message Ack { uint64 stored = 1; uint64 taken = 2; repeated Refusal refused = 3; }
 * message Refusal { uint64 seq = 1; uint32 status = 2; }
 * message Frame { uint64 seq = 1; bytes id = 2; bytes bytes = 3; uint32 offset = 4; uint32 total = 5; bytes digest = 6; }
 * ```
 * Fields that a reader does not know are skipped.
 */
export interface ChannelMessage {
  readonly number?: number | undefined
  readonly hello?: Hello | undefined
  readonly ack?: Ack | undefined
  readonly resend?: number | undefined
  readonly close?: CloseCode | undefined
  readonly frames?: readonly Frame[] | undefined
}

const SIGNATURE_LENGTH = 64
const DIGEST_LENGTH = 32
const MAX_ADDRESS = 256
const { LengthDelimited, Varint } = WireType

/** The bytes of a message. */
export function encodeChannelMessage({ number, hello, ack, resend, close, frames = [] }: ChannelMessage): Uint8Array {
  const writer = new BinaryWriter()
  if (number !== undefined) writer.tag(1, Varint).uint64(number)
  if (hello) nested(writer, 2, (w) => writeHello(w, hello))
  if (ack) nested(writer, 3, (w) => writeAck(w, ack))
  if (resend !== undefined) writer.tag(4, Varint).uint64(resend)
  if (close) writer.tag(5, Varint).uint32(CLOSE_CODES[close])
  for (const frame of frames) nested(writer, 6, (w) => writeFrame(w, frame))
  return writer.finish()
}

/** Bytes that a frame with so many bytes of its envelope takes in a message, at most. */
export function frameLength(bytes: number): number {
  // Field numbers and lengths: 4 for the frame, 9 for seq, 18 for the id, 4 for the bytes, 5 for each number, 34 digest.
  return bytes + 4 + 9 + 18 + 4 + 5 + 5 + 34
}

/**
 * Reads a message. Byte fields are copies.
 * @throws DecodeError for what is no message, and for values that no sender has reason to send
 */
export function decodeChannelMessage(bytes: Uint8Array): ChannelMessage {
  if (bytes.length > MAX_CHANNEL_MESSAGE) throw new DecodeError('channel message is too long', 0)
  try {
    return readMessage(new BinaryReader(bytes))
  } catch (error) {
    if (error instanceof DecodeError) throw error
    // The reader's own text may quote the input.
    throw new DecodeError('channel message is not valid protobuf', 0)
  }
}

function nested(writer: BinaryWriter, field: number, write: (writer: BinaryWriter) => void): void {
  writer.tag(field, LengthDelimited).fork()
  write(writer)
  writer.join()
}

function writeHello(writer: BinaryWriter, { role, own, peer, signature, signedCard }: Hello): void {
  if (role !== 0) writer.tag(1, Varint).uint32(role)
  writer.tag(2, LengthDelimited).string(own)
  writer.tag(3, LengthDelimited).string(peer)
  writer.tag(4, LengthDelimited).bytes(signature)
  if (signedCard) writer.tag(5, LengthDelimited).bytes(signedCard)
}

function writeAck(writer: BinaryWriter, { stored, taken, refused }: Ack): void {
  if (stored > 0) writer.tag(1, Varint).uint64(stored)
  if (taken > 0) writer.tag(2, Varint).uint64(taken)
  for (const { seq, status } of refused) {
    nested(writer, 3, (w) => w.tag(1, Varint).uint64(seq).tag(2, Varint).uint32(status))
  }
}

function writeFrame(writer: BinaryWriter, frame: Frame): void {
  writer.tag(1, Varint).uint64(frame.seq)
  if (frame.type === 'gone') return
  if (frame.type !== 'part') writer.tag(2, LengthDelimited).bytes(frame.id)
  writer.tag(3, LengthDelimited).bytes(frame.bytes)
  if (frame.type === 'part') writer.tag(4, Varint).uint32(frame.offset)
  if (frame.type !== 'first') return
  writer.tag(5, Varint).uint32(frame.total)
  writer.tag(6, LengthDelimited).bytes(frame.digest)
}

function readMessage(reader: BinaryReader): ChannelMessage {
  const message: { -readonly [K in keyof ChannelMessage]: ChannelMessage[K] } = {}
  const frames: Frame[] = []
  eachField(reader, reader.len, (field, type) => {
    if (field === 1 && type === Varint) message.number = positive(reader)
    else if (field === 2 && type === LengthDelimited) message.hello = readHello(reader)
    else if (field === 3 && type === LengthDelimited) message.ack = readAck(reader)
    else if (field === 4 && type === Varint) message.resend = positive(reader)
    else if (field === 5 && type === Varint) message.close = closeCode(reader.uint32())
    else if (field === 6 && type === LengthDelimited) frames.push(readFrame(reader))
    else reader.skip(type, field)
  })
  if (frames.length > 0) {
    if (message.number === undefined) throw new DecodeError('envelopes in a message without number', 0)
    message.frames = frames
  }
  return message
}

function eachField(reader: BinaryReader, end: number, read: (field: number, type: WireType) => void): void {
  while (reader.pos < end) {
    const [field, type] = reader.tag()
    read(field, type)
  }
  if (reader.pos !== end) throw new DecodeError('field is longer than its message', reader.pos)
}

/** The end of a nested message, whose length comes next. */
function nestedEnd(reader: BinaryReader): number {
  const length = reader.uint32()
  const end = reader.pos + length
  if (end > reader.len) throw new DecodeError('message is cut off', reader.pos)
  return end
}

function readHello(reader: BinaryReader): Hello {
  let role = 0
  let own = ''
  let peer = ''
  let signature: Uint8Array = new Uint8Array()
  let signedCard: Uint8Array | undefined
  eachField(reader, nestedEnd(reader), (field, type) => {
    if (field === 1 && type === Varint) role = reader.uint32()
    else if (field === 2 && type === LengthDelimited) own = reader.string(true)
    else if (field === 3 && type === LengthDelimited) peer = reader.string(true)
    else if (field === 4 && type === LengthDelimited) signature = Uint8Array.from(reader.bytes())
    else if (field === 5 && type === LengthDelimited) signedCard = Uint8Array.from(reader.bytes())
    else reader.skip(type, field)
  })
  if (role !== 0 && role !== 1) throw new DecodeError('unknown role', reader.pos)
  if (![own, peer].every((text) => text.length > 0 && text.length <= MAX_ADDRESS)) {
    throw new DecodeError('hello without addresses', reader.pos)
  }
  if (signature.length !== SIGNATURE_LENGTH) throw new DecodeError('signature of another length', reader.pos)
  return { role, own, peer, signature, ...(signedCard && { signedCard }) }
}

function readAck(reader: BinaryReader): Ack {
  let stored = 0
  let taken = 0
  const refused: { seq: number; status: number }[] = []
  eachField(reader, nestedEnd(reader), (field, type) => {
    if (field === 1 && type === Varint) stored = natural(reader)
    else if (field === 2 && type === Varint) taken = natural(reader)
    else if (field === 3 && type === LengthDelimited) refused.push(readRefusal(reader))
    else reader.skip(type, field)
  })
  if (refused.length > REPEATED_REFUSALS) throw new DecodeError('too many refusals', reader.pos)
  return { stored, taken, refused }
}

function readRefusal(reader: BinaryReader): { seq: number; status: number } {
  let seq = 0
  let status = 0
  eachField(reader, nestedEnd(reader), (field, type) => {
    if (field === 1 && type === Varint) seq = positive(reader)
    else if (field === 2 && type === Varint) status = reader.uint32()
    else reader.skip(type, field)
  })
  if (seq === 0 || status === 0 || status > STATUS_CORRUPTED) throw new DecodeError('refusal of nothing', reader.pos)
  return { seq, status }
}

function readFrame(reader: BinaryReader): Frame {
  const none: Uint8Array = new Uint8Array()
  const read = { seq: 0, id: none, bytes: none, offset: 0, total: 0, digest: none }
  eachField(reader, nestedEnd(reader), (field, type) => {
    if (field === 1 && type === Varint) read.seq = positive(reader)
    else if (field === 2 && type === LengthDelimited) read.id = Uint8Array.from(reader.bytes())
    else if (field === 3 && type === LengthDelimited) read.bytes = Uint8Array.from(reader.bytes())
    else if (field === 4 && type === Varint) read.offset = reader.uint32()
    else if (field === 5 && type === Varint) read.total = reader.uint32()
    else if (field === 6 && type === LengthDelimited) read.digest = Uint8Array.from(reader.bytes())
    else reader.skip(type, field)
  })
  return frameOf(read, reader.pos)
}

function frameOf(
  {
    seq,
    id,
    bytes,
    offset,
    total,
    digest,
  }: Required<Omit<Extract<Frame, { type: 'first' }>, 'type'>> & {
    readonly offset: number
  },
  at: number,
): Frame {
  if (seq === 0) throw new DecodeError('frame without a place', at)
  const hasId = id.length > 0
  if (!hasId && bytes.length === 0 && offset === 0 && total === 0 && digest.length === 0) return { type: 'gone', seq }
  if (bytes.length === 0) throw new DecodeError('frame without bytes', at)
  if (!hasId) {
    if (offset === 0 || total !== 0 || digest.length > 0) throw new DecodeError('part without an offset', at)
    return { type: 'part', seq, bytes, offset }
  }
  if (id.length !== ENVELOPE_ID_LENGTH || offset !== 0) throw new DecodeError('envelope without an id', at)
  if (total === 0 && digest.length === 0) return { type: 'whole', seq, id, bytes }
  if (total <= bytes.length || total > MAX_ENVELOPE || digest.length !== DIGEST_LENGTH) {
    throw new DecodeError('first part of a wrong length', at)
  }
  return { type: 'first', seq, id, bytes, total, digest }
}

function natural(reader: BinaryReader): number {
  const value = Number(reader.uint64())
  if (!Number.isSafeInteger(value)) throw new DecodeError('number is too large', reader.pos)
  return value
}

function positive(reader: BinaryReader): number {
  const value = natural(reader)
  if (value === 0) throw new DecodeError('number must not be 0', reader.pos)
  return value
}

function closeCode(code: number): CloseCode {
  // Whatever a newer peer means by another code: it is gone.
  return (Object.keys(CLOSE_CODES) as CloseCode[]).find((name) => CLOSE_CODES[name] === code) ?? 'refused'
}
