import { sha256 } from '@parley/core/crypto'
import { MAX_CHANNEL_MESSAGE } from './limits.ts'
import { type Frame, frameLength } from './message.ts'

/** Bytes of a message besides frames and an acknowledgement: its number. */
const NUMBER_LENGTH = 10
/** Room for frames in a message in which nothing else is. */
export const MAX_ROOM = MAX_CHANNEL_MESSAGE - NUMBER_LENGTH
/** The smallest part that is worth a frame. */
const MIN_PART = 1024
const FRAME_OVERHEAD = frameLength(0)

/** An envelope to send, or one whose time is over. */
export interface OutgoingEnvelope {
  readonly seq: number
  readonly id: Uint8Array
  /** Absent when it will not be sent any more. */
  readonly bytes?: Uint8Array | undefined
}

/** A place in the row of envelopes: the byte at `offset` of envelope `seq`. */
export interface Position {
  readonly seq: number
  readonly offset: number
}

/** The frames of one message, filled one after the other. */
export class Packer {
  readonly frames: Frame[] = []
  #room: number

  /** @param used bytes that are taken by other fields than the number */
  constructor(used = 0) {
    this.#room = MAX_ROOM - used
  }

  /**
   * Adds as much of an envelope as there is room for, from `offset` to at most `end`.
   * @returns the offset after what was added, which is `offset` when there is no room; undefined when all of it is in
   */
  add(envelope: OutgoingEnvelope, offset: number, end = Number.POSITIVE_INFINITY): number | undefined {
    const { seq, id, bytes } = envelope
    if (!bytes) {
      if (this.#room < FRAME_OVERHEAD) return offset
      this.#push({ type: 'gone', seq })
      return undefined
    }
    const room = this.#room - FRAME_OVERHEAD
    const left = Math.min(bytes.length, end) - offset
    const part = Math.min(left, room)
    const isWhole = offset === 0 && part === bytes.length
    if (!isWhole && !this.#fitsPart(bytes.length, part, left)) return offset
    const slice = bytes.subarray(offset, offset + part)
    if (isWhole) this.#push({ type: 'whole', seq, id, bytes })
    else if (offset > 0) this.#push({ type: 'part', seq, bytes: slice, offset })
    else this.#push({ type: 'first', seq, id, bytes: slice, total: bytes.length, digest: sha256(bytes) })
    return offset + part === bytes.length ? undefined : offset + part
  }

  /** An envelope that would be whole in a message of its own is not cut. */
  #fitsPart(length: number, part: number, left: number): boolean {
    if (part <= 0) return false
    if (length <= MAX_ROOM - FRAME_OVERHEAD) return false
    return part === left || part >= MIN_PART
  }

  #push(frame: Frame): void {
    this.frames.push(frame)
    const bytes = frame.type === 'gone' ? 0 : frame.bytes.length
    this.#room -= frameLength(bytes)
  }
}

/**
 * The frames from one position to another, exclusive, as they were sent the first time: a message that is sent again
 * covers what it covered. An envelope whose time is over by now is said to be gone.
 * @param envelopes those from `start.seq` on, in order
 */
export function packAgain(envelopes: Iterable<OutgoingEnvelope>, start: Position, end: Position): Frame[] {
  const frames: Frame[] = []
  for (const { seq, id, bytes } of envelopes) {
    if (seq > end.seq || (seq === end.seq && end.offset === 0)) break
    const from = seq === start.seq ? start.offset : 0
    if (!bytes) {
      frames.push({ type: 'gone', seq })
      continue
    }
    const to = seq === end.seq ? end.offset : bytes.length
    const slice = bytes.subarray(from, to)
    if (from > 0) frames.push({ type: 'part', seq, bytes: slice, offset: from })
    else if (to === bytes.length) frames.push({ type: 'whole', seq, id, bytes })
    else frames.push({ type: 'first', seq, id, bytes: slice, total: bytes.length, digest: sha256(bytes) })
  }
  return frames
}
