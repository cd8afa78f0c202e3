import type { Db } from '../store/index.ts'
import type { Link } from './pair.ts'
import { type Frame, type OutgoingEnvelope, Packer, type Position, packAgain } from './protocol/index.ts'
import {
  type Flight,
  flightsAfter,
  insertFlight,
  outgoingBytes,
  placed,
  placeOutgoing,
  type UnplacedEnvelope,
  unplaced,
} from './store/outbox.ts'

/** Envelopes that are looked up at once. */
const BATCH = 64

/** A numbered message to send. */
export interface NumberedMessage {
  readonly number: number
  readonly frames: readonly Frame[]
}

/** The messages that the agent has not accepted, as they were made the first time. */
export function packUnhanded(db: Db, { record: { connId, sndHanded } }: Link): NumberedMessage[] {
  return flightsAfter(db, connId, sndHanded).map(({ number, start, end }: Flight) => {
    const last = end.offset > 0 ? end.seq : end.seq - 1
    const envelopes = last >= start.seq ? placed(db, connId, start.seq, last) : []
    return { number, frames: packAgain(envelopes, start, end) }
  })
}

/**
 * Makes the next messages of what waits, and records what they cover.
 * @param count how many at most
 * @param used bytes that other fields take in the first of them
 * @param evenEmpty one is made although nothing waits
 */
export function packNew(db: Db, link: Link, count: number, used: number, evenEmpty: boolean): NumberedMessage[] {
  const { record } = link
  const source = new Source(db, link)
  const messages: NumberedMessage[] = []
  while (messages.length < count) {
    const start = positionOf(link)
    const packer = new Packer(messages.length === 0 ? used : 0)
    fill(packer, source, link)
    if (packer.frames.length === 0 && !(evenEmpty && messages.length === 0)) break
    record.sndNumber++
    const message = { number: record.sndNumber, frames: packer.frames }
    insertFlight(db, record.connId, { number: message.number, start, end: positionOf(link) })
    messages.push(message)
    if (packer.frames.length === 0) break
  }
  link.pair.hasUnplaced = source.peek() !== undefined
  return messages
}

/** Where the next message begins. */
function positionOf({ record: { sndSeq, sndOffset } }: Link): Position {
  return sndOffset > 0 ? { seq: sndSeq, offset: sndOffset } : { seq: sndSeq + 1, offset: 0 }
}

function fill(packer: Packer, source: Source, { record }: Link): void {
  for (let envelope = source.peek(); envelope; envelope = source.peek()) {
    const offset = record.sndOffset
    const reached = packer.add(envelope, offset)
    if (reached === offset) return
    source.place(envelope)
    record.sndSeq = envelope.seq
    record.sndOffset = reached ?? 0
    if (reached !== undefined) return
    source.next()
  }
}

/** The envelopes that wait, from the one that is sent in part on. */
class Source {
  readonly #db: Db
  readonly #link: Link
  #current: OutgoingEnvelope | undefined
  #outId: number | undefined
  #batch: UnplacedEnvelope[] = []
  #ended = false

  constructor(db: Db, link: Link) {
    this.#db = db
    this.#link = link
    const { connId, sndSeq, sndOffset } = link.record
    if (sndOffset > 0) [this.#current] = placed(db, connId, sndSeq, sndSeq)
  }

  peek(): OutgoingEnvelope | undefined {
    if (this.#current) return this.#current
    if (this.#batch.length === 0 && !this.#ended) {
      // What was placed has left the list.
      this.#batch = unplaced(this.#db, this.#link.pair.record.pairId, BATCH)
      this.#ended = this.#batch.length < BATCH
    }
    const next = this.#batch.shift()
    if (!next) return undefined
    this.#outId = next.outId
    this.#current = { seq: this.#link.record.sndSeq + 1, id: next.id, bytes: outgoingBytes(this.#db, next.outId) }
    return this.#current
  }

  /** The envelope has its place on the link now. */
  place({ seq }: OutgoingEnvelope): void {
    if (this.#outId !== undefined) placeOutgoing(this.#db, this.#outId, this.#link.record.connId, seq)
    this.#outId = undefined
  }

  next(): void {
    this.#current = undefined
  }
}
