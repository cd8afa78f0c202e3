import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  AcnStatusError,
  type AgentRecord,
  peerIdOf,
  peerPublicKeyFromHex,
  STATUS,
  type StatusBody,
} from '../protocol/index.ts'
import { type AcnStore, CARRIED } from '../store/index.ts'
import type { Carrying, EnvelopeCarrier } from './carrier.ts'
import { FormerPeers } from './former-peers.ts'
import type { Holding, QueuedEnvelope } from './holding.ts'
import { Limiter } from './limiter.ts'
import type { LocalAgents } from './local-agents.ts'
import type { RemoteRoute, RoutingNetwork } from './network.ts'
import type { RoutingObserver } from './observer.ts'
import type { Outcomes } from './outcomes.ts'
import { pairKey } from './pair-key.ts'
import { PairSender } from './pair-sender.ts'
import { type Action, actionForPeerFailure, actionForPeerStatus, describeFailure } from './policy.ts'
import type { QueueAdmission } from './queue-admission.ts'
import { QueueReader } from './queue-reader.ts'
import { RouteCache } from './route-cache.ts'
import type { RoutingLimits } from './routing-limits.ts'
import { UnderWay } from './under-way.ts'

/** What envelopes for agents elsewhere are sent with. */
export interface RemoteDeliveryOptions {
  readonly store: AcnStore
  readonly agents: LocalAgents
  readonly admission: QueueAdmission
  readonly holding: Holding
  readonly outcomes: Outcomes
  readonly observer: RoutingObserver
  readonly limits: RoutingLimits
  /** The peer's own public key, lower-case hexadecimal of 33 bytes. */
  readonly peerPublicKey: string
  readonly signal: AbortSignal
  /** Another way, which is asked first. */
  readonly carrier: () => EnvelopeCarrier | undefined
}

/** Envelopes of one pair that may be under way to a peer which takes them by their ids. */
const PIPELINE = 128
/** How long what is on another way keeps an agent that has come here from its envelopes, ms. */
const COMING_BACK = 10_000

/** Sends what waits for agents elsewhere to their peers, in order for each pair. */
export class RemoteDelivery {
  readonly #options: RemoteDeliveryOptions
  readonly #peerId: string
  readonly #senders = new Map<string, PairSender>()
  /** Senders that work now. */
  readonly #running = new Set<Promise<void>>()
  readonly #routes = new RouteCache()
  readonly #underWay = new UnderWay()
  readonly #former = new FormerPeers()
  /** Agents that have come here and get what was on another way first: nobody looks for them elsewhere. */
  readonly #here = new Set<string>()
  /** Pairs of which a former peer is waited for. */
  readonly #draining = new Map<string, Promise<void>>()
  /** What ends the look-ups that are under way, by address. */
  readonly #lookups = new Map<string, Set<AbortController>>()
  readonly #firstLookups: Limiter
  readonly #laterLookups: Limiter
  readonly #sending: Limiter
  #network: RoutingNetwork | undefined

  constructor(options: RemoteDeliveryOptions) {
    this.#options = options
    const { limits, peerPublicKey } = options
    this.#peerId = peerIdOf(peerPublicKeyFromHex(peerPublicKey))
    this.#firstLookups = new Limiter(limits.firstLookups)
    this.#laterLookups = new Limiter(limits.laterLookups)
    this.#sending = new Limiter(limits.sending)
    // One listener for all senders, which may be many and wait often.
    options.signal.addEventListener('abort', () => {
      for (const sender of this.#senders.values()) sender.wake()
    })
  }

  /** Begins to send what waits in the store. */
  async start(network: RoutingNetwork): Promise<void> {
    this.#network = network
    for (let after = 0; ; ) {
      const page = await this.#options.store.listPairs({ after, limit: 1000 })
      for (const { to, sender } of page) this.send(to, sender)
      const last = page.at(-1)
      if (!last) break
      after = last.number
    }
  }

  /** Resolves when no sender works any more. */
  async stopped(): Promise<void> {
    await Promise.allSettled(this.#running)
  }

  /** The agent may be elsewhere than it was, or there at last. */
  forgetRoute(address: string): void {
    this.#routes.forget(address)
    for (const lookup of this.#lookups.get(address) ?? []) lookup.abort(new Error('there is news of the agent'))
  }

  /** Sees to it that what waits from one agent for another is sent. */
  send(
    to: string,
    from: string,
    { atOnce = false, isAlone = false }: { atOnce?: boolean; isAlone?: boolean } = {},
  ): PairSender | undefined {
    const { signal, holding, store, outcomes } = this.#options
    if (!this.#network || signal.aborted) return undefined
    const key = pairKey(to, from)
    const known = this.#senders.get(key)
    if (known) {
      if (atOnce) known.wake()
      return known
    }
    // A new reader begins with what is on disk.
    if (!isAlone) holding.flush()
    const sender = new PairSender({
      signal,
      underWay: this.#underWay,
      reader: new QueueReader((after) => store.pendingOfPair(to, from, { after, limit: 64 }), isAlone),
      window: () => this.#window(to, from),
      waitBefore: () => this.#waitBefore(to),
      attempt: (envelope, position) => this.#attempt(envelope, position),
      onDelivered: (envelope, { by }) => {
        if (by === 'gone') return outcomes.gone(envelope)
        return by === 'carrier' ? outcomes.carried(envelope) : outcomes.delivered(envelope, 'peer')
      },
      onGiveUp: (envelope, { reason, status }) => outcomes.giveUp(envelope, reason, status || undefined),
      onExpired: (envelope) => outcomes.giveUp(envelope, 'expired', envelope.lastStatus),
      onRetry: (envelope) => this.#noteRetry(envelope),
      onEnd: (ended) => {
        if (this.#senders.get(key) === ended) this.#senders.delete(key)
      },
    })
    this.#senders.set(key, sender)
    const running = sender.run()
    this.#running.add(running)
    running.finally(() => this.#running.delete(running)).catch(() => {})
    return sender
  }

  /** The node is in the network again: what waits is tried at once. */
  wakeAll(): void {
    for (const sender of this.#senders.values()) sender.wake()
  }

  /**
   * The agent is here: what waits for it goes no other way.
   * @returns resolves when that which was on another way has come there or is back, in order; undefined when nothing was
   */
  takeBack(to: string): Promise<void> | undefined {
    const comingBack: Promise<void>[] = []
    this.#here.add(to)
    this.forgetRoute(to)
    for (const from of this.#options.admission.sendersTo(to)) {
      const key = pairKey(to, from)
      const sender = this.#senders.get(key)
      if (!sender) continue
      sender.cancel()
      this.#senders.delete(key)
      comingBack.push(sender.run())
    }
    const before = Promise.all(comingBack)
    for (const [from, peerId] of this.#former.of(to))
      comingBack.push(before.then(() => this.#fetchBack(to, from, peerId)))
    if (comingBack.length === 0) {
      this.#here.delete(to)
      return undefined
    }
    return Promise.race([Promise.all(comingBack), sleep(COMING_BACK, undefined, { ref: false })]).then(
      () => void this.#here.delete(to),
    )
  }

  /** Resolves when an envelope is not being sent from here. */
  ended(to: string, from: string, id: string): Promise<void> {
    return this.#underWay.ended(to, from, id)
  }

  /** What another peer still has of a pair goes before what waits here. */
  async #fetchBack(to: string, from: string, peerId: string): Promise<void> {
    const { holding, store } = this.#options
    await this.#drain(to, from, peerId)
    holding.flush()
    await store.putBehind(to, from, peerId).catch(() => {})
  }

  /** Whoever sends to another peer than the last one waits for that, the envelopes of a pair in their order. */
  async #afterFormer(to: string, from: string, peerId: string): Promise<void> {
    const key = pairKey(to, from)
    const former = this.#former.get(to, from)
    if (former !== undefined && former !== peerId) {
      this.#draining.set(
        key,
        this.#drain(to, from, former).finally(() => this.#draining.delete(key)),
      )
    }
    const draining = this.#draining.get(key)
    if (draining) await draining
  }

  /** Waits until nothing of a pair waits at the peer that took the last of it. Never throws. */
  async #drain(to: string, from: string, peerId: string): Promise<void> {
    const { agents, signal } = this.#options
    const sender = agents.get(from)
    this.#former.delete(to, from)
    if (!sender || !this.#network) return
    const both = AbortSignal.any([signal, AbortSignal.timeout(COMING_BACK)])
    // A peer that does not answer cannot be waited for.
    await this.#network.drained(peerId, to, sender.record, both).catch(() => {})
  }

  async #noteRetry(envelope: QueuedEnvelope): Promise<void> {
    const { holding, store } = this.#options
    const number = await holding.numberOf(envelope)
    if (number === undefined) return
    const { attempts, nextAttemptAt, lastStatus } = envelope
    const status = lastStatus === undefined ? {} : { lastStatus }
    await store.setDeliveryState(number, { attempts, inFlight: false, nextAttemptAt, ...status })
  }

  #window(to: string, from: string): number {
    const carrier = this.#options.carrier()
    if (carrier && this.#options.agents.isHere(from)) {
      const way = carrier.wayOf(from, to)
      if (way !== 'plain') return way === 'carried' ? PIPELINE : 1
    }
    const route = this.#routes.get(to)
    return route && this.#network?.takesInTurn(route) ? PIPELINE : 1
  }

  /** An agent of this node that is away for a moment is waited for. */
  #waitBefore(to: string): number | undefined {
    const { agents, limits } = this.#options
    const agent = agents.get(to)
    if (!agent || agent.kind === 'relay') return 0
    if (agent.sources.size > 0) return undefined
    if (this.#network?.whereabouts(to)) return 0
    return Math.max(0, agent.awaySince + limits.awayGrace - Date.now())
  }

  async #attempt(envelope: QueuedEnvelope, position: number): Promise<Action> {
    const { signal } = this.#options
    let action: Action
    let failure: unknown
    // It came by the carrier for an agent of this node: it goes no further, whoever carried it sends it elsewhere.
    if (envelope.source === CARRIED) {
      return this.#options.agents.isHere(envelope.to)
        ? { type: 'retry', reresolve: false }
        : { type: 'delivered', by: 'gone' }
    }
    try {
      const carrying = await this.#carry(envelope)
      if (carrying.type === 'carried') return { type: 'delivered', by: 'carrier' }
      if (carrying.type === 'later') {
        return this.#onFailure(envelope, { type: 'retry', reresolve: false }, carrying.reason)
      }
      const status = await this.#sendOrHandOver(envelope, position)
      // The agent has come here meanwhile: that is no failure.
      if (!status && this.#here.has(envelope.to)) return this.#notTaken(envelope)
      // Behind one that was not taken; it is sent again after that.
      if (position > 0 && status?.code === STATUS.ERROR_AGENT_NOT_READY) return this.#notTaken(envelope)
      action = status ? actionForPeerStatus(status) : { type: 'retry', reresolve: false }
      // An error is made only when it is told: most have none, and a stack is dear.
      if (action.type === 'delivered') return action
      failure = status && new AcnStatusError(status.code, '')
    } catch (error) {
      signal.throwIfAborted()
      action = actionForPeerFailure(error)
      failure = error
    }
    return this.#onFailure(envelope, action, failure === undefined ? 'agent was not found' : describeFailure(failure))
  }

  /** Asks the carrier first, for agents of this node. */
  async #carry(envelope: QueuedEnvelope): Promise<Carrying> {
    const { signal } = this.#options
    const carrier = this.#options.carrier()
    if (!carrier || !this.#recordFor(envelope)) return { type: 'plain' }
    return carrier.carry(envelope, signal)
  }

  async #onFailure(envelope: QueuedEnvelope, action: Action, failure: string): Promise<Action> {
    const { holding, observer, store } = this.#options
    const { to, id } = envelope
    if (action.type === 'retry' && action.reresolve) {
      this.#routes.forget(to)
      this.#network?.doubt(to)
    }
    await holding.numberOf(envelope)
    store.addTrace({ id, at: Date.now(), event: 'attempt-failed', detail: failure })
    // The words are looked for by those who know the Go node's log.
    if (envelope.attempts === 0) observer.log('warning', `while sending slow envelope: ${id}: ${failure}`)
    return action
  }

  async #notTaken(envelope: QueuedEnvelope): Promise<Action> {
    await this.#options.holding.numberOf(envelope)
    return { type: 'retry', reresolve: false, status: STATUS.ERROR_AGENT_NOT_READY }
  }

  /** The peer's status; undefined when the agent was not found. */
  async #sendOrHandOver(envelope: QueuedEnvelope, position: number): Promise<StatusBody | undefined> {
    const { agents, signal } = this.#options
    const { bytes, to, id } = envelope
    const own = this.#recordFor(envelope)
    // Sent by an agent of another peer, for which this one cannot speak: its receiver was here.
    const record = own ?? envelope.record
    const agentRecord = agents.get(to)?.record
    if (!record || (!own && !agentRecord)) return undefined
    if (!this.#networkOrThrow().isInNetwork) return undefined
    const route = await this.#resolve(envelope)
    if (!route) return undefined
    const network = this.#networkOrThrow()
    await this.#afterFormer(to, envelope.sender, route.peerId)
    if (own && network.takesInTurn(route)) {
      const status = await network.sendEnvelope(route, { id, position, bytes, record }, signal)
      if (status.code === STATUS.SUCCESS) this.#former.put(to, envelope.sender, route.peerId)
      return status
    }
    if (own || !agentRecord) {
      return this.#sending.run(signal, () => network.sendEnvelope(route, { id, position, bytes, record }, signal))
    }
    const transfer = transferId(this.#peerId, id, (await this.#options.holding.numberOf(envelope)) ?? 0)
    return this.#sending.run(signal, () =>
      network.handOver(route.peerId, { id, transfer, agentRecord, bytes, record }, signal),
    )
  }

  /** The sender's record that names this peer. */
  #recordFor({ sender, record }: QueuedEnvelope): AgentRecord | undefined {
    const { agents, peerPublicKey } = this.#options
    const local = agents.get(sender)
    const newest = local && local.kind !== 'relay' ? local.record : record
    return newest?.peerPublicKey === peerPublicKey ? newest : undefined
  }

  /** Where the receiver is; a look-up begins anew when there is news of it meanwhile. */
  async #resolve(envelope: QueuedEnvelope): Promise<RemoteRoute | undefined> {
    const { agents, signal } = this.#options
    const { to } = envelope
    for (;;) {
      if (this.#here.has(to)) return undefined
      const agent = agents.get(to)
      if (agent?.kind === 'relay') {
        const peerId = peerIdOf(peerPublicKeyFromHex(agent.record.peerPublicKey))
        return { record: agent.record, peerId, provider: peerId }
      }
      const known = this.#routes.get(to)
      if (known) return known
      const news = new AbortController()
      this.#lookups.set(to, (this.#lookups.get(to) ?? new Set()).add(news))
      try {
        return await this.#lookUp(envelope, AbortSignal.any([signal, news.signal]))
      } catch (error) {
        if (signal.aborted || !news.signal.aborted) throw error
      } finally {
        const others = this.#lookups.get(to)
        others?.delete(news)
        if (others?.size === 0) this.#lookups.delete(to)
      }
    }
  }

  async #lookUp({ to, attempts }: QueuedEnvelope, signal: AbortSignal): Promise<RemoteRoute | undefined> {
    const { limits, observer } = this.#options
    const timeout = attempts === 0 ? limits.firstLookup : limits.laterLookup
    const limiter = attempts === 0 ? this.#firstLookups : this.#laterLookups
    const network = this.#networkOrThrow()
    const started = performance.now()
    const found = await limiter.run(signal, () => network.resolve(to, { timeout, signal }))
    observer.lookedUp(performance.now() - started)
    if (!found || found.peerId === this.#peerId) return undefined
    this.#routes.put(to, found)
    return found
  }

  #networkOrThrow(): RoutingNetwork {
    if (!this.#network) throw new Error('routing has not been started')
    return this.#network
  }
}

/** Names the handing over of an envelope; another one when it comes back and is handed over again. */
function transferId(peerId: string, id: string, number: number): string {
  return createHash('sha256').update(`${peerId}:${id}:${number}`).digest('hex').slice(0, 32)
}
