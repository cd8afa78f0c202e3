import type { VerifiedCard } from '../card/index.ts'
import { Admission } from './admission.ts'
import { AgentEvents } from './agent-events.ts'
import { ChannelError } from './channel-error.ts'
import { Closings } from './closings.ts'
import { type ChannelContext, pairKey } from './context.ts'
import { ChannelEmitter } from './emitter.ts'
import { FailureTeller } from './failure-teller.ts'
import { reasonOf } from './failures.ts'
import type { Flows } from './flows.ts'
import { Housekeeping } from './housekeeping.ts'
import { DEFAULT_LIMITS } from './limits.ts'
import { loadPairs } from './load-pairs.ts'
import { Openings } from './openings.ts'
import { Pair } from './pair.ts'
import { cardBytes, isNoOlder, storedCard } from './peer-card.ts'
import { ENVELOPE_ID_LENGTH, MAX_ENVELOPE } from './protocol/index.ts'
import { Receiver } from './receiver.ts'
import { Sender } from './sender.ts'
import { dropInbox } from './store/inbox.ts'
import { dropOutbox, envelopeState, insertOutcome } from './store/outbox.ts'
import { insertPair, savePair } from './store/pairs.ts'
import { MIGRATIONS } from './store/schema.ts'
import { insertUntold } from './store/untold.ts'
import type {
  ChannelEnvelope,
  ChannelEventName,
  ChannelHandler,
  ChannelRequestSummary,
  ChannelSummary,
  ChannelsOptions,
  EnvelopeState,
  LocalAgent,
} from './types.ts'

/** What belongs to one pair. */
interface PairParts {
  readonly sender: Sender
  readonly receiver: Receiver
}

/**
 * Private channels between ledger addresses, over the connections of one agent: `docs/channels.md`. One channel per pair
 * of addresses; envelopes arrive once and in order, are stored until the peer's application has taken them, and wait for
 * a peer that is away.
 */
export class Channels implements AsyncDisposable {
  readonly #context: ChannelContext
  readonly #stop: AbortController
  readonly #tasks: Set<Promise<void>>
  readonly #timers: Set<NodeJS.Timeout>
  readonly #parts = new Map<Pair, PairParts>()
  readonly #closings: Closings
  readonly #openings: Openings
  readonly #admission: Admission
  readonly #unsubscribe: (() => void)[] = []
  #closed: Promise<void> | undefined

  private constructor(options: ChannelsOptions) {
    const { agent, pq = true, now = Date.now, log = () => undefined } = options
    const stop = new AbortController()
    const tasks = new Set<Promise<void>>()
    const timers = new Set<NodeJS.Timeout>()
    this.#stop = stop
    this.#tasks = tasks
    this.#timers = timers
    const onError = (name: ChannelEventName, error: unknown) =>
      log({ level: 'error', message: `handler of ${name} failed`, error: reasonOf(error) })
    this.#context = {
      agent,
      db: agent.applicationStore(MIGRATIONS, { onUndone: () => this.#reload() }),
      limits: { ...DEFAULT_LIMITS, ...options.limits },
      pq,
      acceptCard: options.acceptCard ?? (() => true),
      events: new ChannelEmitter(onError, (name) => {
        if (name === 'envelope') for (const { receiver } of this.#parts.values()) receiver.give()
        if (name === 'notDelivered') teller.kick()
      }),
      log,
      now,
      closing: stop.signal,
      locals: new Map(),
      pairs: new Map(),
      links: new Map(),
      after(ms, action) {
        const timer = setTimeout(() => {
          timers.delete(timer)
          if (!stop.signal.aborted) action()
        }, ms)
        timers.add(timer)
        return () => {
          timers.delete(timer)
          clearTimeout(timer)
        }
      },
      run(what, work) {
        const task: Promise<void> = work
          .then(
            () => undefined,
            (error) => {
              if (!stop.signal.aborted) log({ level: 'error', message: `${what} failed`, error: reasonOf(error) })
            },
          )
          .finally(() => tasks.delete(task))
        tasks.add(task)
      },
      tellFailures: () => teller.kick(),
      step: (name) => log({ level: 'debug', message: `step: ${name}` }),
    }
    const senderOf = (pair: Pair) => this.#partsOf(pair).sender
    this.#closings = new Closings(this.#context, { senderOf, ensure: (pair) => this.#openings.ensure(pair) })
    const teller = new FailureTeller(this.#context)
    this.#openings = new Openings(this.#context, this.#closings, {
      senderOf,
      established: (pair) => this.#admission.established(pair),
    })
    this.#admission = new Admission(
      this.#context,
      options.policy ?? { mode: 'everyone' },
      { openings: this.#openings, closings: this.#closings },
      {
        pairOf: (local, peer) => this.#pairOf(local, peer),
      },
    )
  }

  /**
   * Goes on with what the agent's store holds. Nothing is told before a handler is there: {@link Channels.on}.
   * @throws StoreError NEWER, MIGRATION, IO; AgentError INACTIVE, CMD PROHIBITED when the agent carries channels already
   */
  static async open(options: ChannelsOptions): Promise<Channels> {
    const channels = new Channels(options)
    try {
      await channels.#start()
      return channels
    } catch (error) {
      await channels.close()
      throw error
    }
  }

  /**
   * An agent of ours is here: its contact address is listened to, its channels go on, envelopes for it are given. Calling
   * it again replaces card and key.
   * @throws ChannelError CLOSED
   */
  async addLocal(local: LocalAgent): Promise<void> {
    this.#checkOpen()
    this.#context.locals.set(local.address, local)
    await this.#begin(local, (receiver) => receiver.giveAgain())
  }

  /**
   * An agent of ours has another contact address, card and key. Its channels are closed, of which peers hear as if it had
   * moved; what waits stays, and is sent in channels that are opened anew with the new card. For one that is not here yet
   * as well.
   * @throws ChannelError CLOSED
   */
  async renewLocal(local: LocalAgent): Promise<void> {
    this.#checkOpen()
    const { locals, links } = this.#context
    const wasHere = locals.has(local.address)
    // First: what is opened from here on is opened with the new card.
    locals.set(local.address, local)
    this.#admission.localRemoved(local.address)
    const old = [...links.values()].filter(({ pair, isRemoved }) => pair.local === local.address && !isRemoved)
    for (const link of old) link.isOutdated = true
    await Promise.all(old.map((link) => this.#closings.remove(link, 'moved')))
    this.#context.step('channels closed')
    // What the application has it has still.
    await this.#begin(local, (receiver) => (wasHere ? receiver.give() : receiver.giveAgain()))
  }

  /** Goes on with what belongs to an agent of ours. */
  async #begin(local: LocalAgent, give: (receiver: Receiver) => void): Promise<void> {
    const { agent } = this.#context
    this.#admission.localAdded(local)
    for (const [pair, { receiver, sender }] of this.#parts) {
      if (pair.local !== local.address) continue
      give(receiver)
      sender.kick()
      for (const link of pair.living)
        if (link.record.state === 'connected') this.#run('proof', this.#openings.greet(link))
      this.#openings.ensure(pair)
    }
    const failed = await agent.subscribeConnections([local.contactConnId])
    for (const error of failed.values()) {
      // Those that may work later are tried again by the agent.
      this.#context.log({
        level: 'warn',
        message: 'contact address not subscribed',
        local: local.address,
        error: error.message,
      })
    }
  }

  /**
   * The agent is not here any more. `away`: it will be back, its channels stay. `moved` or `refused`: peers are told and
   * its channels are deleted; what it had not taken, peers send elsewhere; what it had sent and peers had not taken is
   * `notDelivered`.
   * @throws ChannelError CLOSED
   */
  async removeLocal(address: string, reason: 'away' | 'moved' | 'refused'): Promise<void> {
    this.#checkOpen()
    this.#context.locals.delete(address)
    if (reason === 'away') return
    this.#admission.localRemoved(address)
    for (const [pair, { sender }] of this.#parts) {
      if (pair.local !== address) continue
      sender.failWaiting(new ChannelError('UNKNOWN_LOCAL', 'the agent was removed'))
      await this.#removePair(pair, reason)
    }
  }

  /**
   * Sends an envelope: it is stored when this resolves. It waits while as much as allowed is stored for the peer.
   * @throws ChannelError NO_PEER when `open` was never called and the peer has opened none; LARGE; UNKNOWN_LOCAL; CLOSED;
   * the signal's reason
   */
  async send(local: string, peer: string, envelope: ChannelEnvelope, signal?: AbortSignal): Promise<void> {
    this.#checkLocal(local)
    const pair = this.#context.pairs.get(pairKey(local, peer))
    if (!pair || (!pair.record.card && pair.links.size === 0)) {
      throw new ChannelError('NO_PEER', 'there is no channel with this address, and no card to open one')
    }
    const { id, bytes } = envelope
    if (bytes.length === 0 || bytes.length > MAX_ENVELOPE) throw new ChannelError('LARGE', 'envelope of a wrong length')
    if (!/^[0-9a-f]+$/i.test(id) || id.length !== 2 * ENVELOPE_ID_LENGTH) {
      throw new RangeError('envelope id must be 16 bytes in hexadecimal digits')
    }
    await this.#partsOf(pair).sender.send(envelope, signal)
  }

  /**
   * Opens a channel with the owner of the card unless there is one or one is being opened; resolves when the intent is
   * stored. `opened` follows, or `cardNeeded`.
   * @throws ChannelError NO_CONTACT for a card without a link or of another address; UNKNOWN_LOCAL; CLOSED
   */
  async open(local: string, peer: string, card: VerifiedCard): Promise<void> {
    this.#checkLocal(local)
    if (card.card.address !== peer || card.card.contactLink === undefined || peer === local) {
      throw new ChannelError('NO_CONTACT', 'card leads nowhere, or to somebody else')
    }
    const pair = await this.#pairOf(local, peer)
    const before = storedCard(pair)?.card.contactLink
    await this.#context.db.transaction((tx) => {
      if (isNoOlder(pair, card)) pair.record.card = cardBytes(card)
      pair.record.cardFailed = undefined
      pair.record.wanted = true
      pair.refused = false
      savePair(tx, pair.record)
    })
    if (before !== undefined && before !== storedCard(pair)?.card.contactLink) this.#openings.restart(pair)
    else this.#openings.ensure(pair)
  }

  /** Whether there is a channel with the peer, proven by both sides, or one is being opened. */
  hasChannel(local: string, peer: string): 'open' | 'opening' | undefined {
    const pair = this.#context.pairs.get(pairKey(local, peer))
    if (pair?.active) return 'open'
    return pair && pair.living.length > 0 ? 'opening' : undefined
  }

  /** Envelopes that wait for the peer, or for its application. */
  waitingFor(local: string, peer: string): number {
    return this.#context.pairs.get(pairKey(local, peer))?.waiting.count ?? 0
  }

  /** Where an envelope is that was sent in the last 8 days. */
  stateOf(local: string, peer: string, id: string): EnvelopeState | undefined {
    const pair = this.#context.pairs.get(pairKey(local, peer))
    if (!pair || this.#stop.signal.aborted) return undefined
    const { db, links } = this.#context
    return envelopeState(db, pair.record.pairId, id, (connId) => links.get(connId)?.record)
  }

  /** Whether a router has taken everything that was sent to a peer: what is `sent` waits there then. */
  async isAtRouter(local: string, peer: string): Promise<boolean> {
    const link = this.#context.pairs.get(pairKey(local, peer))?.active
    if (!link || this.#stop.signal.aborted) return false
    const { connId, sndHanded, sndNumber } = link.record
    return sndHanded === sndNumber && !(await this.#context.agent.hasUnsent(connId))
  }

  /** All pairs. */
  list(): ChannelSummary[] {
    return [...this.#context.pairs.values()].map((pair) => ({
      ...pair.names,
      state: this.hasChannel(pair.local, pair.peer) ?? 'none',
      waiting: pair.waiting.count,
      toTake: pair.toTake.count,
    }))
  }

  /** Requests that wait for the application's decision, the oldest first. */
  requests(): ChannelRequestSummary[] {
    return this.#admission.listAsked()
  }

  /**
   * Decides on a request, as its `request` event does: for whoever was not there when it came.
   * @returns false when no request of the peer waits
   * @throws ChannelError CLOSED
   */
  async answerRequest(local: string, peer: string, answer: 'accept' | 'refuse'): Promise<boolean> {
    this.#checkOpen()
    return this.#admission.answer(local, peer, answer === 'accept')
  }

  /** Calls `handler` for each event with this name; returns how to stop that. */
  on<N extends ChannelEventName>(name: N, handler: ChannelHandler<N>): () => void {
    return this.#context.events.on(name, handler)
  }

  /** Ends all work; the agent stays open. What is pending goes on when it is opened again. */
  close(): Promise<void> {
    this.#closed ??= this.#shutDown()
    return this.#closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #shutDown(): Promise<void> {
    this.#stop.abort(new ChannelError('CLOSED', 'channels are closed'))
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    for (const timer of this.#timers) clearTimeout(timer)
    this.#admission.close()
    for (const { sender } of this.#parts.values()) sender.failWaiting(new ChannelError('CLOSED', 'channels are closed'))
    while (this.#tasks.size > 0) await Promise.all(this.#tasks)
  }

  async #start(): Promise<void> {
    const { pairs, links, agent } = this.#context
    loadPairs(this.#context)
    for (const pair of pairs.values()) this.#partsOf(pair)
    this.#unsubscribe.push(...new AgentEvents(this.#context, this.#flows).listen())
    await this.#resume()
    const living = [...links.values()].filter(({ record }) => record.state !== 'closing')
    if (living.length > 0)
      this.#run('subscribing', agent.subscribeConnections(living.map(({ record }) => record.connId)))
    new Housekeeping(this.#context, this.#flows).start()
  }

  get #flows(): Flows {
    return {
      openings: this.#openings,
      closings: this.#closings,
      admission: this.#admission,
      senderOf: (pair) => this.#partsOf(pair).sender,
      receiverOf: (pair) => this.#partsOf(pair).receiver,
      forget: (pair) => this.#parts.delete(pair),
    }
  }

  /** A transaction has failed: what is in memory may be ahead of what is stored. */
  #reload(): void {
    if (this.#context.db.isClosed) return
    for (const pair of loadPairs(this.#context)) this.#parts.delete(pair)
  }

  /** Goes on with what was under way when the last run ended. */
  async #resume(): Promise<void> {
    const { links, agent } = this.#context
    const states = new Map((await agent.listConnections()).map((summary) => [summary.connId, summary]))
    for (const link of links.values()) {
      const { record } = link
      const summary = states.get(record.connId)
      if (record.state === 'closing') {
        link.isRemoved = true
        this.#run('deleting', this.#closings.finishRemoval(link))
      } else if (!summary) this.#closings.lost(link)
      else if (record.state === 'opening' && summary.state === 'joining') this.#openings.interrupted(link)
      else if (record.state === 'opening' && summary.state === 'connected') {
        this.#run('connection', this.#openings.connected(link, summary.pq))
      } else if (record.state === 'open') {
        const { sender } = this.#partsOf(link.pair)
        if (record.rcvNumber > record.ackedNumber || record.rcvTaken > record.ackedTaken) sender.scheduleAck(link)
        sender.kick()
      }
    }
  }

  async #pairOf(local: string, peer: string): Promise<Pair> {
    const { db, pairs } = this.#context
    const key = pairKey(local, peer)
    const known = pairs.get(key)
    if (known) known.usedAt = this.#context.now()
    return (
      known ??
      (await db.transaction((tx) => {
        const existing = pairs.get(key)
        if (existing) return existing
        const pair = new Pair(insertPair(tx, local, peer), this.#context.now())
        pairs.set(key, pair)
        return pair
      }))
    )
  }

  #partsOf(pair: Pair): PairParts {
    const existing = this.#parts.get(pair)
    if (existing) return existing
    const sender = new Sender(this.#context, pair, {
      onWaiting: () => this.#openings.ensure(pair),
      onLost: (link) => this.#closings.lost(link),
    })
    const parts = { sender, receiver: new Receiver(this.#context, pair, sender) }
    this.#parts.set(pair, parts)
    return parts
  }

  async #removePair(pair: Pair, code: 'moved' | 'refused'): Promise<void> {
    const { db, now, tellFailures } = this.#context
    const { pairId } = pair.record
    // First, so that nothing more is received: what came after the inbox was emptied would be given when the agent is back.
    const removals = pair.living.map((link) => this.#closings.remove(link, code))
    const drop = db.transaction((tx) => {
      const dropped = dropOutbox(tx, pairId)
      for (const id of dropped) {
        insertOutcome(tx, pairId, id, 'expired', now())
        insertUntold(tx, pair.names, { id, reason: 'removed', at: now() })
      }
      dropInbox(tx, pairId)
      pair.record.wanted = false
      savePair(tx, pair.record)
    })
    const forget = () => {
      pair.waiting = { count: 0, bytes: 0 }
      pair.toTake = { count: 0, bytes: 0 }
      pair.hasUnplaced = false
      pair.given.clear()
    }
    await Promise.all([drop.then(forget), ...removals])
    tellFailures()
  }

  #run(what: string, work: Promise<unknown>): void {
    this.#context.run(what, work)
  }

  #checkOpen(): void {
    if (this.#stop.signal.aborted) throw new ChannelError('CLOSED', 'channels are closed')
  }

  #checkLocal(address: string): void {
    this.#checkOpen()
    if (!this.#context.locals.has(address)) throw new ChannelError('UNKNOWN_LOCAL', 'no agent of ours has this address')
  }
}
