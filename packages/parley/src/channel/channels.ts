import type { AgentEventOf } from '@parley/agent'
import { DecodeError } from '@parley/core/encoding'
import type { VerifiedCard } from '../card/index.ts'
import { openDatabase } from '../store/index.ts'
import { Admission } from './admission.ts'
import { ChannelError } from './channel-error.ts'
import { type ChannelContext, pairKey } from './context.ts'
import { ChannelEmitter } from './emitter.ts'
import { isGone, isNotFound, reasonOf } from './failures.ts'
import { CLEANUP_INTERVAL, DEFAULT_LIMITS, HISTORY, PAIR_IDLE, TRY_AGAIN } from './limits.ts'
import { Openings } from './openings.ts'
import { Link, Pair } from './pair.ts'
import { cardBytes, isNoOlder, storedCard } from './peer-card.ts'
import { type ChannelMessage, decodeChannelMessage, ENVELOPE_ID_LENGTH, MAX_ENVELOPE } from './protocol/index.ts'
import { Receiver } from './receiver.ts'
import { Sender } from './sender.ts'
import { countInbox, dropInbox } from './store/inbox.ts'
import { listLinks } from './store/links.ts'
import {
  countOutbox,
  dropOutbox,
  expireOutgoing,
  getOutcome,
  hasUnplaced,
  insertOutcome,
  placeOf,
  placesStored,
} from './store/outbox.ts'
import { insertPair, listPairs, removeEmptyPair, savePair } from './store/pairs.ts'
import { forgetOld } from './store/requests.ts'
import { MIGRATIONS } from './store/schema.ts'
import type {
  ChannelEnvelope,
  ChannelEventName,
  ChannelHandler,
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
  readonly #openings: Openings
  readonly #admission: Admission
  readonly #unsubscribe: (() => void)[] = []
  #closed: Promise<void> | undefined

  private constructor(options: ChannelsOptions) {
    const { agent, file, passphrase, pq = true, now = Date.now, log = () => undefined } = options
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
      db: openDatabase({ file, passphrase, migrations: MIGRATIONS }),
      limits: { ...DEFAULT_LIMITS, ...options.limits },
      pq,
      acceptCard: options.acceptCard ?? (() => true),
      events: new ChannelEmitter(onError, (name) => {
        if (name === 'envelope') for (const { receiver } of this.#parts.values()) receiver.give()
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
      step: (name) => log({ level: 'debug', message: `step: ${name}` }),
    }
    this.#openings = new Openings(this.#context, {
      senderOf: (pair) => this.#partsOf(pair).sender,
      established: (pair) => this.#admission.established(pair),
    })
    this.#admission = new Admission(this.#context, options.policy ?? { mode: 'everyone' }, this.#openings, {
      pairOf: (local, peer) => this.#pairOf(local, peer),
    })
  }

  /**
   * Opens the store and goes on with what it holds. Nothing is told before a handler is there: {@link Channels.on}.
   * @throws StoreError LOCKED, PASSPHRASE, NEWER, MIGRATION, IO; AgentError INACTIVE
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
    const { locals, agent } = this.#context
    locals.set(local.address, local)
    this.#admission.localAdded(local)
    for (const [pair, { receiver, sender }] of this.#parts) {
      if (pair.local !== local.address) continue
      receiver.giveAgain()
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

  /** Where an envelope is that was sent in the last 8 days. */
  stateOf(local: string, peer: string, id: string): EnvelopeState | undefined {
    const pair = this.#context.pairs.get(pairKey(local, peer))
    if (!pair || this.#stop.signal.aborted) return undefined
    const { db } = this.#context
    const idBytes = Buffer.from(id, 'hex')
    const place = placeOf(db, pair.record.pairId, idBytes)
    if (!place) return getOutcome(db, pair.record.pairId, idBytes)
    if (place.connId === null || place.seq === null) return 'waiting'
    const link = this.#context.links.get(place.connId)
    return link && place.seq < placesStored(db, link.record) ? 'stored' : 'sent'
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

  /** Calls `handler` for each event with this name; returns how to stop that. */
  on<N extends ChannelEventName>(name: N, handler: ChannelHandler<N>): () => void {
    return this.#context.events.on(name, handler)
  }

  /** Ends all work and releases the store; the agent stays open. What is pending goes on when it is opened again. */
  close(): Promise<void> {
    this.#closed ??= this.#shutDown()
    return this.#closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #shutDown(): Promise<void> {
    const { db, links } = this.#context
    this.#stop.abort(new ChannelError('CLOSED', 'channels are closed'))
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    for (const timer of this.#timers) clearTimeout(timer)
    this.#admission.close()
    for (const { sender } of this.#parts.values()) sender.failWaiting(new ChannelError('CLOSED', 'channels are closed'))
    while (this.#tasks.size > 0) await Promise.all(this.#tasks)
    // So that what the agent has accepted, and peers were told, is not repeated.
    const dirty = [...links.values()].filter((link) => link.dirty && !link.isRemoved)
    await db.transaction((tx) => {
      for (const link of dirty) link.save(tx)
    })
    db.close()
  }

  async #start(): Promise<void> {
    const { db, pairs, links, agent } = this.#context
    for (const record of listPairs(db)) {
      const pair = new Pair(record)
      pair.waiting = countOutbox(db, record.pairId)
      pair.hasUnplaced = hasUnplaced(db, record.pairId)
      pair.toTake = countInbox(db, record.pairId)
      pairs.set(pairKey(record.local, record.peer), pair)
      this.#partsOf(pair)
    }
    const byId = new Map([...pairs.values()].map((pair) => [pair.record.pairId, pair]))
    for (const record of listLinks(db)) {
      const pair = byId.get(record.pairId)
      if (!pair) continue
      const link = new Link(record, pair)
      links.set(record.connId, link)
      pair.links.add(link)
      if (record.state === 'open' && (pair.active?.record.openedAt ?? 0) <= (record.openedAt ?? 0)) pair.active = link
    }
    this.#listen()
    await this.#resume()
    const living = [...links.values()].filter(({ record }) => record.state !== 'closing')
    if (living.length > 0)
      this.#run('subscribing', agent.subscribeConnections(living.map(({ record }) => record.connId)))
    this.#cleanUp()
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
        this.#run('deleting', this.#openings.finishRemoval(link))
      } else if (!summary) this.#openings.lost(link)
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

  #listen(): void {
    const { agent, links } = this.#context
    const linkOf = (connId: string) => {
      const link = links.get(connId)
      return link && !link.isRemoved ? link : undefined
    }
    this.#unsubscribe.push(
      agent.on('REQ', (event) => this.#admission.requested(event)),
      agent.on('CONF', (event) => {
        const link = linkOf(event.connId)
        if (link) this.#run('confirmation', this.#openings.confirmed(link, event))
      }),
      // Not told again once this has returned.
      agent.on('CON', async ({ connId, pq }) => {
        const link = linkOf(connId)
        if (link && !this.#stop.signal.aborted) await this.#openings.connected(link, pq)
      }),
      agent.on('MSG', (event) => {
        const link = linkOf(event.connId)
        if (link) this.#run('message', this.#received(link, event))
      }),
      agent.on('MERR', ({ connId, error }) => this.#failed(linkOf(connId), error)),
      agent.on('MERRS', ({ connId, error }) => this.#failed(linkOf(connId), error)),
      agent.on('DELD', ({ connId }) => {
        const link = linkOf(connId)
        if (link) this.#openings.lost(link)
      }),
      agent.on('ERR', ({ connId, error }) => {
        const link = connId === undefined ? undefined : linkOf(connId)
        if (link) this.#run('failure', this.#mayBeLost(link, error.message))
      }),
    )
  }

  /** Something is wrong with a connection: the agent may have given it up. */
  async #mayBeLost(link: Link, error: string): Promise<void> {
    const { agent, log } = this.#context
    log({ level: 'warn', message: 'connection', ...link.pair.names, error })
    const exists = (await agent.listConnections()).some(({ connId }) => connId === link.record.connId)
    if (!exists && !link.isRemoved) this.#openings.lost(link)
  }

  /** Messages will not be sent. */
  #failed(link: Link | undefined, error: Parameters<typeof isGone>[0]): void {
    if (!link) return
    this.#context.log({ level: 'warn', message: 'messages not sent', ...link.pair.names, error: error.message })
    if (isGone(error)) {
      this.#openings.lost(link)
      return
    }
    const { record } = link
    record.sndHanded = record.sndStored
    link.ackForced = true
    if (record.state === 'connected') record.helloSent = false
    this.#context.after(TRY_AGAIN, () => {
      this.#run('proof', this.#openings.greet(link))
      this.#partsOf(link.pair).sender.kick()
    })
  }

  async #received(link: Link, { msgId, body }: AgentEventOf<'MSG'>): Promise<void> {
    const { connId } = link.record
    if (link.processing === msgId) return
    link.processing = msgId
    try {
      if (msgId > link.lastMsgId && !(await this.#process(link, body))) return
      link.lastMsgId = Math.max(link.lastMsgId, msgId)
      await this.#context.agent.ackMessage(connId, msgId)
      this.#context.step('message acknowledged')
    } catch (error) {
      // The connection is being deleted.
      if (!isNotFound(error)) throw error
    } finally {
      if (link.processing === msgId) link.processing = 0
    }
  }

  /** False when the link is gone. */
  async #process(link: Link, body: Uint8Array): Promise<boolean> {
    const { db, step } = this.#context
    step('message received')
    const message = readMessage(body)
    if (!link.isProven) {
      if (!(await this.#openings.proven(link, message?.hello))) return false
    }
    if (!message) {
      await this.#openings.violated(link)
      return false
    }
    const { receiver } = this.#partsOf(link.pair)
    const stored = await db.transaction((tx) => receiver.store(tx, link, message))
    step('message stored')
    if (stored.violation) {
      await this.#openings.violated(link)
      return false
    }
    stored.after()
    if (!message.close) return true
    await this.#openings.closedByPeer(link, message.close)
    return false
  }

  async #pairOf(local: string, peer: string): Promise<Pair> {
    const { db, pairs } = this.#context
    const key = pairKey(local, peer)
    const known = pairs.get(key)
    if (known) known.usedAt = performance.now()
    return (
      known ??
      (await db.transaction((tx) => {
        const existing = pairs.get(key)
        if (existing) return existing
        const pair = new Pair(insertPair(tx, local, peer))
        pairs.set(key, pair)
        return pair
      }))
    )
  }

  /** Forgets pairs of which nothing is left. */
  async #forgetPairs(): Promise<void> {
    const { db, pairs } = this.#context
    const isIdle = (pair: Pair) =>
      pair.links.size === 0 &&
      pair.pins === 0 &&
      performance.now() - pair.usedAt > PAIR_IDLE &&
      !this.#admission.isWaitingFor(pair)
    const idle = [...pairs.values()].filter(isIdle)
    if (idle.length === 0) return
    await db.transaction((tx) => {
      for (const pair of idle) {
        if (!isIdle(pair) || !removeEmptyPair(tx, pair.record.pairId)) continue
        pairs.delete(pairKey(pair.local, pair.peer))
        this.#parts.delete(pair)
      }
    })
  }

  #partsOf(pair: Pair): PairParts {
    const existing = this.#parts.get(pair)
    if (existing) return existing
    const sender = new Sender(this.#context, pair, {
      onWaiting: () => this.#openings.ensure(pair),
      onLost: (link) => this.#openings.lost(link),
    })
    const parts = { sender, receiver: new Receiver(this.#context, pair, sender) }
    this.#parts.set(pair, parts)
    return parts
  }

  async #removePair(pair: Pair, code: 'moved' | 'refused'): Promise<void> {
    const { db, events, now } = this.#context
    const { pairId } = pair.record
    const ids = await db.transaction((tx) => {
      const dropped = dropOutbox(tx, pairId)
      for (const id of dropped) insertOutcome(tx, pairId, id, 'expired', now())
      dropInbox(tx, pairId)
      pair.record.wanted = false
      savePair(tx, pair.record)
      return dropped
    })
    pair.waiting = { count: 0, bytes: 0 }
    pair.toTake = { count: 0, bytes: 0 }
    pair.hasUnplaced = false
    pair.given.clear()
    for (const link of pair.living) await this.#openings.remove(link, code)
    for (const id of ids) {
      events.emit('notDelivered', { ...pair.names, id: Buffer.from(id).toString('hex'), reason: 'removed' })
    }
  }

  /** Reports what has expired and forgets what is too old, now and from time to time. */
  #cleanUp(): void {
    const { limits, after } = this.#context
    this.#run('cleaning up', this.#cleanUpOnce())
    after(Math.min(CLEANUP_INTERVAL, limits.lifetime, limits.requestAgain), () => this.#cleanUp())
  }

  async #cleanUpOnce(): Promise<void> {
    const { db, now, events, pairs } = this.#context
    const byId = new Map([...pairs.values()].map((pair) => [pair.record.pairId, pair]))
    const expired = await db.transaction((tx) => {
      forgetOld(tx, now(), HISTORY)
      const list = expireOutgoing(tx, now())
      for (const { pairId, id, size } of list) {
        insertOutcome(tx, pairId, id, 'expired', now())
        const pair = byId.get(pairId)
        if (!pair) continue
        pair.waiting.count--
        pair.waiting.bytes -= size
      }
      return list
    })
    for (const { pairId, id } of expired) {
      const pair = byId.get(pairId)
      if (pair) events.emit('notDelivered', { ...pair.names, id: Buffer.from(id).toString('hex'), reason: 'expired' })
    }
    // Room for those who wait to send.
    if (expired.length > 0) for (const { sender } of this.#parts.values()) sender.kick()
    this.#openings.cleanUp()
    await this.#forgetPairs()
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

function readMessage(body: Uint8Array): ChannelMessage | undefined {
  try {
    return decodeChannelMessage(body)
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}
