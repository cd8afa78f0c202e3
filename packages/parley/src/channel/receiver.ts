import { sha256 } from '@parley/core/crypto'
import { equalBytes, toHex } from '@parley/core/encoding'
import type { Db } from '../store/index.ts'
import type { ChannelContext } from './context.ts'
import { TRY_AGAIN } from './limits.ts'
import type { Link, Pair } from './pair.ts'
import {
  type Assembly,
  type ChannelMessage,
  type Frame,
  MAX_STATUS,
  REPEATED_REFUSALS,
  receiveFrame,
  STATUS_CORRUPTED,
  WINDOW,
} from './protocol/index.ts'
import type { Sender } from './sender.ts'
import {
  advanceTaken,
  type IncomingEnvelope,
  incomingAfter,
  insertArrival,
  insertIncoming,
  insertRefused,
  seenStatus,
  settleIncoming,
} from './store/inbox.ts'
import { insertPart, removeParts, takeParts } from './store/links.ts'

/** What a message of a proven peer has led to, once it is stored. */
export type Stored = { readonly violation: true } | { readonly violation: false; readonly after: () => void }

const VIOLATION: Stored = { violation: true }

/** What comes from one peer: stores messages, puts envelopes together, gives them to the application in order. */
export class Receiver {
  readonly #context: ChannelContext
  readonly #pair: Pair
  readonly #sender: Sender

  constructor(context: ChannelContext, pair: Pair, sender: Sender) {
    this.#context = context
    this.#pair = pair
    this.#sender = sender
  }

  /** Stores a message and what follows from it. */
  store(db: Db, link: Link, message: ChannelMessage): Stored {
    const { record } = link
    const tell: (() => void)[] = []
    link.unnumbered = 0
    if (message.ack) {
      const told = this.#sender.acknowledged(db, link, message.ack)
      if (!told) return VIOLATION
      tell.push(told)
    }
    if (message.resend !== undefined) {
      // What the peer had stored it cannot have lost without losing the connection.
      if (message.resend <= record.sndStored || message.resend > record.sndNumber + 1) return VIOLATION
      record.sndHanded = Math.min(record.sndHanded, message.resend - 1)
    }
    if (message.number !== undefined && !this.#number(db, link, message.number, message.frames ?? [])) return VIOLATION
    link.save(db)
    const after = () => {
      for (const told of tell) told()
      this.give()
      if (this.#sender.isDue(link)) this.#sender.kick()
      if (message.number !== undefined) this.#sender.scheduleAck(link)
    }
    return { violation: false, after }
  }

  /** False when the peer breaks the rules. */
  #number(db: Db, link: Link, number: number, frames: readonly Frame[]): boolean {
    const { record } = link
    if (number > link.toldStored + WINDOW) return false
    if (number <= record.rcvNumber) {
      // It was sent again: the peer may not know that it is here.
      link.ackForced = true
      return true
    }
    if (number > record.rcvNumber + 1) {
      if (link.resendAsked === record.rcvNumber + 1) return true
      link.resendAsked = record.rcvNumber + 1
      link.resendDue = link.resendAsked
      return true
    }
    record.rcvNumber = number
    link.nextAt = Number.NEGATIVE_INFINITY
    return frames.every((frame) => this.#frame(db, link, frame))
  }

  #frame(db: Db, link: Link, frame: Frame): boolean {
    const { record } = link
    const received = receiveFrame({ seq: record.rcvSeq, assembly: record.assembly }, frame)
    if (received.type === 'violation') return false
    record.rcvSeq = received.next.seq
    record.assembly = received.next.assembly
    switch (received.type) {
      case 'envelope':
        this.#arrived(db, link, received.id, received.bytes)
        break
      case 'part':
        insertPart(db, record.connId, received.offset, received.bytes)
        if (received.complete) this.#complete(db, link, received.complete)
        break
      case 'gone':
        removeParts(db, record.connId)
        insertArrival(db, record.connId, record.rcvSeq, new Uint8Array(), 0)
        this.#advance(db, link)
        break
    }
    return true
  }

  #complete(db: Db, link: Link, { id, digest }: Assembly): void {
    const bytes = takeParts(db, link.record.connId)
    if (equalBytes(sha256(bytes), digest)) {
      this.#arrived(db, link, id, bytes)
      return
    }
    const { pairId } = this.#pair.record
    this.#context.log({ level: 'warn', message: 'parts of an envelope do not make the whole', ...this.#names })
    const known = seenStatus(db, pairId, id)
    if (known === undefined) insertRefused(db, pairId, id, STATUS_CORRUPTED, this.#context.now())
    this.#arrive(db, link, id, known === undefined ? STATUS_CORRUPTED : known)
  }

  #arrived(db: Db, link: Link, id: Uint8Array, bytes: Uint8Array): void {
    const { pairId } = this.#pair.record
    const known = seenStatus(db, pairId, id)
    if (known === undefined) {
      insertIncoming(db, pairId, id, bytes, this.#context.now())
      this.#pair.toTake.count++
      this.#pair.toTake.bytes += bytes.length
    }
    this.#arrive(db, link, id, known ?? null)
  }

  #arrive(db: Db, link: Link, id: Uint8Array, status: number | null): void {
    insertArrival(db, link.record.connId, link.record.rcvSeq, id, status)
    if (status !== null) this.#advance(db, link)
  }

  /** True when there is news for the peer. */
  #advance(db: Db, { record }: Link): boolean {
    const taken = advanceTaken(db, record.connId, record.rcvTaken, REPEATED_REFUSALS)
    if (taken === record.rcvTaken) return false
    record.rcvTaken = taken
    return true
  }

  /** Gives the application what it has room for. */
  give(): void {
    const { locals, events, limits, db, closing } = this.#context
    const pair = this.#pair
    if (closing.aborted || pair.toTake.count === 0 || !locals.has(pair.local) || !events.has('envelope')) return
    const room = limits.given - pair.given.size
    if (room <= 0) return
    for (const envelope of incomingAfter(db, pair.record.pairId, pair.lastGiven, room)) {
      pair.lastGiven = envelope.inId
      pair.given.add(envelope.inId)
      this.#giveOne(envelope)
    }
  }

  /** The agent of ours is back: what it had not answered is given again. */
  giveAgain(): void {
    this.#pair.lastGiven = 0
    this.#pair.given.clear()
    this.give()
  }

  #giveOne(envelope: IncomingEnvelope): void {
    const { events, after, step } = this.#context
    const { id, bytes, inId } = envelope
    let settled: Promise<void> | undefined
    const settle = (status: number) => {
      settled ??= this.#settle(envelope, status)
      return settled
    }
    const event = {
      ...this.#names,
      id: toHex(id),
      bytes,
      taken: () => settle(0),
      refuse: (status: number) => {
        if (!Number.isInteger(status) || status < 1 || status > MAX_STATUS) throw new RangeError('status out of range')
        return settle(status)
      },
    }
    step('envelope given')
    events.emit('envelope', event, () => {
      if (settled) return
      after(TRY_AGAIN, () => {
        if (this.#pair.given.has(inId)) this.#giveOne(envelope)
      })
    })
  }

  async #settle(envelope: IncomingEnvelope, status: number): Promise<void> {
    const { db, now, step } = this.#context
    const pair = this.#pair
    const news = await db.transaction((tx) => {
      if (!settleIncoming(tx, pair.record.pairId, envelope, status, now())) return []
      pair.toTake.count--
      pair.toTake.bytes -= envelope.bytes.length
      const moved = pair.living.filter((link) => this.#advance(tx, link))
      for (const link of moved) link.save(tx)
      return moved
    }, true)
    pair.given.delete(envelope.inId)
    step('envelope taken')
    for (const link of news) if (link === pair.active) this.#sender.scheduleAck(link)
    this.give()
  }

  get #names() {
    return { local: this.#pair.local, peer: this.#pair.peer }
  }
}
