import { AgentError, type AgentTransaction } from '@parley/agent'
import { toHex } from '@parley/core/encoding'
import type { Db } from '../store/index.ts'
import type { ChannelError } from './channel-error.ts'
import type { ChannelContext } from './context.ts'
import { MAX_LIFETIME, TRY_AGAIN } from './limits.ts'
import { packNew, packUnhanded } from './packing.ts'
import type { Link, Pair } from './pair.ts'
import {
  type Ack,
  type ChannelMessage,
  encodeChannelMessage,
  MAX_CHANNEL_MESSAGE,
  UNNUMBERED,
  WINDOW,
} from './protocol/index.ts'
import { refusalsOf } from './store/inbox.ts'
import {
  type DoneEnvelope,
  getOutcome,
  insertOutcome,
  insertOutgoing,
  removeFlights,
  takeDone,
  unplacedSize,
} from './store/outbox.ts'
import { insertUntold } from './store/untold.ts'
import type { ChannelEnvelope } from './types.ts'

/** A call of `send` that is not stored yet. */
interface WaitingSend {
  readonly envelope: ChannelEnvelope
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
}

/** Times the usual delay that an acknowledgement waits which says only what is stored, or goes alone in a stream. */
const LONG_ACK_DELAY = 20
/** Another acknowledgement has gone alone within this time: a stream comes, ms. */
const STREAM = 2000
/**
 * Time between two messages of a stream that are not full, ms: each costs both sides and the router as much as a full one.
 * The longer one after a message with several envelopes: they come fast.
 */
const STREAM_INTERVAL = { one: 10, several: 50 }
/** Envelopes that are looked at to see whether they fill a message. */
const FILLS = 64
/** Envelopes that are stored in one transaction. */
const STORED_AT_ONCE = 256

/** What one turn has stored and made. */
interface Turn {
  readonly accepted: readonly WaitingSend[]
  /** Ids that the peer has taken before. */
  readonly known: readonly string[]
  readonly link?: Link
  readonly messages: readonly ChannelMessage[]
  /** Why the agent took some of the messages not. */
  readonly refused?: AgentError | undefined
}

/**
 * What goes to one peer: stores what is to be sent, puts it into messages while the window allows, and hands those to the
 * agent. One turn after the other, so that what comes meanwhile goes together: one transaction, few messages.
 */
export class Sender {
  readonly #context: ChannelContext
  readonly #pair: Pair
  readonly #waiting: WaitingSend[] = []
  /** Called when a channel may have to be opened. */
  readonly #onWaiting: () => void
  readonly #onLost: (link: Link) => void
  #running = false
  #again = false
  #blocked = false

  constructor(
    context: ChannelContext,
    pair: Pair,
    { onWaiting, onLost }: { readonly onWaiting: () => void; readonly onLost: (link: Link) => void },
  ) {
    this.#context = context
    this.#pair = pair
    this.#onWaiting = onWaiting
    this.#onLost = onLost
  }

  /** Resolves when the envelope is stored. */
  send(envelope: ChannelEnvelope, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiting: WaitingSend = { envelope, resolve, reject }
    this.#waiting.push(waiting)
    this.kick()
    if (!signal) return promise
    const abort = () => {
      const index = this.#waiting.indexOf(waiting)
      if (index < 0) return
      this.#waiting.splice(index, 1)
      reject(signal.reason)
    }
    signal.addEventListener('abort', abort, { once: true })
    return promise.finally(() => signal.removeEventListener('abort', abort))
  }

  /** Calls of `send` that are not stored fail. */
  failWaiting(error: ChannelError): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }

  /** There may be something to do. */
  kick(): void {
    this.#again = true
    if (this.#running || this.#blocked || this.#context.closing.aborted) return
    this.#running = true
    this.#context.run('sending', this.#run())
  }

  /** Whether there is something to send on a link besides acknowledgements. */
  isDue({ record, resendDue }: Link): boolean {
    const isUnhanded = record.sndHanded < record.sndNumber || record.sndOffset > 0
    return isUnhanded || resendDue !== undefined || this.#pair.hasUnplaced || this.#waiting.length > 0
  }

  /** An acknowledgement is due: soon, together with others and with what is sent anyway. */
  scheduleAck(link: Link): void {
    const { record } = link
    const backlog = this.ackable(link) - record.ackedNumber
    if (backlog >= WINDOW / 3) {
      link.ackNow = true
      this.kick()
      return
    }
    // That messages are stored the peer has to know only before its window closes: that can wait longer. In a stream all
    // can: each one that goes alone turns the ratchet, and costs both sides a key pair of the KEM.
    const { ackDelay } = this.#context.limits
    const isTaken = record.rcvTaken > record.ackedTaken || link.ackForced
    if (link.stopAckTimer && (!isTaken || link.isAckSoon)) return
    link.stopAckTimer?.()
    link.isAckSoon = isTaken
    const canWait = !isTaken || performance.now() - link.ackedAloneAt < STREAM
    link.stopAckTimer = this.#context.after(canWait ? LONG_ACK_DELAY * ackDelay : ackDelay, () => {
      link.stopAckTimer = undefined
      link.ackNow = true
      this.kick()
    })
  }

  /** The number up to which the peer may be told that all is stored: it stays where it is while the inbox is full. */
  ackable({ record, pair }: Link): number {
    const { inboxEnvelopes, inboxBytes } = this.#context.limits
    const isFull = pair.toTake.count >= inboxEnvelopes || pair.toTake.bytes >= inboxBytes
    return isFull ? Math.min(record.ackedNumber, record.rcvNumber) : record.rcvNumber
  }

  /**
   * What the peer says it has.
   * @returns what to tell the application; undefined when the peer cannot have that
   */
  acknowledged(db: Db, link: Link, { stored, taken, refused }: Ack): (() => void) | undefined {
    const { record } = link
    if (stored > record.sndNumber || taken > record.sndSeq) return undefined
    if (stored > record.sndStored) {
      removeFlights(db, record.connId, stored)
      record.sndStored = stored
      record.sndHanded = Math.max(record.sndHanded, stored)
    }
    if (taken <= record.sndTaken) return () => undefined
    const statuses = new Map(refused.map(({ seq, status }) => [seq, status]))
    const done = takeDone(db, record.connId, taken)
    record.sndTaken = taken
    for (const envelope of done) this.#settle(db, envelope, statuses.get(envelope.seq))
    return () => this.#tell(done, statuses)
  }

  #settle(db: Db, { id, size, expired }: DoneEnvelope, status: number | undefined): void {
    const { waiting, record } = this.#pair
    if (expired) return
    waiting.count--
    waiting.bytes -= size
    const at = this.#context.now()
    insertOutcome(db, record.pairId, id, status === undefined ? 'delivered' : 'refused', at)
    if (status !== undefined) insertUntold(db, this.#pair.names, { id, reason: 'refused', status, at })
  }

  #tell(done: readonly DoneEnvelope[], statuses: ReadonlyMap<number, number>): void {
    const { events, tellFailures } = this.#context
    const { local, peer } = this.#pair
    for (const { id, seq, expired } of done) {
      if (!expired && !statuses.has(seq)) events.emit('delivered', { local, peer, id: toHex(id) })
    }
    if (statuses.size > 0) tellFailures()
  }

  async #run(): Promise<void> {
    try {
      while (this.#again && !this.#blocked && !this.#context.closing.aborted) {
        this.#again = false
        await this.#turn()
      }
    } finally {
      this.#running = false
    }
  }

  async #turn(): Promise<void> {
    const { db, step, events } = this.#context
    const { local, peer } = this.#pair
    const candidates = this.#candidates()
    let turn: Turn
    try {
      turn = await db.transaction((tx) => this.#make(tx, candidates))
    } catch (error) {
      for (const { reject } of candidates) reject(error)
      throw error
    }
    if (turn.accepted.length > 0) step('envelopes stored')
    for (const { resolve } of turn.accepted) resolve()
    for (const id of turn.known) events.emit('delivered', { local, peer, id })
    if (candidates.length > 0 && this.#waiting.length > 0) this.#again = true
    const { link, messages, refused } = turn
    if (link && refused) return this.#refusedByAgent(link, refused)
    if (link && messages.length > 0) {
      step('messages sent')
      // The window may have room, and what was sent meanwhile waits.
      if (this.#pair.hasUnplaced || link.record.sndOffset > 0) this.#again ||= this.#hasRoom(link)
    } else if (!this.#pair.active && this.#pair.waiting.count > 0) this.#onWaiting()
  }

  /** Those that there is room for, taken from the list. */
  #candidates(): WaitingSend[] {
    const { outboxEnvelopes, outboxBytes } = this.#context.limits
    let { count, bytes } = this.#pair.waiting
    let taken = 0
    for (const { envelope } of this.#waiting) {
      if (taken === STORED_AT_ONCE) break
      if (count > 0 && (count >= outboxEnvelopes || bytes + envelope.bytes.length > outboxBytes)) break
      count++
      bytes += envelope.bytes.length
      taken++
    }
    return this.#waiting.splice(0, taken)
  }

  #make(db: AgentTransaction, candidates: readonly WaitingSend[]): Turn {
    const known = candidates.flatMap(({ envelope }) => (this.#store(db, envelope) ? [] : [envelope.id]))
    const link = this.#pair.active
    if (link?.record.state !== 'open') return { accepted: candidates, known, messages: [] }
    const { record } = link
    const again = packUnhanded(db, link)
    const ack = this.#ackFor(db, link)
    const used = ack ? encodeChannelMessage({ ack }).length : 0
    const room = Math.max(0, WINDOW - (record.sndNumber - record.sndStored))
    // Unless it goes with an envelope: the peer's queue must not fill while it is away.
    if (!ack) link.ackNow = false
    const ackAlone = link.ackNow && ack !== undefined
    const evenEmpty = ackAlone && link.unnumbered >= UNNUMBERED
    const made = packNew(db, link, !evenEmpty && this.#gathers(db, link) ? 0 : room, used, evenEmpty)
    const messages: ChannelMessage[] = [...again, ...made]
    const [first] = made
    if (ack && first) messages[again.length] = { ...first, ack }
    else if (ackAlone && link.unnumbered < UNNUMBERED) messages.push({ ack })
    if (link.resendDue !== undefined) messages.push({ resend: link.resendDue })
    if (messages.length === 0) return { accepted: candidates, known, link, messages }
    const refused = this.#hand(db, link, messages)
    link.save(db)
    return { accepted: candidates, known, link, messages, refused }
  }

  /**
   * Whether what waits is better kept while the agent has a message to send, or has had one a moment ago and the peer says
   * nothing: it is less than another message holds, so that more may go in that.
   */
  #gathers(db: Db, link: Link): boolean {
    const { isSending, record, pair } = link
    const wait = link.nextAt - performance.now()
    if ((!isSending && wait <= 0) || record.sndOffset > 0) return false
    if (unplacedSize(db, pair.record.pairId, FILLS) >= MAX_CHANNEL_MESSAGE) return false
    // While it sends, its event tells when to go on.
    if (!isSending && !link.isGathering) {
      link.isGathering = true
      this.#context.after(wait, () => {
        link.isGathering = false
        this.kick()
      })
    }
    return true
  }

  /** False when the peer has taken it before. */
  #store(db: Db, { id, bytes, expiresAt: end = Number.POSITIVE_INFINITY }: ChannelEnvelope): boolean {
    const { limits, now } = this.#context
    const { record, waiting } = this.#pair
    const idBytes = Buffer.from(id, 'hex')
    if (getOutcome(db, record.pairId, idBytes) === 'delivered') return false
    const expiresAt = Math.min(end, now() + Math.min(limits.lifetime, MAX_LIFETIME))
    if (!insertOutgoing(db, record.pairId, { id: idBytes, bytes, expiresAt })) return true
    waiting.count++
    waiting.bytes += bytes.length
    this.#pair.hasUnplaced = true
    return true
  }

  /** What there is to say of what has come. */
  ackOf(db: Db, link: Link): Ack {
    const { connId, rcvTaken } = link.record
    return { stored: this.ackable(link), taken: rcvTaken, refused: refusalsOf(db, connId) }
  }

  #ackFor(db: Db, link: Link): Ack | undefined {
    const { record } = link
    const isNews = this.ackable(link) > record.ackedNumber || record.rcvTaken > record.ackedTaken
    return isNews || link.ackForced ? this.ackOf(db, link) : undefined
  }

  /** Gives messages to the agent; why it has refused one, and those after it are not handed. */
  #hand(db: AgentTransaction, link: Link, messages: Turn['messages']): AgentError | undefined {
    const { connId } = link.record
    const told = messages.find(({ ack }) => ack !== undefined)?.ack
    if (told) link.toldStored = Math.max(link.toldStored, told.stored)
    const results = db.sendMessages(messages.map((message) => ({ connId, body: encodeChannelMessage(message) })))
    for (const [i, result] of results.entries()) {
      if (result instanceof AgentError) return result
      this.#handed(link, messages[i] as ChannelMessage, result.msgId)
    }
    return undefined
  }

  #hasRoom({ record }: Link): boolean {
    return record.sndNumber - record.sndStored < WINDOW
  }

  #handed(link: Link, { number, ack, resend, frames = [] }: ChannelMessage, msgId: number): void {
    const { record } = link
    if (number === undefined) {
      link.unnumbered++
    } else {
      link.lastHandedId = msgId
      link.nextAt = performance.now() + (frames.length > 1 ? STREAM_INTERVAL.several : STREAM_INTERVAL.one)
      record.sndHanded = Math.max(record.sndHanded, number)
    }
    if (resend !== undefined) link.resendDue = undefined
    if (!ack) return
    if (number === undefined) link.ackedAloneAt = performance.now()
    record.ackedNumber = Math.max(record.ackedNumber, ack.stored)
    record.ackedTaken = Math.max(record.ackedTaken, ack.taken)
    link.ackNow = false
    link.ackForced = false
    link.stopAckTimer?.()
    link.stopAckTimer = undefined
    const more = this.ackable(link) > record.ackedNumber || record.rcvTaken > record.ackedTaken
    if (more) this.scheduleAck(link)
  }

  /** The agent takes nothing for the connection: it is gone, or its ratchets are out of step for now. */
  #refusedByAgent(link: Link, error: AgentError): void {
    const { log } = this.#context
    const { errorType } = error
    log({ level: 'warn', message: 'not sent', local: this.#pair.local, peer: this.#pair.peer, error: error.message })
    if (errorType.type === 'CONN' && errorType.error === 'NOT_FOUND') this.#onLost(link)
    else this.pauseFor(TRY_AGAIN)
  }

  /** Tries again later. */
  pauseFor(ms: number): void {
    if (this.#blocked) return
    this.#blocked = true
    this.#context.after(ms, () => {
      this.#blocked = false
      this.kick()
    })
  }
}
