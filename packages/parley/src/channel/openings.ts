import { AgentError, type AgentEventOf, type AgentTransaction, type ConnectionInMaking } from '@parley/agent'
import type { VerifiedCard } from '../card/index.ts'
import type { Db } from '../store/index.ts'
import { type Closings, NO_PROOF } from './closings.ts'
import type { ChannelContext } from './context.ts'
import { failureOf, isNotFound, reasonOf } from './failures.ts'
import { TRY_AGAIN } from './limits.ts'
import { Link, type Pair } from './pair.ts'
import { cardBytes, isNoOlder, readCard, storedCard } from './peer-card.ts'
import {
  ACCEPTOR,
  type ChannelRole,
  encodeChannelMessage,
  encodeChannelRequest,
  type Hello,
  OPENER,
  signChannelRequest,
  signProof,
  verifyProof,
} from './protocol/index.ts'
import type { Sender } from './sender.ts'
import { insertLink, newLink } from './store/links.ts'
import { savePair } from './store/pairs.ts'
import type { LocalAgent } from './types.ts'

const NOTHING = new Uint8Array()

/** What other parts do when links come. */
export interface OpeningsHooks {
  senderOf(pair: Pair): Sender
  /** A channel of the pair is there: requests that were held for it are not needed. */
  established(pair: Pair): void
}

/** Brings links about and proves both sides to each other. */
export class Openings {
  readonly #context: ChannelContext
  readonly #closings: Closings
  readonly #hooks: OpeningsHooks
  /** Pairs that a request is being sent for. */
  readonly #joining = new Set<Pair>()

  constructor(context: ChannelContext, closings: Closings, hooks: OpeningsHooks) {
    this.#context = context
    this.#closings = closings
    this.#hooks = hooks
  }

  /** Opens a channel when one is wanted and there is none. */
  ensure(pair: Pair): void {
    const { locals, closing } = this.#context
    if (closing.aborted || this.#joining.has(pair) || !locals.has(pair.local)) return
    if (pair.refused || pair.record.cardFailed !== undefined) return
    if (!pair.record.wanted && pair.waiting.count === 0) return
    if (pair.living.some((link) => this.#isEnough(link))) return
    this.#joining.add(pair)
    pair.pins++
    const done = () => {
      this.#joining.delete(pair)
      pair.pins--
    }
    this.#context.run('opening a channel', this.#join(pair).finally(done))
  }

  /** Whether nothing has to be opened beside a link: not a request that is still to be sent, or has come to nothing. */
  #isEnough({ record, busy }: Link): boolean {
    if (record.state !== 'opening') return true
    if (record.role === OPENER) return !busy
    return this.#context.now() - record.createdAt < this.#context.limits.holdRequest
  }

  /** The peer's card leads elsewhere now: a request that has no answer is of no use. */
  restart(pair: Pair): void {
    for (const link of pair.living) {
      const { record, isAnswered, busy } = link
      if (record.role === OPENER && record.state === 'opening' && !isAnswered && !busy) this.#closings.lost(link)
    }
    this.ensure(pair)
  }

  /** A join that was interrupted is done again by {@link ensure}: it has the same keys. */
  interrupted(link: Link): void {
    link.busy = true
    if (link.record.role === OPENER) this.ensure(link.pair)
    else this.#context.run('accepting a request', this.#accept(link.pair, link.record.invId ?? '', link.record.peerKey))
  }

  async #join(pair: Pair): Promise<void> {
    const { agent, limits, pq, closing, step } = this.#context
    let delay = limits.retry.initial
    let triedLink: string | undefined
    while (!closing.aborted) {
      const card = storedCard(pair)?.card
      if (triedLink !== undefined && triedLink !== card?.contactLink) await this.#forgetUnsent(pair, OPENER)
      const local = this.#context.locals.get(pair.local)
      if (!local || pair.active) return
      if (card?.contactLink === undefined) return this.#closings.cardFailed(pair, 'the peer has no contact address')
      const { contactLink, channelKey } = card
      triedLink = contactLink
      let link: Link | undefined
      const info = ({ db, connId, keyAgreement = NOTHING }: ConnectionInMaking) => {
        link = this.#prepared(db, pair, connId, OPENER, channelKey)
        // It may have got another card since.
        const { card, channelKey: ownKey } = this.#context.locals.get(pair.local) ?? local
        const request = { signedCard: card(), issuedAt: this.#context.now() }
        return encodeChannelRequest(signChannelRequest(ownKey, { contactLink, keyAgreement }, request))
      }
      try {
        const { connId } = await agent.joinConnection({ link: contactLink, info, pq, signal: closing })
        // Taken down meanwhile, as the agent of ours has another card.
        if (link?.isOutdated) continue
        link = this.#context.links.get(connId)
        if (link) link.busy = false
        step('request sent')
        // A newer card came meanwhile: it leads elsewhere.
        if (storedCard(pair)?.card.contactLink !== contactLink) this.restart(pair)
        return
      } catch (error) {
        if (closing.aborted) return
        if (link?.isOutdated) continue
        const failure = failureOf(error)
        if (failure !== 'later') await this.#forgetUnsent(pair, OPENER)
        if (failure === 'never') return this.#closings.cardFailed(pair, reasonOf(error))
        this.#log(pair, 'request not sent', error)
      }
      await new Promise<void>((resolve) => {
        const stop = this.#context.after(delay, resolve)
        closing.addEventListener('abort', () => [stop(), resolve()], { once: true })
      })
      delay = Math.min(delay * 2, limits.retry.max)
    }
  }

  /** Stores a link with its connection, unless it is there. */
  #prepared(db: Db, pair: Pair, connId: string, role: ChannelRole, peerKey: Uint8Array, invId?: string): Link {
    const { now, links, step } = this.#context
    const known = links.get(connId)
    if (known) return known
    const { pairId } = pair.record
    const link = new Link(newLink({ connId, pairId, role, createdAt: now(), peerKey, invId }), pair)
    link.busy = true
    insertLink(db, link.record)
    links.set(connId, link)
    pair.links.add(link)
    step('link prepared')
    return link
  }

  /** The agent has given up joining: the connection is gone. */
  async #forgetUnsent(pair: Pair, role: ChannelRole, invId?: string): Promise<void> {
    for (const link of pair.living) {
      const { record } = link
      if (record.role !== role || record.state !== 'opening' || !link.busy) continue
      if (invId === undefined || record.invId === invId) await this.#closings.remove(link)
    }
  }

  /**
   * Accepts a request that policy has let through.
   * @throws AgentError when it cannot be accepted
   */
  async accept(pair: Pair, invId: string, card: VerifiedCard): Promise<void> {
    const { db } = this.#context
    await db.transaction((tx) => {
      pair.record.card = cardBytes(card)
      pair.record.cardFailed = undefined
      pair.refused = false
      savePair(tx, pair.record)
    })
    // What the peer asked for before, and was not finished, it has given up.
    for (const link of pair.living) {
      if (link.record.role === ACCEPTOR && link.record.state === 'opening') await this.#closings.remove(link)
    }
    await this.#accept(pair, invId, card.card.channelKey)
  }

  async #accept(pair: Pair, invId: string, peerKey: Uint8Array): Promise<void> {
    pair.pins++
    try {
      await this.#acceptPinned(pair, invId, peerKey)
    } finally {
      pair.pins--
    }
  }

  async #acceptPinned(pair: Pair, invId: string, peerKey: Uint8Array): Promise<void> {
    const { agent, limits, pq, closing, step } = this.#context
    let delay = limits.retry.initial
    const info = ({ db, connId }: ConnectionInMaking) => {
      this.#prepared(db, pair, connId, ACCEPTOR, peerKey, invId)
      return NOTHING
    }
    while (!closing.aborted) {
      try {
        const { connId } = await agent.acceptContact(invId, { info, pq, signal: closing })
        const link = this.#context.links.get(connId)
        if (link) link.busy = false
        step('request accepted')
        return
      } catch (error) {
        if (closing.aborted) return
        if (failureOf(error) !== 'later') {
          await this.#forgetUnsent(pair, ACCEPTOR, invId)
          throw error
        }
        this.#log(pair, 'request not accepted yet', error)
      }
      await new Promise<void>((resolve) => {
        const stop = this.#context.after(delay, resolve)
        closing.addEventListener('abort', () => [stop(), resolve()], { once: true })
      })
      delay = Math.min(delay * 2, limits.retry.max)
    }
  }

  /**
   * Gives up what has come to nothing for too long. A request without an answer is sent again now and then: the peer may
   * have had too many at that time.
   */
  cleanUp(): void {
    const { links, limits, now, pairs } = this.#context
    for (const pair of pairs.values()) if (!pair.active) this.ensure(pair)
    for (const link of links.values()) {
      const { record, pair } = link
      if (link.isRemoved || (record.state !== 'opening' && record.state !== 'connected')) continue
      const age = now() - record.createdAt
      const isUnanswered = record.role === OPENER && record.state === 'opening' && !link.busy && !link.isAnswered
      const isRepeated = isUnanswered && age >= limits.requestAgain * 6 ** pair.repeats
      if (isRepeated) pair.repeats++
      if (isRepeated || age >= limits.openLifetime) this.#closings.lost(link)
    }
  }

  /** CONF: the peer has answered an own request. */
  async confirmed(link: Link, { connId, confId }: AgentEventOf<'CONF'>): Promise<void> {
    if (link.record.role !== OPENER || link.record.state === 'closing') return
    try {
      link.isAnswered = true
      await this.#context.agent.allowConnection(connId, confId, NOTHING)
      this.#context.step('confirmation allowed')
    } catch (error) {
      this.#log(link.pair, 'confirmation not allowed', error)
    }
  }

  /** CON: both directions of the connection work. */
  async connected(link: Link, pq: boolean): Promise<void> {
    if (link.record.state !== 'opening') return
    await this.#context.db.transaction((tx) => {
      link.record.state = 'connected'
      link.record.pq = pq
      link.busy = false
      link.save(tx)
    })
    this.#context.step('connected')
    await this.greet(link)
  }

  /** Sends this side's proof unless that was done. */
  async greet(link: Link): Promise<void> {
    const { locals, step } = this.#context
    const { record, pair } = link
    const local = locals.get(pair.local)
    if (!local || record.state !== 'connected') return
    try {
      const hello = record.helloSent ? undefined : await this.#helloOf(link, local)
      await this.#settleOpen(link, (tx) => {
        if (!hello || record.helloSent) return
        const [sent] = tx.sendMessages([{ connId: record.connId, body: encodeChannelMessage({ hello }) }])
        if (sent instanceof AgentError) throw sent
        record.helloSent = true
        link.save(tx)
      })
      if (hello) step('proof sent')
    } catch (error) {
      if (!(error instanceof AgentError)) throw error
      this.#log(pair, 'proof not sent', error)
      if (isNotFound(error)) return this.#closings.lost(link)
      this.#context.after(TRY_AGAIN, () => this.#context.run('proof', this.greet(link)))
    }
  }

  async #helloOf({ record: { connId, role }, pair }: Link, local: LocalAgent): Promise<Hello> {
    const ratchetAdHash = await this.#context.agent.connectionRatchetAdHash(connId)
    const statement = { ratchetAdHash, role, own: pair.local, peer: pair.peer }
    const signature = signProof(local.channelKey, statement)
    const card = role === ACCEPTOR ? { signedCard: local.card() } : {}
    return { role, own: pair.local, peer: pair.peer, signature, ...card }
  }

  /**
   * The peer's first message.
   * @returns false when it proves nothing: the link is gone then
   */
  async proven(link: Link, hello: Hello | undefined): Promise<boolean> {
    const { agent, now, step } = this.#context
    const { record, pair } = link
    const ratchetAdHash = await agent.connectionRatchetAdHash(record.connId)
    const card = hello?.signedCard && (await this.#newerCard(pair, hello.signedCard))
    const peerKey = card ? card.card.channelKey : record.peerKey
    const role: ChannelRole = record.role === OPENER ? ACCEPTOR : OPENER
    const statement = { ratchetAdHash, role, own: pair.peer, peer: pair.local }
    if (!hello || !isFor(hello, statement) || !verifyProof(peerKey, statement, hello.signature)) {
      await this.#proofFailed(link)
      return false
    }
    step('proof verified')
    await this.#settleOpen(link, (tx) => {
      record.peerKey = peerKey
      record.openedAt ??= now()
      if (card) {
        pair.record.card = cardBytes(card)
        pair.record.cardFailed = undefined
        savePair(tx, pair.record)
      }
      link.save(tx)
    })
    return true
  }

  /** The acceptor's card may be newer than the one that the request was sent with. */
  async #newerCard(pair: Pair, signed: Uint8Array): Promise<VerifiedCard | undefined> {
    const card = readCard(signed, this.#context.now(), pair.peer)
    if (!card || card.kind !== storedCard(pair)?.proof.kind || !isNoOlder(pair, card)) return undefined
    return (await this.#context.acceptCard(card)) ? card : undefined
  }

  async #proofFailed(link: Link): Promise<void> {
    const { events, log } = this.#context
    const { local, peer } = link.pair
    log({ level: 'warn', message: 'the peer could not prove who it is', local, peer })
    const isOwn = link.record.role === OPENER && !link.pair.active
    if (isOwn) link.pair.record.cardFailed = NO_PROOF
    await this.#closings.remove(link)
    events.emit('proofFailed', { local, peer })
    if (isOwn) await this.#closings.cardFailed(link.pair, NO_PROOF)
  }

  /** Stores a change after which both sides may have proven who they are. */
  async #settleOpen(link: Link, change: (tx: AgentTransaction) => void): Promise<void> {
    const { db, events, step } = this.#context
    const { record, pair } = link
    const opened = await db.transaction((tx) => {
      change(tx)
      if (record.state !== 'connected' || !record.helloSent || !link.isProven) return false
      record.state = 'open'
      link.save(tx)
      this.#closings.activate(tx, link)
      return true
    })
    if (!opened) return
    pair.repeats = 0
    step('channel open')
    const kind = storedCard(pair)?.proof.kind ?? 'represented'
    events.emit('opened', { local: pair.local, peer: pair.peer, pq: record.pq, card: kind })
    this.#hooks.established(pair)
    this.#hooks.senderOf(pair).kick()
    await this.#closings.leaveOne(link)
  }

  #log({ local, peer }: Pair, message: string, error: unknown): void {
    this.#context.log({ level: 'warn', message, local, peer, error: reasonOf(error) })
  }
}

/** Whether a hello is what the statement says, from the peer to this side. */
function isFor({ role, own, peer }: Hello, statement: { role: ChannelRole; own: string; peer: string }): boolean {
  return role === statement.role && own === statement.own && peer === statement.peer
}
