import { identityFromSigner } from '@parley/acn/client'
import type { AcnNode } from '@parley/acn/node'
import { PeerKey } from '@parley/acn/record'
import { Agent } from '@parley/agent'
import { SmpRouter } from '@parley/smp/router'
import type { Attachment } from '../card/index.ts'
import type { CardSigner } from '../gateway/contacts.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { GatewayMaker } from '../gateway/gateway-maker.ts'
import { IdentityFolder } from '../identity/identity-folder.ts'
import type { LedgerIdentity } from '../identity/ledger-identity.ts'
import { readAgentCard } from './agent-card.ts'
import { controlHandlers } from './control-handlers.ts'
import { ControlSocket } from './control-socket.ts'
import { requestPolicyOf } from './gateway-options.ts'
import { privateActions, privateHandlers } from './private-handlers.ts'
import type { ParleySettings } from './settings.ts'
import { type AcnStatus, identityStatus, type NodeStatus, PARLEY_VERSION, type SmpStatus } from './status.ts'
import { firstLineOf, storePassphraseOf } from './store-passphrase.ts'
import { SettingsError } from './toml-values.ts'

/** Channels that a status tells of at most. */
const MAX_CHANNELS = 1_000

/** What a node is made from. */
export interface ParleyNodeOptions {
  readonly settings: ParleySettings
  /** Unlocks the identities that the node uses; asked only when it uses some. */
  readonly passphrase?: () => Promise<string>
  /** A line for people, without contents or keys. */
  readonly log?: (level: 'info' | 'warning', line: string) => void
}

/** What a node consists of; each part stands on those before it. */
interface NodeParts {
  /** Absent when the router is off. */
  readonly router?: SmpRouter
  readonly identities: readonly LedgerIdentity[]
  readonly agent: Agent
  /** Absent when the peer is off. */
  readonly acn?: AcnNode
  /** Absent when envelopes always go the plain way, or the peer is off. */
  readonly gateway?: Gateway
}

/**
 * Everything in one process, on embedded stores in one folder: SMP router, SimpleX agent, and peer of the Agent
 * Communication Network with its services. A further part is one more line in {@link ParleyNode.start}, after those that
 * it stands on, and one more field of {@link NodeStatus}; it is stopped before them.
 */
export class ParleyNode implements AsyncDisposable {
  readonly router: SmpRouter | undefined
  /** The identities that this node uses, with their keys. */
  readonly identities: readonly LedgerIdentity[]
  readonly agent: Agent
  readonly acn: AcnNode | undefined
  readonly gateway: Gateway | undefined
  readonly settings: ParleySettings
  readonly #startedAt = new Date()
  readonly #running: AsyncDisposableStack
  #stopped: Promise<void> | undefined

  private constructor(settings: ParleySettings, parts: NodeParts, running: AsyncDisposableStack) {
    this.settings = settings
    this.router = parts.router
    this.identities = parts.identities
    this.agent = parts.agent
    this.acn = parts.acn
    this.gateway = parts.gateway
    this.#running = running
  }

  /**
   * Starts everything, in an order in which each part finds what it needs; stops what was started when one cannot.
   * @throws the errors of SmpRouter.start, Agent.open and AcnNode.start; SettingsError for files that the settings name;
   * LedgerIdentityError for identities that cannot be unlocked; the signal's reason
   */
  static async start(options: ParleyNodeOptions, signal?: AbortSignal): Promise<ParleyNode> {
    const { settings } = options
    await using running = new AsyncDisposableStack()
    const { agentCardFile } = settings.identity
    // First, as to unlock takes its time.
    const attachment = agentCardFile === undefined ? undefined : await readAgentCard(agentCardFile)
    const identities = await unlockIdentities(options)
    signal?.throwIfAborted()
    const router = settings.smp.router && running.use(await startRouter(options))
    const storePassphrase = await storePassphraseOf(settings)
    const agent = running.use(await openAgent(settings, storePassphrase, router))
    signal?.throwIfAborted()
    const { acn, gateway } = await startAcn(options, { agent, identities, attachment, storePassphrase }, signal)
    if (acn) running.defer(() => acn.stop())
    const parts = {
      identities,
      agent,
      ...(router && { router }),
      ...(acn && { acn }),
      ...(gateway && { gateway }),
    }
    const node = new ParleyNode(settings, parts, running.move())
    await node.#serveControl(options)
    return node
  }

  /** Rejects when the node cannot go on, with the reason. Never settles otherwise. */
  get failed(): Promise<never> {
    return this.acn?.failed ?? new Promise(() => {})
  }

  /** What the node is and does now. */
  async status(): Promise<NodeStatus> {
    const connections = await this.agent.listConnections()
    return {
      state: 'running',
      version: PARLEY_VERSION,
      data: this.settings.paths.folder,
      config: this.settings.file,
      node: process.version,
      pid: process.pid,
      startedAt: this.#startedAt.toISOString(),
      smp: await this.#smpStatus(),
      ...(this.acn && { acn: await acnStatus(this.acn, this.settings) }),
      agent: {
        connections: connections.length,
        connected: connections.filter(({ state }) => state === 'connected').length,
      },
      private: this.settings.private,
      ...(this.gateway && {
        channels: this.gateway.channels.list().slice(0, MAX_CHANNELS),
        requests: this.gateway.channels.requests().length,
      }),
      identities: await identityStatus(this.settings),
    }
  }

  /** Stops everything in order; what is pending goes on at the next start. */
  stop(): Promise<void> {
    this.#stopped ??= this.#running.disposeAsync()
    return this.#stopped
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #smpStatus(): Promise<SmpStatus> {
    const { servers } = this.settings.smp
    if (!this.router) return { servers }
    const { totals } = await this.router.inspect(0)
    return { address: this.router.address, servers, ...totals }
  }

  /** Without it the node works as well: it only cannot be looked at. */
  async #serveControl({ log, settings }: ParleyNodeOptions): Promise<void> {
    try {
      const { acn, gateway } = this
      const handlers = {
        status: () => this.status(),
        ...(acn && controlHandlers({ acn, gateway })),
        ...privateHandlers(gateway),
      }
      this.#running.use(await ControlSocket.listen(settings.paths.folder, handlers, privateActions(gateway)))
    } catch (error) {
      const { code = 'unknown' } = error as NodeJS.ErrnoException
      log?.('warning', `the control socket cannot be opened (${code}): \`parley status\` will not see this node`)
    }
  }
}

async function unlockIdentities({ settings, passphrase }: ParleyNodeOptions): Promise<LedgerIdentity[]> {
  const { use } = settings.identity
  if (use.length === 0) return []
  if (!passphrase) throw new SettingsError('identity.use', 'the passphrase of the identities is needed')
  const folder = new IdentityFolder(settings.paths.identities)
  const secret = await passphrase()
  const identities: LedgerIdentity[] = []
  // One after the other: each takes 64 MiB for a moment.
  for (const name of use) identities.push(await folder.unlock(name, secret))
  return identities
}

async function startRouter({ settings, log }: ParleyNodeOptions): Promise<SmpRouter> {
  const { listen, announced, passwordFile } = settings.smp.router ?? {}
  const password = passwordFile && (await firstLineOf('smp.password_file', passwordFile))
  return SmpRouter.start({
    dataDir: settings.paths.router,
    ...listen,
    ...(announced && { addressHosts: announced }),
    ...(password !== undefined && { password }),
    log: (event) => {
      if (event.event === 'storeFailed' || event.event === 'internalError') {
        log?.('warning', `SMP router: ${event.event}: ${event.reason}`)
      }
    },
  })
}

async function openAgent(
  { smp, paths }: ParleySettings,
  passphrase: string | undefined,
  router?: SmpRouter,
): Promise<Agent> {
  const own = router ? [router.address] : []
  return Agent.open({
    store: paths.agent,
    servers: smp.servers.length > 0 ? smp.servers : own,
    ...(passphrase !== undefined && { passphrase }),
  })
}

async function startAcn(
  { settings, log }: ParleyNodeOptions,
  parts: Pick<NodeParts, 'agent' | 'identities'> & {
    readonly attachment: Attachment | undefined
    readonly storePassphrase: string | undefined
  },
  signal?: AbortSignal,
): Promise<{ acn?: AcnNode; gateway?: Gateway }> {
  if (!settings.acn) return {}
  // Loaded when a node is run: libp2p takes its time.
  const { AcnNode } = await import('@parley/acn/node')
  const { agent, identities, attachment, storePassphrase: passphrase } = parts
  const { mode, lookup } = settings.private
  const isPrivate = mode !== 'off'
  const maker = new GatewayMaker(async () => ({
    agent,
    folder: settings.paths.folder,
    passphrase,
    mode: mode === 'require' ? 'require' : 'prefer',
    lookup,
    policy: requestPolicyOf(settings.private),
    signers: new Map(identities.map((one) => [one.address, signerOf(one, attachment)])),
    ...(log && { log }),
  }))
  const { publicKeyHex } = new PeerKey(settings.acn.settings.peerKey)
  const adopted = await Promise.all(
    identities.map((one) => identityFromSigner(one, (text) => one.sign(text)).recordFor(publicKeyHex)),
  )
  const options = {
    ...settings.acn,
    passphrase,
    adopted,
    ...(isPrivate && { carrier: maker.carrier }),
    ...(log && { log }),
  }
  const acn = await AcnNode.start(options, signal)
  return { acn, ...(maker.gateway && { gateway: maker.gateway }) }
}

function signerOf(identity: LedgerIdentity, attachment: Attachment | undefined): CardSigner {
  return { sign: (text) => identity.sign(text), ...(attachment && { attachment }) }
}

async function acnStatus(acn: AcnNode, { acn: settings }: ParleySettings): Promise<AcnStatus> {
  const { host, router } = acn
  const { notDelivered } = await acn.store.count()
  const { multiaddr, delegatePort, mailboxPort, monitoringPort } = acn
  const entryPeers = settings?.settings.entryPeers.length ?? 0
  return {
    peerId: host.peerId,
    ...(settings && delegatePort !== undefined && { delegateHost: settings.settings.listen.host }),
    ...(multiaddr !== undefined && { multiaddr }),
    entryPeers: { configured: entryPeers, connected: host.connectedEntryPeers.length },
    connectedPeers: host.connectedPeers.length,
    agents: router.agentsHere,
    waiting: router.waiting,
    notDelivered,
    ...(delegatePort !== undefined && { delegatePort }),
    ...(mailboxPort !== undefined && { mailboxPort }),
    ...(monitoringPort !== undefined && { monitoringPort }),
  }
}
