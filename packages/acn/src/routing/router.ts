import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AgentSession, DeliveryOutcome, EntranceHandler, PendingSource, Submission } from '../entrance.ts'
import {
  AcnStatusError,
  type AgentRecord,
  type Envelope,
  peerIdOf,
  peerPublicKeyFromHex,
  STATUS,
  type StatusBody,
  SUCCESS_MESSAGE,
} from '../protocol/index.ts'
import type {
  AcnStore,
  EnqueueOutcome,
  NewEnvelope,
  NotDeliveredReason,
  Registration,
  RegistrationKind,
} from '../store/index.ts'
import { AgentSource } from './agent-source.ts'
import { Holding, type QueuedEnvelope } from './holding.ts'
import { Limiter } from './limiter.ts'
import type { RemoteRoute, RoutingNetwork } from './network.ts'
import { NO_OBSERVER, type RoutingObserver } from './observer.ts'
import { PairSender } from './pair-sender.ts'
import {
  type Action,
  actionForAgentStatus,
  actionForPeerFailure,
  actionForPeerStatus,
  describeFailure,
  MAX_DELIVERIES,
  MAX_INTERRUPTIONS,
} from './policy.ts'
import { QueueAdmission } from './queue-admission.ts'
import { QueueReader } from './queue-reader.ts'
import { ReportReader } from './report-reader.ts'
import { RouteCache } from './route-cache.ts'

/** Times and bounds of routing, in milliseconds unless said otherwise. */
export interface RoutingLimits {
  /** For the first look-up of an envelope's receiver, and for later ones. */
  readonly firstLookup: number
  readonly laterLookup: number
  /** How long an agent of this node may be away before it is looked for elsewhere. */
  readonly awayGrace: number
  /** For a look-up of an agent that is away, on behalf of a peer that has something for it. */
  readonly awayLookup: number
  /** How long a peer's envelope waits for a place. */
  readonly peerPatience: number
  /** Between two looks for envelopes whose time is over. */
  readonly sweep: number
  /** Look-ups at once: for envelopes that are tried first, and for those that failed before. */
  readonly firstLookups: number
  readonly laterLookups: number
  /** Envelopes that are on their way to other peers at once. */
  readonly sending: number
}

export const DEFAULT_ROUTING_LIMITS: RoutingLimits = {
  firstLookup: 3_000,
  laterLookup: 10_000,
  awayGrace: 5_000,
  awayLookup: 1_000,
  peerPatience: 5_000,
  sweep: 60_000,
  firstLookups: 64,
  laterLookups: 16,
  sending: 64,
}

/** What a router is made from. */
export interface AcnRouterOptions {
  readonly store: AcnStore
  /** The peer's own public key, lower-case hexadecimal of 33 bytes. */
  readonly peerPublicKey: string
  /** `log` lets envelopes pass whose sender is not the agent that the record proves. */
  readonly senderCheck?: 'refuse' | 'log'
  /** Address of the agent at the node's pipe, when it has one. */
  readonly ownAgent?: string
  /** Whether agents are asked for fresh proofs, so that those that can give them are held to it. */
  readonly asksProofs?: boolean
  /** Milliseconds to wait before the registration of a relay client. */
  readonly registrationDelay?: number
  readonly observer?: RoutingObserver
  readonly limits?: Partial<RoutingLimits>
}

/** Sessions of one agent, those that get its envelopes first in front: `spec/acn.md §9`. */
const PREFERENCE = ['mailbox', 'direct', 'delegate'] as const

/** An agent that is registered at this node. */
interface LocalAgent {
  kind: RegistrationKind
  record: AgentRecord
  readonly sources: Set<AgentSource>
  /** Milliseconds since 1970; while no session is there. */
  awaySince: number
  /** Milliseconds since 1970 at which it was last here with a fresh proof; 0 when it never was. */
  provenAt: number
}

/**
 * How long after an agent was here with a fresh proof nobody gets in without one, ms. Its record is known to others; who
 * copied it waits for the agent to be away. An agent that goes over to a program without challenges waits for as long.
 */
const PROVEN_FOR = 24 * 3_600_000

const REFUSAL_TEXT = 'nothing more can be stored for the agent'

/**
 * Brings envelopes from agents and peers to agents: keeps them durably, gives them to agents that are attached here, in
 * order, and sends those for others to their peers, in order for each pair.
 */
export class AcnRouter implements EntranceHandler {
  readonly #store: AcnStore
  readonly #options: AcnRouterOptions
  readonly #limits: RoutingLimits
  readonly #observer: RoutingObserver
  readonly #peerId: string
  readonly #agents = new Map<string, LocalAgent>()
  readonly #admission: QueueAdmission
  readonly #holding: Holding
  readonly #senders = new Map<string, PairSender>()
  readonly #routes = new RouteCache()
  readonly #abort = new AbortController()
  readonly #firstLookups: Limiter
  readonly #laterLookups: Limiter
  readonly #sending: Limiter
  /** Pairs with a sender that work now, for {@link stop}. */
  readonly #running = new Set<Promise<void>>()
  /** Ends of the routing of envelopes that are under way, for the metrics. */
  readonly #routing = new Map<string, (outcome: 'delivered' | 'not-delivered') => void>()
  #network: RoutingNetwork | undefined
  #relayClients = 0

  constructor(options: AcnRouterOptions) {
    this.#store = options.store
    this.#options = options
    this.#limits = { ...DEFAULT_ROUTING_LIMITS, ...options.limits }
    this.#observer = options.observer ?? NO_OBSERVER
    this.#peerId = peerIdOf(peerPublicKeyFromHex(options.peerPublicKey))
    this.#admission = new QueueAdmission(options.store.limits)
    this.#holding = new Holding(options.store)
    this.#firstLookups = new Limiter(this.#limits.firstLookups)
    this.#laterLookups = new Limiter(this.#limits.laterLookups)
    this.#sending = new Limiter(this.#limits.sending)
  }

  /**
   * Reads what earlier runs have left. To be called once, before anything else.
   * @returns addresses of the agents that are registered here
   */
  async restore(): Promise<string[]> {
    for (let afterAddress = ''; ; ) {
      const page = await this.#store.listRegistrations({ afterAddress, limit: 1000 })
      for (const registration of page) await this.#restoreAgent(registration)
      const last = page.at(-1)
      if (!last) break
      afterAddress = last.record.address
    }
    for (let after = 0; ; ) {
      const page = await this.#store.listPairs({ after, limit: 1000 })
      for (const pair of page) this.#admission.restore(pair)
      const last = page.at(-1)
      if (!last) break
      after = last.number
    }
    return [...this.#agents.keys()]
  }

  async #restoreAgent({ kind, record, issuedAt, provenAt = 0 }: Registration): Promise<void> {
    if (kind === 'remote') return
    // An agent that had this node for its own and has it no more: it is elsewhere, or nowhere.
    if (kind === 'direct' && record.address !== this.#options.ownAgent) {
      await this.#store.deleteRegistration(record.address, issuedAt)
      return
    }
    this.#agent(record, kind).provenAt = provenAt
  }

  /** Begins to send what waits for agents elsewhere. */
  async start(network: RoutingNetwork): Promise<void> {
    this.#network = network
    this.#track(this.#sweep())
    for (let after = 0; ; ) {
      const page = await this.#store.listPairs({ after, limit: 1000 })
      for (const { to, sender } of page) this.#send(to, sender)
      const last = page.at(-1)
      if (!last) break
      after = last.number
    }
  }

  /** Stops sending; what is under way is given up and stays in the store. */
  async stop(): Promise<void> {
    this.#abort.abort(new Error('router stops'))
    this.#admission.stop()
    for (const { sources } of this.#agents.values()) for (const source of [...sources]) source.close()
    await Promise.allSettled(this.#running)
    await this.#holding.stop()
  }

  /** Envelopes that wait. */
  get waiting(): number {
    return this.#admission.count
  }

  /** Relay clients that are registered. */
  get relayClients(): number {
    return this.#relayClients
  }

  /** Whether an agent is registered here, attached or away. */
  isRegistered(address: string): boolean {
    return this.#agents.has(address)
  }

  // Entrances

  async onRegister(session: AgentSession): Promise<void> {
    const started = performance.now()
    if (!this.#isTrusted(session)) {
      this.#observer.log(
        'warning',
        `a registration of ${session.address} (${session.source}) has no fresh proof: refused`,
      )
      throw new AcnStatusError(STATUS.ERROR_INVALID_PROOF, 'a fresh proof is needed')
    }
    const provenAt = session.answeredChallenge ? { provenAt: session.registeredAt } : {}
    await this.#register(session.record, session.kind, session.registeredAt, provenAt)
    this.#observer.registered(session.kind, performance.now() - started)
  }

  /** Whether the agent's record is enough, which is a text that others know, or a fresh proof was given with it. */
  #isTrusted({ kind, address, answeredChallenge }: AgentSession): boolean {
    if (kind === 'direct' || answeredChallenge) return true
    if (address === this.#options.ownAgent) return false
    if (!this.#options.asksProofs) return true
    const agent = this.#agents.get(address)
    if (!agent) return true
    const isHere = [...agent.sources].some(({ session }) => session.answeredChallenge)
    return !isHere && agent.provenAt + PROVEN_FOR <= Date.now()
  }

  pending(session: AgentSession): PendingSource {
    const agent = this.#agent(session.record, session.kind)
    const source = new AgentSource({
      session,
      reader: new QueueReader((after) => this.#store.pending(session.address, { after, limit: 64 })),
      reports: new ReportReader(this.#store, session.address),
      onSettled: (envelope, outcome) => this.#onSettled(envelope, outcome),
      onReported: ({ number }) => this.#store.reported(number),
      onClosed: (closed) => this.#onClosed(agent, closed),
    })
    for (const other of [...agent.sources]) if (supersedes(session, other.session)) other.session.detach('superseded')
    agent.sources.add(source)
    this.#observer.attached(session.kind, 1)
    choose(agent)
    this.#cancelSendersTo(session.address)
    // The new reader begins with what is on disk.
    this.#holding.flush()
    return source
  }

  async onEnvelope(submission: Submission): Promise<StatusBody> {
    const { session, envelope, bytes, deadline, id = newId() } = submission
    if (envelope.sender !== session.address) {
      this.#observer.log('warning', `envelope of ${session.address} (${session.source}) names another sender`)
      if (this.#options.senderCheck !== 'log') return this.#refuseSender(submission, id)
    }
    const wanted: NewEnvelope = {
      id,
      to: envelope.to,
      sender: session.address,
      bytes,
      record: session.record,
      source: session.source,
      receivedAt: Date.now(),
    }
    const seenScope = submission.id === undefined ? {} : { seenScope: session.address }
    const outcome = await this.#enqueue(wanted, deadline, { ...seenScope, isRouted: true })
    if (outcome.accepted || outcome.reason === 'duplicate') return SUCCESS
    const code = outcome.reason === 'invalid' ? STATUS.ERROR_DECODE : STATUS.ERROR_AGENT_NOT_READY
    const reason = outcome.reason === 'invalid' ? 'malformed' : 'overflow'
    await this.#recordNotDelivered(wanted, reason, code)
    return { code, msgs: [outcome.reason === 'invalid' ? 'addresses are too long' : REFUSAL_TEXT] }
  }

  // Other peers

  /** Takes an envelope from another peer; its record is proven for that peer. */
  async receive(received: { envelope: Envelope; bytes: Uint8Array; record: AgentRecord }, from: string): Promise<void> {
    const { envelope, record } = received
    if (envelope.sender !== record.address) {
      this.#observer.log('warning', `envelope from peer ${from} names another sender than its record`)
      if (this.#options.senderCheck !== 'log') {
        throw new AcnStatusError(STATUS.ERROR_WRONG_AGENT_ADDRESS, 'sender is not the agent of the record')
      }
    }
    if (!(await this.#takesFor(envelope.to, from))) {
      throw new AcnStatusError(STATUS.ERROR_UNKNOWN_AGENT_ADDRESS, 'unknown agent address')
    }
    await this.#takeFromPeer(received, from)
  }

  /** Takes an envelope that another peer had stored for an agent which has come here; its records are proven. */
  async receiveHandedOver(
    received: { envelope: Envelope; bytes: Uint8Array; record: AgentRecord },
    from: string,
  ): Promise<void> {
    if (!this.#agents.get(received.envelope.to)?.sources.size) {
      throw new AcnStatusError(STATUS.ERROR_UNKNOWN_AGENT_ADDRESS, 'unknown agent address')
    }
    await this.#takeFromPeer(received, from)
  }

  /** The record of an agent for another peer: one of this node, or found further on. */
  async lookup(address: string, asker: string, signal: AbortSignal): Promise<AgentRecord | undefined> {
    const agent = this.#agents.get(address)
    if (agent && (agent.kind === 'relay' || agent.sources.size > 0)) return agent.record
    const timeout = agent ? { timeout: this.#limits.awayLookup } : {}
    const found = await this.#network?.resolve(address, { asker, signal, ...timeout }).catch((error: unknown) => {
      if (agent) return undefined
      throw error
    })
    return found?.record ?? agent?.record
  }

  /** Registers the agent of a relay client; its record is proven for that peer. */
  async registerRelayClient(record: AgentRecord): Promise<void> {
    const { registrationDelay = 0 } = this.#options
    const started = performance.now()
    if (registrationDelay > 0) await sleep(registrationDelay)
    await this.#register(record, 'relay', Date.now())
    this.#observer.registered('relay', performance.now() - started)
    for (const sender of this.#admission.sendersTo(record.address)) this.#send(record.address, sender, { atOnce: true })
  }

  // Registrations

  async #register(
    record: AgentRecord,
    kind: RegistrationKind,
    issuedAt: number,
    proven: { readonly provenAt?: number } = {},
  ): Promise<void> {
    await this.#store.putRegistration({ kind, record, issuedAt, ...proven })
    const agent = this.#agent(record, kind)
    agent.provenAt = proven.provenAt ?? 0
    this.#relayClients += Number(kind === 'relay') - Number(agent.kind === 'relay')
    agent.kind = kind
    agent.record = record
    this.#routes.forget(record.address)
    this.#network?.announce(record.address).catch(() => {})
  }

  #agent(record: AgentRecord, kind: RegistrationKind): LocalAgent {
    let agent = this.#agents.get(record.address)
    if (!agent) {
      agent = { kind, record, sources: new Set(), awaySince: Date.now(), provenAt: 0 }
      this.#agents.set(record.address, agent)
      if (kind === 'relay') this.#relayClients++
    }
    return agent
  }

  #onClosed(agent: LocalAgent, source: AgentSource): void {
    agent.sources.delete(source)
    this.#observer.attached(source.session.kind, -1)
    agent.awaySince = Date.now()
    if (source.session.answeredChallenge) this.#noteProven(agent, source.session)
    choose(agent)
    if (agent.sources.size > 0 || this.#abort.signal.aborted) return
    const { address } = source.session
    for (const sender of this.#admission.sendersTo(address)) this.#send(address, sender)
  }

  /** The time without which nobody gets in begins when the agent goes. */
  #noteProven(agent: LocalAgent, { kind, record, registeredAt: issuedAt }: AgentSession): void {
    if (agent.kind !== kind || agent.provenAt === 0) return
    agent.provenAt = Date.now()
    this.#store.putRegistration({ kind, record, issuedAt, provenAt: agent.provenAt }).catch(() => {
      this.#observer.log('warning', 'the time of a fresh proof could not be kept')
    })
  }

  async #takeFromPeer(
    { envelope, bytes, record }: { envelope: Envelope; bytes: Uint8Array; record: AgentRecord },
    from: string,
  ): Promise<void> {
    const now = Date.now()
    const wanted: NewEnvelope = {
      id: newId(),
      to: envelope.to,
      sender: record.address,
      // What comes from a stream is a view of a larger block.
      bytes: Uint8Array.from(bytes),
      record,
      source: from,
      receivedAt: now,
    }
    const outcome = await this.#enqueue(wanted, now + this.#limits.peerPatience)
    if (outcome.accepted) return
    throw new AcnStatusError(STATUS.ERROR_AGENT_NOT_READY, REFUSAL_TEXT)
  }

  /** Whether envelopes of other peers are taken for an agent: not when it has gone to another peer. */
  async #takesFor(to: string, from: string): Promise<boolean> {
    const agent = this.#agents.get(to)
    if (!agent || agent.kind === 'relay') return false
    if (agent.sources.size > 0) return true
    const options = { asker: from, timeout: this.#limits.awayLookup, signal: this.#abort.signal }
    const elsewhere = await this.#network?.resolve(to, options).catch(() => undefined)
    return agent.sources.size > 0 || elsewhere === undefined
  }

  // Queues

  /**
   * Queues an envelope.
   * @param options `seenScope`: as the store's; `isRouted`: it comes from an agent of this node, which is what is measured
   */
  async #enqueue(
    wanted: NewEnvelope,
    deadline: number,
    { seenScope, isRouted = false }: { readonly seenScope?: string; readonly isRouted?: boolean } = {},
  ): Promise<EnqueueOutcome> {
    const { id, to, sender, bytes } = wanted
    const place = { to, sender, size: bytes.length, deadline }
    let isMeasured = false
    const outcome = await this.#admission.admit(place, () => {
      // One that is sent again may be under way already.
      isMeasured = isRouted && !this.#routing.has(id)
      if (isMeasured) this.#routing.set(id, this.#observer.routing())
      return this.#holding.take(wanted, seenScope, (envelope) => this.#offer(envelope))
    })
    if (isMeasured && !outcome.accepted) this.#endRouting(id, 'not-delivered')
    return outcome
  }

  /** Hands a new envelope to those who bring it on; false when it has to be written first. */
  #offer(envelope: QueuedEnvelope): boolean {
    const { to, sender } = envelope
    const agent = this.#agents.get(to)
    if (agent && agent.sources.size > 0) {
      let isTaken = false
      for (const source of agent.sources) isTaken = source.offer(envelope) || isTaken
      return isTaken
    }
    const isAway = agent !== undefined && agent.kind !== 'relay'
    const isAlone = !isAway && this.#admission.countOf(to, sender) === 1
    return this.#send(to, sender, { isAlone })?.offer(envelope) ?? false
  }

  async #onSettled(envelope: QueuedEnvelope, outcome: DeliveryOutcome): Promise<void> {
    switch (outcome.type) {
      case 'answered': {
        const action = actionForAgentStatus(outcome.status)
        if (action.type === 'give-up') return this.#giveUp(envelope, action.reason, action.status)
        return this.#delivered(envelope, 'agent')
      }
      case 'unanswered':
        return this.#deliveredInVain(envelope, MAX_DELIVERIES)
      case 'interrupted':
        return this.#deliveredInVain(envelope, MAX_INTERRUPTIONS)
      case 'unsent':
        return
    }
  }

  async #deliveredInVain(envelope: QueuedEnvelope, limit: number): Promise<void> {
    const attempts = envelope.attempts + 1
    if (attempts >= limit) return this.#giveUp(envelope, 'unanswered', undefined)
    this.#store.addTrace({ id: envelope.id, at: Date.now(), event: 'unanswered' })
    const number = await this.#holding.numberOf(envelope)
    if (number === undefined) return
    await this.#store.setDeliveryState(number, { attempts, inFlight: false, nextAttemptAt: 0 })
  }

  async #delivered(envelope: QueuedEnvelope, by: string): Promise<void> {
    await this.#holding.delivered(envelope)
    this.#store.addTrace({ id: envelope.id, at: Date.now(), event: 'delivered', detail: by })
    this.#leave(envelope, 'delivered')
  }

  async #giveUp(envelope: QueuedEnvelope, reason: NotDeliveredReason, status: number | undefined): Promise<void> {
    const at = Date.now()
    const given = { reason, at, ...(status !== undefined && { status }) }
    const number = await this.#holding.numberOf(envelope)
    if (number === undefined || !(await this.#store.giveUp(number, given))) return
    this.#leave(envelope, 'not-delivered')
    this.#report(envelope, given)
  }

  #leave({ id, to, sender, bytes }: QueuedEnvelope, outcome: 'delivered' | 'not-delivered'): void {
    this.#admission.leave({ to, sender, size: bytes.length })
    this.#endRouting(id, outcome)
  }

  #endRouting(id: string, outcome: 'delivered' | 'not-delivered'): void {
    this.#routing.get(id)?.(outcome)
    this.#routing.delete(id)
  }

  /** Tells everybody whom it concerns that an envelope was given up. */
  #report(
    { id, sender }: Pick<QueuedEnvelope, 'id' | 'sender'>,
    { reason, at, status }: { reason: NotDeliveredReason; at: number; status?: number | undefined },
  ): void {
    this.#observer.notDelivered(reason)
    const detail = status === undefined ? reason : `${reason}, status ${status}`
    this.#observer.log('warning', `envelope ${id} was not delivered: ${detail}`)
    this.#store.addTrace({ id, at, event: 'not-delivered', detail })
    for (const source of this.#agents.get(sender)?.sources ?? []) source.reportAdded()
  }

  async #refuseSender({ session, envelope, bytes }: Submission, id: string): Promise<StatusBody> {
    const refused = { id, to: envelope.to.slice(0, 256), sender: session.address, bytes, receivedAt: Date.now() }
    await this.#recordNotDelivered(refused, 'wrong-sender', STATUS.ERROR_WRONG_AGENT_ADDRESS)
    return { code: STATUS.ERROR_WRONG_AGENT_ADDRESS, msgs: ['sender is not the registered agent'] }
  }

  async #recordNotDelivered(
    { id, to, sender, bytes, receivedAt }: Pick<NewEnvelope, 'id' | 'to' | 'sender' | 'bytes' | 'receivedAt'>,
    reason: NotDeliveredReason,
    status: number,
  ): Promise<void> {
    const at = Date.now()
    const entry = { id, to: to.slice(0, 256), sender, reason, status, attempts: 0, size: bytes.length, receivedAt, at }
    await this.#store.addNotDelivered(entry)
    this.#report(entry, { reason, at, status })
  }

  // Agents elsewhere

  /** Sees to it that what waits from one agent for another is sent. */
  #send(
    to: string,
    from: string,
    { atOnce = false, isAlone = false }: { atOnce?: boolean; isAlone?: boolean } = {},
  ): PairSender | undefined {
    if (!this.#network || this.#abort.signal.aborted) return undefined
    const key = pairKey(to, from)
    const known = this.#senders.get(key)
    if (known) {
      if (atOnce) known.wake()
      return known
    }
    // A new reader begins with what is on disk.
    if (!isAlone) this.#holding.flush()
    const sender = new PairSender({
      to,
      sender: from,
      signal: this.#abort.signal,
      reader: new QueueReader((after) => this.#store.pendingOfPair(to, from, { after, limit: 64 }), isAlone),
      waitBefore: () => this.#waitBefore(to),
      attempt: (envelope, signal) => this.#attempt(envelope, signal),
      onDelivered: (envelope) => this.#delivered(envelope, 'peer'),
      onGiveUp: (envelope, { reason, status }) => this.#giveUp(envelope, reason, status || undefined),
      onExpired: (envelope) => this.#giveUp(envelope, 'expired', envelope.lastStatus),
      onRetry: (envelope) => this.#noteRetry(envelope),
      onEnd: (ended) => {
        if (this.#senders.get(key) === ended) this.#senders.delete(key)
      },
    })
    this.#senders.set(key, sender)
    this.#track(sender.run())
    return sender
  }

  async #noteRetry(envelope: QueuedEnvelope): Promise<void> {
    const number = await this.#holding.numberOf(envelope)
    if (number === undefined) return
    const { attempts, nextAttemptAt, lastStatus } = envelope
    const status = lastStatus === undefined ? {} : { lastStatus }
    await this.#store.setDeliveryState(number, { attempts, inFlight: false, nextAttemptAt, ...status })
  }

  /** The agent is here: what waits for it goes no other way. */
  #cancelSendersTo(to: string): void {
    for (const from of this.#admission.sendersTo(to)) {
      const key = pairKey(to, from)
      this.#senders.get(key)?.cancel()
      this.#senders.delete(key)
    }
  }

  /** An agent of this node that is away for a moment is waited for. */
  #waitBefore(to: string): number | undefined {
    const agent = this.#agents.get(to)
    if (!agent || agent.kind === 'relay') return 0
    if (agent.sources.size > 0) return undefined
    return Math.max(0, agent.awaySince + this.#limits.awayGrace - Date.now())
  }

  async #attempt(envelope: QueuedEnvelope, signal: AbortSignal): Promise<Action> {
    const { to, id } = envelope
    let action: Action
    let failure: string
    try {
      const status = await this.#sendOrHandOver(envelope, signal)
      if (status) {
        action = actionForPeerStatus(status)
        failure = describeFailure(new AcnStatusError(status.code, ''))
      } else {
        action = { type: 'retry', reresolve: false }
        failure = 'agent was not found'
      }
    } catch (error) {
      signal.throwIfAborted()
      action = actionForPeerFailure(error)
      failure = describeFailure(error)
    }
    if (action.type === 'retry' && action.reresolve) this.#routes.forget(to)
    if (action.type !== 'delivered') {
      await this.#holding.numberOf(envelope)
      this.#store.addTrace({ id, at: Date.now(), event: 'attempt-failed', detail: failure })
      // The words are looked for by those who know the Go node's log.
      if (envelope.attempts === 0) this.#observer.log('warning', `while sending slow envelope: ${id}: ${failure}`)
    }
    return action
  }

  /** The peer's status; undefined when the agent was not found. */
  async #sendOrHandOver(envelope: QueuedEnvelope, signal: AbortSignal): Promise<StatusBody | undefined> {
    const { bytes, to } = envelope
    const own = this.#recordFor(envelope)
    // Sent by an agent of another peer, for which this one cannot speak: its receiver was here.
    const record = own ?? envelope.record
    const agentRecord = this.#agents.get(to)?.record
    if (!record || (!own && !agentRecord)) return undefined
    const route = await this.#resolve(envelope, signal)
    if (!route) return undefined
    const network = this.#networkOrThrow()
    return this.#sending.run(signal, () =>
      own || !agentRecord
        ? network.sendEnvelope(route, bytes, record, { signal })
        : network.handOver(route.peerId, { agentRecord, bytes, record }, signal),
    )
  }

  /** The sender's record that names this peer. */
  #recordFor({ sender, record }: QueuedEnvelope): AgentRecord | undefined {
    const local = this.#agents.get(sender)
    const newest = local && local.kind !== 'relay' ? local.record : record
    return newest?.peerPublicKey === this.#options.peerPublicKey ? newest : undefined
  }

  async #resolve({ to, attempts }: QueuedEnvelope, signal: AbortSignal): Promise<RemoteRoute | undefined> {
    const agent = this.#agents.get(to)
    if (agent?.kind === 'relay') {
      const peerId = peerIdOf(peerPublicKeyFromHex(agent.record.peerPublicKey))
      return { record: agent.record, peerId, provider: peerId }
    }
    const known = this.#routes.get(to)
    if (known) return known
    const timeout = attempts === 0 ? this.#limits.firstLookup : this.#limits.laterLookup
    const limiter = attempts === 0 ? this.#firstLookups : this.#laterLookups
    const network = this.#networkOrThrow()
    const started = performance.now()
    const found = await limiter.run(signal, () => network.resolve(to, { timeout, signal }))
    this.#observer.lookedUp(performance.now() - started)
    if (!found || found.peerId === this.#peerId) return undefined
    this.#routes.put(to, found)
    return found
  }

  #networkOrThrow(): RoutingNetwork {
    if (!this.#network) throw new Error('router has not been started')
    return this.#network
  }

  // Time

  async #sweep(): Promise<void> {
    const { signal } = this.#abort
    while (!signal.aborted) {
      await sleep(this.#limits.sweep, undefined, { signal, ref: false }).catch(() => {})
      if (signal.aborted) return
      await this.expire(Date.now()).catch(() => {
        this.#observer.log('warning', 'envelopes whose time is over could not be looked for')
      })
    }
  }

  /** Gives up envelopes whose time is over. */
  async expire(now: number): Promise<void> {
    for (let more = true; more && !this.#abort.signal.aborted; ) {
      const expired = await this.#store.expire(now, 1000)
      for (const { id, to, sender, size, at, status } of expired) {
        this.#endRouting(id, 'not-delivered')
        this.#admission.leave({ to, sender, size })
        this.#report({ id, sender }, { reason: 'expired', at, status })
      }
      more = expired.length === 1000
    }
  }

  #track(work: Promise<void>): void {
    this.#running.add(work)
    work.finally(() => this.#running.delete(work)).catch(() => {})
  }
}

const SUCCESS: StatusBody = SUCCESS_MESSAGE.body ?? { code: STATUS.SUCCESS, msgs: [] }

function newId(): string {
  return randomBytes(16).toString('hex')
}

function pairKey(to: string, sender: string): string {
  return `${to.length}:${to}${sender}`
}

/** A delegate and a mailbox take each other's place; the pipe of the node's own agent stays. */
function supersedes(session: AgentSession, other: AgentSession): boolean {
  return session !== other && session.kind !== 'direct' && other.kind !== 'direct' && session.kind !== other.kind
}

/** Lets one session of an agent have its envelopes. */
function choose({ sources }: LocalAgent): void {
  const kind = PREFERENCE.find((preferred) => [...sources].some(({ session }) => session.kind === preferred))
  const chosen = [...sources].filter(({ session }) => session.kind === kind).at(-1)
  for (const source of sources) source.isActive = source === chosen
}
