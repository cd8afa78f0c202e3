import type { Frame } from './message.ts'

/** An envelope of which parts are still to come. */
export interface Assembly {
  readonly id: Uint8Array
  readonly total: number
  /** SHA-256 of the whole. */
  readonly digest: Uint8Array
  /** Bytes that are here. */
  readonly length: number
}

/** How far one direction of a connection has come. */
export interface Reassembly {
  /** The last envelope that is complete, or gone. */
  readonly seq: number
  readonly assembly?: Assembly | undefined
}

/** What a frame means for its receiver; `next` is the state after it. */
export type Received =
  | { readonly type: 'envelope'; readonly id: Uint8Array; readonly bytes: Uint8Array; readonly next: Reassembly }
  /** A part to keep; with `complete`, all are there, and the digest is to be checked. */
  | {
      readonly type: 'part'
      readonly bytes: Uint8Array
      readonly offset: number
      readonly complete?: Assembly
      readonly next: Reassembly
    }
  /** What there is of the envelope is to be forgotten. */
  | { readonly type: 'gone'; readonly next: Reassembly }
  /** It was gone before. */
  | { readonly type: 'nothing'; readonly next: Reassembly }
  /** No sender that keeps the rules sends this here. */
  | { readonly type: 'violation' }

const VIOLATION: Received = { type: 'violation' }

/** Reads the next frame of a direction. Envelopes come in order, and the parts of one after each other. */
export function receiveFrame(state: Reassembly, frame: Frame): Received {
  const { seq, assembly } = state
  if (frame.type === 'gone' && frame.seq <= seq) return { type: 'nothing', next: state }
  if (frame.seq !== seq + 1) return VIOLATION
  const done: Reassembly = { seq: frame.seq }
  if (frame.type === 'gone') return { type: 'gone', next: done }
  if (frame.type === 'part') {
    if (!assembly || frame.offset !== assembly.length) return VIOLATION
    const length = assembly.length + frame.bytes.length
    if (length > assembly.total) return VIOLATION
    const part = { type: 'part', bytes: frame.bytes, offset: frame.offset } as const
    if (length === assembly.total) return { ...part, complete: assembly, next: done }
    return { ...part, next: { seq, assembly: { ...assembly, length } } }
  }
  if (assembly) return VIOLATION
  if (frame.type === 'whole') return { type: 'envelope', id: frame.id, bytes: frame.bytes, next: done }
  const { id, bytes, total, digest } = frame
  return { type: 'part', bytes, offset: 0, next: { seq, assembly: { id, total, digest, length: bytes.length } } }
}
