import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AgentSession, EntranceHandler, PendingSource, Submission } from '../entrance.ts'
import {
  AcnStatusError,
  type AgentRecord,
  type Envelope,
  STATUS,
  type StatusBody,
  SUCCESS_MESSAGE,
} from '../protocol/index.ts'
import type {
  AcnStore,
  EnqueueOutcome,
  EnvelopeId,
  NewEnvelope,
  Registration,
  RegistrationKind,
  SeenAs,
} from '../store/index.ts'
import { AgentSource } from './agent-source.ts'
import { Carried } from './carried.ts'
import type { EnvelopeCarrier } from './carrier.ts'
import { Holding, type QueuedEnvelope } from './holding.ts'
import { type LocalAgent, LocalAgents } from './local-agents.ts'
import type { RoutingNetwork } from './network.ts'
import { NO_OBSERVER, type RoutingObserver } from './observer.ts'
import { Outcomes } from './outcomes.ts'
import { QueueAdmission } from './queue-admission.ts'
import { QueueReader } from './queue-reader.ts'
import { RemoteDelivery } from './remote-delivery.ts'
import { ReportReader } from './report-reader.ts'
import { DEFAULT_ROUTING_LIMITS, type RoutingLimits } from './routing-limits.ts'

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

/** How often it is told again that the own agent is here when another peer says that it is there, ms. */
const TOLD_AGAIN = 10_000
const REFUSAL_TEXT = 'nothing more can be stored for the agent'
/** Scope of the ids of envelopes that were handed over, each named anew for that. */
const HANDED_OVER = 'handed over'

/** An envelope from another peer, proven as far as its way asks for it. */
export interface FromPeer {
  readonly envelope: Envelope
  /** As it came. */
  readonly bytes: Uint8Array
  /** The sending agent's. */
  readonly record: AgentRecord
  /** Its name on its whole way; absent when the peer is not Parley. The same name is taken once. */
  readonly id?: EnvelopeId
  /** Called when its place in the queue is sure, which is before it is stored or delivered. */
  readonly onQueued?: () => void
}

/**
 * Brings envelopes from agents and peers to agents: keeps them durably, gives them to agents that are attached here, in
 * order, and sends those for others to their peers, in order for each pair.
 */
export class AcnRouter implements EntranceHandler {
  /** Envelopes that come and go by the carrier. */
  readonly carried: Carried
  readonly #store: AcnStore
  readonly #options: AcnRouterOptions
  readonly #limits: RoutingLimits
  readonly #observer: RoutingObserver
  readonly #agents = new LocalAgents()
  readonly #admission: QueueAdmission
  readonly #holding: Holding
  readonly #outcomes: Outcomes
  readonly #remote: RemoteDelivery
  readonly #abort = new AbortController()
  /** Agents that others are not to find. */
  readonly #unlisted = new Set<string>()
  /** Agents that are this node's although nobody is attached. */
  readonly #adopted = new Set<string>()
  #carrier: EnvelopeCarrier | undefined
  #sweeping: Promise<void> | undefined
  #network: RoutingNetwork | undefined

  constructor(options: AcnRouterOptions) {
    const { store, observer = NO_OBSERVER, peerPublicKey } = options
    this.#store = store
    this.#options = options
    this.#limits = { ...DEFAULT_ROUTING_LIMITS, ...options.limits }
    this.#observer = observer
    this.#admission = new QueueAdmission(store.limits)
    this.#holding = new Holding(store)
    const parts = { store, observer, agents: this.#agents, admission: this.#admission, holding: this.#holding }
    this.#outcomes = new Outcomes({ ...parts, onSettled: (...settled) => this.carried.settled(...settled) })
    this.carried = new Carried({
      ...parts,
      outcomes: this.#outcomes,
      enqueue: (envelope, deadline, seen) => this.#enqueue(envelope, deadline, seen),
    })
    const { signal } = this.#abort
    this.#remote = new RemoteDelivery({
      ...parts,
      outcomes: this.#outcomes,
      limits: this.#limits,
      peerPublicKey,
      signal,
      carrier: () => this.#carrier,
    })
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
    return this.#agents.addresses
  }

  async #restoreAgent({ kind, record, issuedAt, provenAt = 0 }: Registration): Promise<void> {
    if (kind === 'remote') return this.#agents.rememberProven(record.address, provenAt)
    // An agent that had this node for its own and has it no more: it is elsewhere, or nowhere.
    if (kind === 'direct' && record.address !== this.#options.ownAgent) {
      await this.#store.deleteRegistration(record.address, issuedAt)
      return
    }
    this.#agents.ensure(record, kind).provenAt = provenAt
  }

  /**
   * Another way for envelopes than through the network is asked first from now on; it hears of the agents that are here.
   * To be called before {@link start}.
   */
  useCarrier(carrier: EnvelopeCarrier): void {
    this.#carrier = carrier
    for (const { record } of [...this.#agents.values()]) {
      if (this.isRegistered(record.address)) carrier.onRegistered(record, this.isListed(record.address))
    }
  }

  /** Begins to send what waits for agents elsewhere. */
  async start(network: RoutingNetwork): Promise<void> {
    this.#network = network
    this.#sweeping = this.#sweep()
    await this.#remote.start(network)
  }

  /** Stops sending; what is under way is given up and stays in the store. */
  async stop(): Promise<void> {
    this.#abort.abort(new Error('router stops'))
    this.#admission.stop()
    for (const { sources } of this.#agents.values()) for (const source of [...sources]) source.close()
    await this.#remote.stopped()
    await this.#sweeping
    await this.#holding.stop()
  }

  /** Envelopes that wait. */
  get waiting(): number {
    return this.#admission.count
  }

  /** Relay clients that are registered. */
  get relayClients(): number {
    return this.#agents.relayClients
  }

  /**
   * Registers an agent that is this node's although nobody is attached: what comes for it is kept until somebody is. One
   * that was here before, or has gone to another peer, is left as it is.
   * @param record the agent's, for this peer
   * @returns whether it is here now
   */
  async adopt(record: AgentRecord): Promise<boolean> {
    const { address } = record
    const known = await this.#store.getRegistration(address)
    if (known?.kind === 'remote' && (known.expiresAt ?? Number.POSITIVE_INFINITY) > Date.now()) return false
    if (this.#agents.get(address)?.record.peerPublicKey !== record.peerPublicKey) {
      await this.#register(record, 'delegate', Date.now())
      this.#carrier?.onRegistered(record, this.isListed(address))
    }
    this.#adopted.add(address)
    return true
  }

  /** Whether an agent is this node's, attached or not: see {@link adopt}. */
  isAdopted(address: string): boolean {
    return this.#adopted.has(address)
  }

  /** Whether an agent is registered with an entrance of this node, attached or away, and has not gone elsewhere. */
  isRegistered(address: string): boolean {
    return this.#agents.isHere(address)
  }

  /** Whether others find an agent at this node: it is registered here, with an entrance or through a relay client. */
  isFoundHere(address: string): boolean {
    const agent = this.#agents.get(address)
    return agent !== undefined && !agent.hasMoved && this.isListed(address)
  }

  /** False for an agent of this node that others are not to find: nothing of it may be told to other peers. */
  isListed(address: string): boolean {
    return !this.#unlisted.has(address)
  }

  /** Whether an agent of this node is there now. */
  isAttached(address: string): boolean {
    return this.#agents.isAttached(address)
  }

  /** Whether an agent registered here as that of a relay client, with a record for the same peer. */
  isRelayed({ address, peerPublicKey }: AgentRecord): boolean {
    const agent = this.#agents.get(address)
    return agent?.kind === 'relay' && agent.record.peerPublicKey === peerPublicKey
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
    const { record, kind, registeredAt, answeredChallenge } = session
    if (session.isListed === false) {
      await this.#hide(record.address)
      this.#agents.register(record, kind, 0)
    } else {
      this.#unlisted.delete(record.address)
      await this.#register(record, kind, registeredAt, answeredChallenge ? registeredAt : undefined)
    }
    this.#observer.registered(session.kind, performance.now() - started)
    this.#carrier?.onRegistered(record, session.isListed !== false)
  }

  /** Whether the agent's record is enough, which is a text that others know, or a fresh proof was given with it. */
  #isTrusted({ kind, address, answeredChallenge }: AgentSession): boolean {
    if (kind === 'direct' || answeredChallenge) return true
    if (address === this.#options.ownAgent) return false
    return !this.#options.asksProofs || !(this.#adopted.has(address) || this.#agents.isProven(address))
  }

  pending(session: AgentSession): PendingSource {
    const agent = this.#agents.ensure(session.record, session.kind)
    const source = new AgentSource({
      session,
      ready: this.#remote.takeBack(session.address),
      reader: new QueueReader((after) => this.#store.pending(session.address, { after, limit: 64 })),
      reports: new ReportReader(this.#store, session.address),
      onSettled: (envelope, outcome) => this.#outcomes.settled(envelope, outcome),
      onReported: ({ number }) => this.#store.reported(number),
      onClosed: (closed) => this.#onClosed(agent, closed),
    })
    this.#agents.attach(agent, source)
    this.#observer.attached(session.kind, 1)
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
    if (this.#carrier?.takes(envelope, 'agent')) return SUCCESS
    const wanted: NewEnvelope = {
      id,
      to: envelope.to,
      sender: session.address,
      bytes,
      record: session.record,
      source: session.source,
      receivedAt: Date.now(),
    }
    const seen = submission.id === undefined ? undefined : { scope: session.address, id }
    const outcome = await this.#enqueue(wanted, deadline, seen, true)
    if (outcome.accepted || outcome.reason === 'duplicate') return SUCCESS
    const code = outcome.reason === 'invalid' ? STATUS.ERROR_DECODE : STATUS.ERROR_AGENT_NOT_READY
    const reason = outcome.reason === 'invalid' ? 'malformed' : 'overflow'
    await this.#outcomes.refused(wanted, reason, code)
    return { code, msgs: [outcome.reason === 'invalid' ? 'addresses are too long' : REFUSAL_TEXT] }
  }

  // Other peers

  /** A relay client has a contact: what waits for other peers' agents is tried at once. */
  onContact(): void {
    this.#remote.wakeAll()
    this.#carrier?.onContact()
  }

  /**
   * Takes an envelope from another peer; its record is proven for that peer. Of an agent that is attached it has its
   * place when this returns its promise.
   * @throws AcnStatusError
   */
  async receive(received: FromPeer, from: string): Promise<void> {
    const { envelope, record, id } = received
    if (this.#network?.isInNetwork === false) {
      throw new AcnStatusError(STATUS.ERROR_AGENT_NOT_READY, 'the contact of this relay client is away')
    }
    if (envelope.sender !== record.address) {
      this.#observer.log('warning', `envelope from peer ${from} names another sender than its record`)
      if (this.#options.senderCheck !== 'log') {
        throw new AcnStatusError(STATUS.ERROR_WRONG_AGENT_ADDRESS, 'sender is not the agent of the record')
      }
    }
    // Whoever tries addresses out learns nothing: those that may write to it have another way.
    if (!this.isListed(envelope.to)) {
      throw new AcnStatusError(STATUS.ERROR_UNKNOWN_AGENT_ADDRESS, 'unknown agent address')
    }
    if (this.isRegistered(envelope.to) && this.#carrier?.takes(envelope, 'peer')) return
    if (!this.#agents.isAttached(envelope.to) && !(await this.#takesFor(envelope.to, from))) {
      throw new AcnStatusError(STATUS.ERROR_UNKNOWN_AGENT_ADDRESS, 'unknown agent address')
    }
    // Apart from the ids that its agents gave: an envelope may come back to the peer where it began.
    await this.#takeFromPeer(received, from, id === undefined ? undefined : { scope: `peers ${record.address}`, id })
  }

  /**
   * Takes an envelope that another peer had stored for an agent which has come here, or has gone to a peer that does not
   * take it from that one; its records are proven.
   * @param transfer names this handing over
   * @throws AcnStatusError
   */
  async receiveHandedOver(received: FromPeer, transfer: EnvelopeId, from: string): Promise<void> {
    const { envelope, record } = received
    if (!this.#agents.isAttached(envelope.to)) {
      // Given back, since only the sender's own peer can speak for it to a peer that is not Parley.
      const isOwn =
        record.peerPublicKey === this.#options.peerPublicKey && this.#agents.get(record.address) !== undefined
      if (!isOwn) throw new AcnStatusError(STATUS.ERROR_UNKNOWN_AGENT_ADDRESS, 'unknown agent address')
      this.#remote.forgetRoute(envelope.to)
    }
    // It may be this one's own, given to that peer, and the answer to that has not been read yet: it is in the store then.
    if (received.id !== undefined) await this.#remote.ended(envelope.to, record.address, received.id)
    await this.#takeFromPeer(received, from, { scope: HANDED_OVER, id: transfer })
  }

  /** The record of an agent for another peer: one of this node, or found further on. */
  async lookup(address: string, asker: string, signal: AbortSignal): Promise<AgentRecord | undefined> {
    const agent = this.#unlisted.has(address) ? undefined : this.#agents.get(address)
    const gone = this.#network?.whereabouts(address)
    if (gone && gone.peerId !== asker) return gone.record
    if (agent && (agent.kind === 'relay' || agent.sources.size > 0 || this.#adopted.has(address))) return agent.record
    const timeout = agent ? { timeout: this.#limits.awayLookup } : {}
    const found = await this.#network?.resolve(address, { asker, signal, ...timeout }).catch((error: unknown) => {
      if (agent) return undefined
      throw error
    })
    return found?.record ?? agent?.record
  }

  /**
   * Resolves when nothing from one agent waits here for another any more.
   * @throws AcnStatusError ERROR_AGENT_NOT_READY when that takes too long
   */
  async drained(to: string, sender: string): Promise<void> {
    const time = sleep(this.#limits.drain, true, { ref: false, signal: this.#abort.signal })
    const isLate = await Promise.race([this.#admission.emptied(to, sender), time.catch(() => true)])
    if (isLate) throw new AcnStatusError(STATUS.ERROR_AGENT_NOT_READY, 'envelopes still wait')
  }

  /** Registers the agent of a relay client; its record is proven for that peer. */
  async registerRelayClient(record: AgentRecord): Promise<void> {
    const { registrationDelay = 0 } = this.#options
    const started = performance.now()
    if (registrationDelay > 0) await sleep(registrationDelay)
    const wasHere = this.isRegistered(record.address)
    await this.#register(record, 'relay', Date.now())
    if (wasHere) this.#carrier?.onMoved(record.address)
    this.#observer.registered('relay', performance.now() - started)
    for (const sender of this.#admission.sendersTo(record.address))
      this.#remote.send(record.address, sender, { atOnce: true })
  }

  /**
   * Another peer has signed that an agent came to it, later than here: it is not here any more. The agent at the node's
   * own pipe is: that is told again. That of a relay client has come to the client, and is found through this peer.
   */
  onMoved(record: AgentRecord): void {
    const { address } = record
    this.#remote.forgetRoute(address)
    const agent = this.#agents.get(address)
    if (agent && address === this.#options.ownAgent && agent.sources.size > 0) {
      const now = Date.now()
      if (now < agent.toldAgainAt + TOLD_AGAIN) return
      agent.toldAgainAt = now
      this.#network?.announce(agent.record, now).catch(() => {})
      return
    }
    if (agent && !this.isRelayed(record)) {
      this.#adopted.delete(address)
      this.#network?.withdraw(address)
      const wasHere = this.isRegistered(address)
      agent.hasMoved = true
      for (const { session } of [...agent.sources]) session.detach('superseded')
      if (wasHere) this.#carrier?.onMoved(address)
    }
    for (const sender of this.#admission.sendersTo(address)) this.#remote.send(address, sender, { atOnce: true })
  }

  // Registrations

  /** An agent is not to be found from now on, also when it was before. */
  async #hide(address: string): Promise<void> {
    this.#unlisted.add(address)
    const before = await this.#store.getRegistration(address)
    if (before && before.kind !== 'remote') await this.#store.deleteRegistration(address, before.issuedAt)
    this.#network?.withdraw(address)
  }

  async #register(record: AgentRecord, kind: RegistrationKind, issuedAt: number, provenAt?: number): Promise<void> {
    const registration = { kind, record, ...(provenAt !== undefined && { provenAt }) }
    if (!(await this.#store.putRegistration({ ...registration, issuedAt }))) {
      // Another peer said that the agent was there, by a clock that is ahead of this one.
      const there = await this.#store.getRegistration(record.address)
      await this.#store.putRegistration({ ...registration, issuedAt: (there?.issuedAt ?? issuedAt) + 1 })
    }
    this.#agents.register(record, kind, provenAt ?? 0)
    this.#remote.forgetRoute(record.address)
    this.#network?.announce(record, issuedAt).catch(() => {})
  }

  #onClosed(agent: LocalAgent, source: AgentSource): void {
    this.#agents.detach(agent, source)
    this.#observer.attached(source.session.kind, -1)
    if (source.session.answeredChallenge) this.#noteProven(agent, source.session)
    if (agent.sources.size > 0 || this.#abort.signal.aborted) return
    const { address } = source.session
    for (const sender of this.#admission.sendersTo(address)) this.#remote.send(address, sender)
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
    { envelope, bytes, record, id = newId(), onQueued }: FromPeer,
    from: string,
    seen: SeenAs | undefined,
  ): Promise<void> {
    const now = Date.now()
    const wanted: NewEnvelope = {
      id,
      to: envelope.to,
      sender: record.address,
      // What comes from a stream is a view of a larger block.
      bytes: Uint8Array.from(bytes),
      record,
      source: from,
      receivedAt: now,
    }
    const queued = this.#enqueue(wanted, now + this.#limits.peerPatience, seen)
    onQueued?.()
    const outcome = await queued
    if (outcome.accepted || outcome.reason === 'duplicate') return
    throw new AcnStatusError(STATUS.ERROR_AGENT_NOT_READY, REFUSAL_TEXT)
  }

  /** Whether envelopes of other peers are taken for an agent that is not attached: not when it has gone elsewhere. */
  async #takesFor(to: string, from: string): Promise<boolean> {
    const agent = this.#agents.get(to)
    if (!agent || agent.kind === 'relay') return false
    const options = { asker: from, timeout: this.#limits.awayLookup, signal: this.#abort.signal }
    const elsewhere = await this.#network?.resolve(to, options).catch(() => undefined)
    return agent.sources.size > 0 || elsewhere === undefined
  }

  // Queues

  /**
   * Queues an envelope.
   * @param isRouted it comes from an agent of this node, which is what is measured
   */
  async #enqueue(
    wanted: NewEnvelope,
    deadline: number,
    seen: SeenAs | undefined,
    isRouted = false,
  ): Promise<EnqueueOutcome> {
    const { id, to, sender, bytes } = wanted
    const place = { to, sender, size: bytes.length, deadline }
    let isMeasured = false
    const outcome = await this.#admission.admit(place, () => {
      isMeasured = isRouted && this.#outcomes.beginRouting(id)
      return this.#holding.take(wanted, seen, {
        offer: (envelope) => this.#offer(envelope),
        announce: (envelope) => this.#announce(envelope),
      })
    })
    if (isMeasured && !outcome.accepted) this.#outcomes.endRouting(id, 'not-delivered')
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
    return this.#remote.send(to, sender, { isAlone })?.offer(envelope) ?? false
  }

  /** An envelope may come into the store beside those who bring it on. */
  #announce({ to, sender }: QueuedEnvelope): void {
    const sources = this.#agents.get(to)?.sources
    if (!sources?.size) this.#remote.send(to, sender)?.missed()
    for (const source of sources ?? []) source.missed()
  }

  async #refuseSender({ session, envelope, bytes }: Submission, id: string): Promise<StatusBody> {
    const refused = { id, to: envelope.to, sender: session.address, bytes, receivedAt: Date.now() }
    await this.#outcomes.refused(refused, 'wrong-sender', STATUS.ERROR_WRONG_AGENT_ADDRESS)
    return { code: STATUS.ERROR_WRONG_AGENT_ADDRESS, msgs: ['sender is not the registered agent'] }
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
    await this.#outcomes.expire(now, this.#abort.signal)
  }
}

const SUCCESS: StatusBody = SUCCESS_MESSAGE.body ?? { code: STATUS.SUCCESS, msgs: [] }

function newId(): string {
  return randomBytes(16).toString('hex')
}
