import type { Db } from '../store/index.ts'
import type { ChannelContext } from './context.ts'
import { isNotFound } from './failures.ts'
import { TELL_PEER } from './limits.ts'
import type { Link, Pair } from './pair.ts'
import { type CloseCode, encodeChannelMessage } from './protocol/index.ts'
import type { Sender } from './sender.ts'
import { removeLink } from './store/links.ts'
import { hasUnplaced, unplaceAll } from './store/outbox.ts'
import { savePair } from './store/pairs.ts'
import type { CloseReason } from './types.ts'

const MOVED = 'the peer has moved'
/** Why a card is of no use whose link leads to somebody else. */
export const NO_PROOF = 'the peer proved nothing'

/** What other parts do when links go. */
export interface ClosingsHooks {
  senderOf(pair: Pair): Sender
  /** Opens a channel when one is wanted and there is none. */
  ensure(pair: Pair): void
}

/** Keeps one channel for each pair and takes links down. */
export class Closings {
  readonly #context: ChannelContext
  readonly #hooks: ClosingsHooks

  constructor(context: ChannelContext, hooks: ClosingsHooks) {
    this.#context = context
    this.#hooks = hooks
  }

  /** What is sent to the peer goes over this link from now on, all that it has not taken once more. */
  activate(db: Db, link: Link): void {
    const { pair } = link
    unplaceAll(db, pair.record.pairId)
    pair.hasUnplaced = hasUnplaced(db, pair.record.pairId)
    pair.active = link
  }

  /**
   * One channel stays of several. The side with the smaller address decides: it closes the others. The other side only
   * ends what cannot have become a channel, and later what nobody has closed.
   */
  async leaveOne(link: Link): Promise<void> {
    const { pair } = link
    const others = pair.living.filter((other) => other !== link)
    for (const other of others) {
      // Nobody waits for it: whoever has called may keep the agent's events waiting, which tell when the peer is told.
      if (pair.isLeader) this.#context.run('superseded', this.remove(other, 'superseded'))
      else if (other.record.state === 'opening') await this.remove(other)
    }
    if (pair.isLeader || others.every(({ isRemoved }) => isRemoved)) return
    this.#context.after(this.#context.limits.holdRequest, () => {
      for (const other of others) {
        if (pair.active === link && !other.isRemoved) this.#context.run('replaced channel', this.remove(other))
      }
    })
  }

  /** The peer has closed. */
  async closedByPeer(link: Link, code: CloseCode): Promise<void> {
    // Before the link is gone: nothing is to be opened with a card that leads to where the peer is not any more.
    if (code === 'moved') link.pair.record.cardFailed = MOVED
    if (code === 'refused') link.pair.refused = true
    await this.remove(link)
    if (code !== 'superseded') this.#changed(link.pair, code)
    else this.#changed(link.pair, undefined)
  }

  /** The peer breaks the rules. */
  async violated(link: Link): Promise<void> {
    this.#context.log({
      level: 'warn',
      message: 'the peer breaks the rules',
      local: link.pair.local,
      peer: link.pair.peer,
    })
    link.pair.refused = true
    await this.remove(link, 'protocol')
    this.#changed(link.pair, 'protocol')
  }

  /** The connection is gone. */
  lost(link: Link): void {
    if (link.isRemoved) return
    const wasOpen = link.record.state === 'open'
    this.#context.run(
      'lost channel',
      this.remove(link).then(() => this.#changed(link.pair, wasOpen ? 'lost' : undefined)),
    )
  }

  /**
   * The ratchets of both sides do not fit any more, as when one has come back with an older copy of its store: nothing
   * more can be read on the connection, or sent. Another takes its place, opened by whoever notices, because the peer may
   * wait for an answer to what it has sent.
   */
  async outOfStep(link: Link): Promise<void> {
    const { record } = link.pair
    this.#context.log({ level: 'warn', message: 'the connection is out of step', ...link.pair.names })
    record.wanted = true
    await this.#context.db.transaction((tx) => savePair(tx, record))
    this.lost(link)
  }

  /** A link is gone: another takes its place, or a new one is opened. */
  #changed(pair: Pair, reason: CloseReason | undefined): void {
    if (pair.active) {
      // The one that is left works with what is known.
      if (reason === 'moved') pair.record.cardFailed = undefined
      pair.refused = false
      return
    }
    const { local, peer } = pair
    if (reason !== undefined) this.#context.events.emit('closed', { local, peer, reason })
    // The card that is known leads elsewhere now.
    if (reason === 'moved') this.#context.run('moved peer', this.cardFailed(pair, MOVED))
    else this.#hooks.ensure(pair)
  }

  /** Takes a link down; with a code the peer is told why, after what is on its way. */
  async remove(link: Link, code?: CloseCode): Promise<void> {
    const { db } = this.#context
    const { record, pair } = link
    if (link.isRemoved) return
    link.isRemoved = true
    link.stopAckTimer?.()
    const wasConnected = record.state === 'connected' || record.state === 'open'
    try {
      await db.transaction((tx) => {
        record.state = 'closing'
        link.save(tx)
        if (pair.active !== link) return
        const next = pair.living.filter(({ record: { state } }) => state === 'open').at(-1)
        pair.active = undefined
        if (next) this.activate(tx, next)
      })
    } catch (error) {
      link.isRemoved = false
      throw error
    }
    if (pair.active) this.#hooks.senderOf(pair).kick()
    if (code && wasConnected) await this.#tell(link, code)
    await this.finishRemoval(link, code !== undefined && wasConnected)
  }

  /** Tells the peer why, before it can find the queue gone. One that cannot be told soon finds out by itself. */
  async #tell(link: Link, close: CloseCode): Promise<void> {
    const { db, agent, closing, after } = this.#context
    const { connId } = link.record
    // What was taken must not be sent elsewhere.
    const ack = link.isProven ? this.#hooks.senderOf(link.pair).ackOf(db, link) : undefined
    const { promise: told, resolve } = Promise.withResolvers<void>()
    const end = () => resolve()
    // Nothing is sent on the connection after it.
    let sentId = 0
    let closeId = Number.POSITIVE_INFINITY
    const failed = (event: { readonly connId: string }) => {
      if (event.connId === connId) end()
    }
    const listening = [
      after(TELL_PEER, end),
      agent.on('MERR', failed),
      agent.on('MERRS', failed),
      agent.on('SENT', (event) => {
        if (event.connId !== connId) return
        sentId = event.msgId
        if (sentId >= closeId) end()
      }),
    ]
    closing.addEventListener('abort', end, { once: true })
    if (closing.aborted) end()
    const sent = await agent.sendMessage(connId, encodeChannelMessage({ ack, close })).catch(() => undefined)
    if (sent) {
      closeId = sent.msgId
      if (sentId >= closeId) end()
      await told
    }
    closing.removeEventListener('abort', end)
    for (const stop of listening) stop()
  }

  /** Deletes the connection of a link that is closing, and forgets it. */
  async finishRemoval(link: Link, waitDelivery = true): Promise<void> {
    const { agent, db, links } = this.#context
    const { connId } = link.record
    try {
      await agent.deleteConnection(connId, { waitDelivery })
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
    await db.transaction((tx) => removeLink(tx, connId))
    links.delete(connId)
    link.pair.links.delete(link)
  }

  /** The card that is known leads nowhere: whoever wants something of the peer has to find another. */
  async cardFailed(pair: Pair, reason: string): Promise<void> {
    const { db, events } = this.#context
    await db.transaction((tx) => {
      pair.record.cardFailed = reason
      savePair(tx, pair.record)
    })
    if (pair.waiting.count > 0 || pair.record.wanted) events.emit('cardNeeded', { ...pair.names, reason })
  }
}
