import { setTimeout as sleep } from 'node:timers/promises'
import type { AgentSession, EntranceHandler, PendingSource, Submission } from '../entrance.ts'
import { AcnStatusError, type AgentRecord, STATUS, type StatusBody, SUCCESS_MESSAGE } from '../protocol/index.ts'
import { type AcnStore, type EnqueueOutcome, type NewEnvelope, newEnvelopeId, type SeenAs } from '../store/index.ts'
import { AgentSource } from './agent-source.ts'
import { Carried } from './carried.ts'
import type { EnvelopeCarrier } from './carrier.ts'
import { FromPeers, REFUSAL_TEXT } from './from-peers.ts'
import { Holding, type QueuedEnvelope } from './holding.ts'
import { type LocalAgent, LocalAgents } from './local-agents.ts'
import type { RoutingNetwork } from './network.ts'
import { NO_OBSERVER, type RoutingObserver } from './observer.ts'
import { Outcomes } from './outcomes.ts'
import { QueueAdmission } from './queue-admission.ts'
import { QueueReader } from './queue-reader.ts'
import { Registrations } from './registrations.ts'
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

/**
 * Brings envelopes from agents and peers to agents: keeps them durably, gives them to agents that are attached here, in
 * order, and sends those for others to their peers, in order for each pair.
 */
export class AcnRouter implements EntranceHandler {
  /** Envelopes that come and go by the carrier. */
  readonly carried: Carried
  /** Envelopes that other peers bring. */
  readonly fromPeers: FromPeers
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
  readonly #registrations: Registrations
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
    this.#registrations = new Registrations({
      ...parts,
      ownAgent: options.ownAgent,
      asksProofs: options.asksProofs ?? false,
      network: () => this.#network,
      forgetRoute: (address) => this.#remote.forgetRoute(address),
    })
    const { signal } = this.#abort
    this.fromPeers = new FromPeers({
      ...parts,
      peerPublicKey,
      checksSenders: options.senderCheck !== 'log',
      limits: this.#limits,
      signal,
      registrations: this.#registrations,
      remote: () => this.#remote,
      carrier: () => this.#carrier,
      network: () => this.#network,
      enqueue: (envelope, deadline, seen) => this.#enqueue(envelope, deadline, seen),
    })
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
    await this.#registrations.restore()
    for (let after = 0; ; ) {
      const page = await this.#store.listPairs({ after, limit: 1000 })
      for (const pair of page) this.#admission.restore(pair)
      const last = page.at(-1)
      if (!last) break
      after = last.number
    }
    return this.#agents.addresses
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

  /** Agents of this node's entrances, attached or away, that have not gone to another peer. */
  get agentsHere(): number {
    return this.#agents.addresses.filter((address) => this.isRegistered(address)).length
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
    const adopted = await this.#registrations.adopt(record)
    if (adopted === 'new') this.#carrier?.onRegistered(record, this.isListed(record.address))
    return adopted !== 'elsewhere'
  }

  /** Whether an agent is this node's, attached or not: see {@link adopt}. */
  isAdopted(address: string): boolean {
    return this.#registrations.isAdopted(address)
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
    return this.#registrations.isListed(address)
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
    if (!this.#registrations.isTrusted(session)) {
      this.#observer.log(
        'warning',
        `a registration of ${session.address} (${session.source}) has no fresh proof: refused`,
      )
      throw new AcnStatusError(STATUS.ERROR_INVALID_PROOF, 'a fresh proof is needed')
    }
    await this.#registrations.registerSession(session)
    this.#observer.registered(session.kind, performance.now() - started)
    this.#carrier?.onRegistered(session.record, session.isListed !== false)
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
    const { session, envelope, bytes, deadline, id = newEnvelopeId() } = submission
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

  /** The record of an agent for another peer: one of this node, or found further on. */
  async lookup(address: string, asker: string, signal: AbortSignal): Promise<AgentRecord | undefined> {
    const agent = this.isListed(address) ? this.#agents.get(address) : undefined
    const gone = this.#network?.whereabouts(address)
    if (gone && gone.peerId !== asker) return gone.record
    if (agent && (agent.kind === 'relay' || agent.sources.size > 0 || this.isAdopted(address))) return agent.record
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
    await this.#registrations.register(record, 'relay', Date.now())
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
      this.#registrations.moved(address)
      const wasHere = this.isRegistered(address)
      agent.hasMoved = true
      for (const { session } of [...agent.sources]) session.detach('superseded')
      if (wasHere) this.#carrier?.onMoved(address)
    }
    for (const sender of this.#admission.sendersTo(address)) this.#remote.send(address, sender, { atOnce: true })
  }

  #onClosed(agent: LocalAgent, source: AgentSource): void {
    this.#agents.detach(agent, source)
    this.#observer.attached(source.session.kind, -1)
    this.#registrations.noteProven(agent, source.session)
    if (agent.sources.size > 0 || this.#abort.signal.aborted) return
    const { address } = source.session
    for (const sender of this.#admission.sendersTo(address)) this.#remote.send(address, sender)
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
