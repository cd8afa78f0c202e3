import { setTimeout as sleep } from 'node:timers/promises'
import { createSessionCertificate, DelegateServer } from '../delegate/index.ts'
import type { ChallengePolicy } from '../entrance/challenge.ts'
import { LinkPool, serveLinks } from '../link/index.ts'
import { MailboxServer } from '../mailbox/index.ts'
import { MonitoringServer, NodeMetrics } from '../metrics/index.ts'
import { AcnHost, type AcnHostOptions } from '../peer/index.ts'
import { NodePipe } from '../pipe/index.ts'
import { AcnStatusError, type AgentRecord, ENV, type NodeSettings, NodeSettingsError } from '../protocol/index.ts'
import { PeerKey, ProofCache, verifyRepresentation } from '../record/index.ts'
import { AcnRouter, type EnvelopeCarrier, type RoutingLimits } from '../routing/index.ts'
import { type AcnStore, importGoRecords, SqliteAcnStore, type StoreLimits, StoreLockedError } from '../store/index.ts'
import { serveHandovers } from './handover.ts'
import { HostNetwork } from './host-network.ts'
import { Registrations } from './registrations.ts'

/** What a node is made from, besides its settings. */
export interface AcnNodeOptions {
  readonly settings: NodeSettings
  /** Folder of the durable store; made when missing. */
  readonly dataFolder: string
  /** Encrypts the store. */
  readonly passphrase?: string | undefined
  /** Record store of a Go node, read once, when there is one. */
  readonly goRecordStore?: string
  /** `log` lets envelopes pass whose sender is not the agent that the record proves. */
  readonly senderCheck?: 'refuse' | 'log'
  /** Whether agents are asked to prove that they have their key now: `offered`, to those that can, by default. */
  readonly challenge?: ChallengePolicy
  /** Agents that are this node's although nobody is attached: what comes for them is kept. Their records, for this peer. */
  readonly adopted?: readonly AgentRecord[]
  readonly storeLimits?: Partial<StoreLimits>
  readonly routing?: Partial<RoutingLimits>
  readonly host?: Pick<AcnHostOptions, 'limits' | 'timeouts' | 'observe'>
  /**
   * Makes another way for envelopes than through the network, which is asked first. Called once, when the host runs and
   * before anything is sent.
   */
  readonly carrier?: (parts: CarrierParts) => Promise<NodeCarrier>
  /** A line for people, without contents or keys. */
  readonly log?: (level: 'info' | 'warning', line: string) => void
  /**
   * Called once the node can be reached and before it connects to its agent, with its multiaddrs; none for a relay
   * client.
   */
  readonly onListening?: (multiaddrs: readonly string[]) => void
}

/** What a carrier works with. */
export interface CarrierParts {
  readonly key: PeerKey
  readonly host: AcnHost
  readonly router: AcnRouter
  readonly proofs: ProofCache
}

/** A carrier that belongs to a node. */
export interface NodeCarrier extends EnvelopeCarrier {
  /** The node stops: nothing more is offered. */
  stop(): Promise<void>
}

/** How long joining may take before the node goes on without, ms. */
const JOIN_PATIENCE = 8_000
/** How long a relay client tries to find a contact, ms. */
const CONTACT_PATIENCE = 60_000
/** First and longest wait between two times of trying to join, ms. */
const REJOIN_WAITS: readonly [first: number, longest: number] = [500, 5_000]
/** Times to try to open a store that another process has open: one that is being stopped, perhaps. */
const OPEN_TRIES = 5
const OPEN_WAIT = 500

/** A node of the network: a peer with its services, or a relay client; with an agent of its own or without. */
export class AcnNode {
  readonly key: PeerKey
  readonly router: AcnRouter
  readonly host: AcnHost
  readonly metrics: NodeMetrics
  readonly #options: AcnNodeOptions
  readonly #store: AcnStore
  readonly #proofs: ProofCache
  readonly #abort = new AbortController()
  readonly #closing: (() => Promise<void>)[] = []
  readonly #failed = Promise.withResolvers<never>()
  #delegates: DelegateServer | undefined
  #mailbox: MailboxServer | undefined
  #monitoring: MonitoringServer | undefined
  #pipe: NodePipe | undefined
  #joined = false
  #stopped: Promise<void> | undefined

  private constructor(options: AcnNodeOptions, parts: Parts) {
    this.#options = options
    this.key = parts.key
    this.router = parts.router
    this.host = parts.host
    this.metrics = parts.metrics
    this.#store = parts.store
    this.#proofs = parts.proofs
    this.#failed.promise.catch(() => {})
  }

  /**
   * Starts a node and returns when its agent, if it has one, is connected.
   * @throws NodeSettingsError, StoreError, StoreLockedError, the system's errors when it cannot listen,
   *   AcnConnectionError when the agent does not let itself be reached
   */
  static async start(options: AcnNodeOptions, signal?: AbortSignal): Promise<AcnNode> {
    const parts = await createParts(options)
    const node = new AcnNode(options, parts)
    try {
      await node.#start(signal)
    } catch (error) {
      await node.stop()
      throw error
    }
    return node
  }

  /** The announced address; undefined for a relay client. */
  get multiaddr(): string | undefined {
    return this.host.multiaddr
  }

  /** Port of the delegate service, when there is one. */
  get delegatePort(): number | undefined {
    return this.#delegates?.port
  }

  /** Port of the mailbox service, when there is one. */
  get mailboxPort(): number | undefined {
    return this.#mailbox?.port
  }

  /** Port of the monitoring service, when there is one. */
  get monitoringPort(): number | undefined {
    return this.#monitoring?.port
  }

  /** Whether the own agent is connected. */
  get isAgentConnected(): boolean {
    return this.#pipe?.isConnected ?? false
  }

  /** Rejects when the node cannot go on, with the reason. Never settles otherwise. */
  get failed(): Promise<never> {
    return this.#failed.promise
  }

  /** The durable store, for those who look into it. */
  get store(): AcnStore {
    return this.#store
  }

  /** Stops everything in order; what is not delivered stays in the store. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #start(signal: AbortSignal | undefined): Promise<void> {
    const { settings, onListening } = this.#options
    const both = signal ? AbortSignal.any([signal, this.#abort.signal]) : this.#abort.signal
    const certificate = settings.delegate || settings.mailbox ? createSessionCertificate(this.key) : undefined
    const serving = {
      handler: this.router,
      peerKey: this.key,
      proofs: this.#proofs,
      challenge: this.#options.challenge ?? 'offered',
      onError: (error: unknown) => this.#log('warning', `an agent could not be served: ${nameOf(error)}`),
    }
    const registrationDelayMs = settings.registrationDelay * 1000
    if (settings.delegate && certificate) {
      // The delegate port is opened where the peer listens, as the Go node does.
      const { port } = settings.delegate
      const options = { ...serving, certificate, registrationDelayMs, host: settings.listen.host, port }
      const delegates = await DelegateServer.listen(options)
      this.#delegates = delegates
      this.#closing.push(() => delegates.close())
    }
    if (settings.mailbox && certificate) {
      const mailbox = await MailboxServer.listen({ ...serving, certificate, ...settings.mailbox })
      this.#mailbox = mailbox
      this.#closing.push(() => mailbox.close())
    }
    if (settings.monitoring) {
      const monitoring = await MonitoringServer.start(settings.monitoring, {
        metrics: () => this.metrics.text(),
        isReady: () => this.#isReady(),
      })
      this.#monitoring = monitoring
      this.#closing.push(() => monitoring.close())
    }
    await serveHandovers(this.host, ({ transfer, ...handedOver }, from) =>
      this.router.fromPeers.receiveHandedOver(handedOver, transfer, from.peerId),
    )
    const { host, key, router } = this
    const links = new LinkPool(host)
    const registrations = new Registrations({
      key,
      host,
      links,
      store: this.#store,
      isHere: (address) => router.isAttached(address) || router.isAdopted(address),
      isRelayed: (record) => router.isRelayed(record),
      onMoved: (record) => router.onMoved(record),
    })
    this.#closing.push(async () => {
      await registrations.stop()
      links.close()
    })
    await serveLinks(host, {
      receive: (received, from) => router.fromPeers.receive(received, from.peerId),
      register: (registration, from) => registrations.take(registration, from.peerId),
      drained: (to, sender) => router.drained(to, sender),
    })
    await registrations.start()
    if (this.#options.carrier) {
      const { host, key, router } = this
      const carrier = await this.#options.carrier({ host, key, router, proofs: this.#proofs })
      router.useCarrier(carrier)
      this.#closing.push(() => carrier.stop())
    }
    await router.start(new HostNetwork(host, this.metrics, links, registrations))
    for (const record of this.#options.adopted ?? []) {
      if (await router.adopt(record)) continue
      this.#log('info', `${record.address} is at another peer: it comes back when it attaches here`)
    }
    await this.#join(both)
    onListening?.(this.host.multiaddr === undefined ? [] : [this.host.multiaddr])
    await this.#connectAgent(both)
  }

  /** Joins through the entry peers; a peer that reaches none goes on and tries again, a relay client needs one. */
  async #join(signal: AbortSignal): Promise<void> {
    if (this.#options.settings.entryPeers.length === 0) {
      this.#joined = true
      return
    }
    const isRelayClient = this.#options.settings.publicUri === undefined
    const end = Date.now() + (isRelayClient ? CONTACT_PATIENCE : JOIN_PATIENCE)
    const joining = this.#joinUntil(isRelayClient ? end : Number.POSITIVE_INFINITY, signal)
    joining.catch(() => {})
    const timer = new AbortController()
    try {
      const patience = sleep(end - Date.now(), undefined, { signal: timer.signal }).catch(() => {})
      await (isRelayClient ? joining : Promise.race([joining, patience]))
    } finally {
      timer.abort()
    }
    if (!this.#joined) this.#log('warning', 'no entry peer could be reached yet')
  }

  async #joinUntil(end: number, signal: AbortSignal): Promise<void> {
    const [first, longest] = REJOIN_WAITS
    for (let wait = first; ; wait = Math.min(wait * 2, longest)) {
      try {
        await this.host.join(signal)
        this.#joined = true
        if (wait !== first) this.#log('info', 'joined')
        return
      } catch (error) {
        signal.throwIfAborted()
        if (Date.now() + wait > end) throw error
        if (wait === first) this.#log('info', `joining failed, trying on: ${nameOf(error)}`)
        await sleep(wait, undefined, { signal })
      }
    }
  }

  async #connectAgent(signal: AbortSignal): Promise<void> {
    const { pipe, record } = this.#options.settings
    if (!pipe || !record) return
    const connected = await NodePipe.connect(
      {
        handler: this.router,
        port: pipe.port,
        record,
        onError: (error) => this.#log('warning', `the agent could not be served: ${nameOf(error)}`),
        onChange: (isConnected) => {
          if (isConnected) this.#log('info', 'connected to the agent')
          else if (!this.#abort.signal.aborted)
            this.#log('warning', 'the agent is gone: dialling it again until it is back')
        },
      },
      signal,
    )
    this.#pipe = connected
    this.#closing.push(() => connected.close())
    connected.closed.catch((error) => this.#failed.reject(error))
  }

  /** Joined, or the first peer of its network; its services listen; its own agent, when it has one, was there. */
  #isReady(): boolean {
    const needsAgent = this.#options.settings.pipe !== undefined
    return !this.#abort.signal.aborted && this.#joined && (!needsAgent || this.#pipe !== undefined)
  }

  async #stop(): Promise<void> {
    this.#abort.abort(new Error('node stops'))
    // Agents first, so that nothing more comes in; the store last.
    await Promise.allSettled(this.#closing.map((close) => close()))
    await this.router.stop()
    await this.host.stop()
    await this.#store.close()
  }

  #log(level: 'info' | 'warning', line: string): void {
    this.#options.log?.(level, line)
  }
}

interface Parts {
  readonly key: PeerKey
  readonly store: AcnStore
  readonly proofs: ProofCache
  readonly metrics: NodeMetrics
  readonly router: AcnRouter
  readonly host: AcnHost
}

async function createParts(options: AcnNodeOptions): Promise<Parts> {
  const { settings, log = () => {} } = options
  const key = peerKeyOf(settings)
  const proofs = new ProofCache()
  checkOwnRecord(settings, key, proofs)
  const store = await openStore(options)
  try {
    if (options.goRecordStore !== undefined) {
      const { outcome, kept, warnings } = await importGoRecords(store, options.goRecordStore)
      if (outcome === 'imported') log('info', `took over ${kept} registrations of an older node`)
      for (const warning of warnings) log('warning', warning)
    }
    const metrics: NodeMetrics = new NodeMetrics({
      get waiting() {
        return router.waiting
      },
      get relayClients() {
        return router.relayClients
      },
    })
    const router: AcnRouter = new AcnRouter({
      store,
      peerPublicKey: key.publicKeyHex,
      registrationDelay: settings.registrationDelay * 1000,
      asksProofs: options.challenge !== 'off',
      ...(settings.pipe && { ownAgent: settings.pipe.agentAddress }),
      observer: metrics.observer(log),
      ...(options.senderCheck && { senderCheck: options.senderCheck }),
      ...(options.routing && { limits: options.routing }),
    })
    const addresses = await router.restore()
    const host = await startHost(options, { key, proofs, router, metrics }, addresses)
    return { key, store, proofs, metrics, router, host }
  } catch (error) {
    await store.close()
    throw error
  }
}

function startHost(
  { settings, host = {} }: AcnNodeOptions,
  { key, proofs, router }: Pick<Parts, 'key' | 'proofs' | 'router' | 'metrics'>,
  addresses: readonly string[],
): Promise<AcnHost> {
  const { publicUri, listen, record, pipe, entryPeers } = settings
  const isPeer = publicUri !== undefined
  return AcnHost.start({
    ...host,
    key,
    proofs,
    entryPeers,
    addresses: isPeer && pipe && record ? [...new Set([...addresses, record.address])] : isPeer ? addresses : [],
    ...(isPeer && { listen, announce: publicUri }),
    ...(!isPeer && record && { record }),
    onContact: (relay) => {
      if (relay !== undefined) router.onContact()
    },
    handlers: {
      lookup: (address, from, signal) => router.lookup(address, from.peerId, signal),
      receive: (received, from) => router.fromPeers.receive(received, from.peerId),
      ...(isPeer && { register: (agent) => router.registerRelayClient(agent) }),
    },
  })
}

function peerKeyOf({ peerKey }: NodeSettings): PeerKey {
  try {
    return new PeerKey(peerKey)
  } catch (cause) {
    throw new NodeSettingsError(ENV.peerKey, 'not a private key', { cause })
  }
}

function checkOwnRecord({ record, pipe }: NodeSettings, { publicKeyHex }: PeerKey, cache: ProofCache): void {
  if (pipe && !record) throw new NodeSettingsError(ENV.recordAddress, 'an agent needs a record')
  if (!record) return
  try {
    const expectedAddress = pipe?.agentAddress ?? record.address
    verifyRepresentation(record, { expectedAddress, representativePublicKey: publicKeyHex }, { cache })
  } catch (cause) {
    if (!(cause instanceof AcnStatusError)) throw cause
    throw new NodeSettingsError(ENV.recordSignature, `the agent's record proves nothing: ${cause.message}`, { cause })
  }
}

async function openStore({ dataFolder, storeLimits = {}, passphrase }: AcnNodeOptions): Promise<AcnStore> {
  for (let tries = 1; ; tries++) {
    try {
      return await SqliteAcnStore.open(dataFolder, storeLimits, passphrase)
    } catch (error) {
      if (!(error instanceof StoreLockedError) || tries === OPEN_TRIES) throw error
      await sleep(OPEN_WAIT)
    }
  }
}

/** What kind of failure it was: texts of others stay out of the log. */
function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error && typeof error.code === 'string' ? `${error.name} ${error.code}` : error.name
}
