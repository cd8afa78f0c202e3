import { setTimeout as delay } from 'node:timers/promises'
import { fingerprint } from '@parley/core/certificates'
import { type BlockConnection, listenTls, type TlsListener } from '@parley/core/transport'
import { DEFAULT_SMP_PORT, formatSmpServer } from '../protocol/index.ts'
import { type AgreedSession, agreeSession, type HandshakeIdentity } from './handshake.ts'
import { openIdentity } from './identity-folder.ts'
import { expireMessages } from './message-expiry.ts'
import type { SmpRouterOptions } from './options.ts'
import { QueueRegistry } from './queue-registry.ts'
import { RecentMessages } from './recent-messages.ts'
import { type RouterContext, WriteBudget } from './router-context.ts'
import { failureEvent, Session } from './session.ts'
import { observedSeal, type SessionObserver } from './session-observer.ts'
import { SqliteRouterStore } from './sqlite/sqlite-router-store.ts'
import type { QueueInspection } from './store.ts'

const DAY = 86_400
const HOUR = 3600
const DEFAULT_QUOTA = 128
/** Queues kept in memory besides those that connections use: about one kilobyte each. */
const QUEUES_IN_MEMORY = 10_000
/** Bytes of messages kept in memory: two thousand of the largest. */
const MESSAGES_IN_MEMORY = 32 * 1024 * 1024
/** Bytes of messages on their way to the disk before connections have to wait. */
const WRITE_BUDGET = 32 * 1024 * 1024
const DEFAULT_MAX_CONNECTIONS = 100_000
const HANDSHAKE_TIMEOUT = 120_000
/** Node's timers cannot wait longer. */
const LONGEST_DELAY = 2 ** 31 - 1

/** One connection for the eyes of the operator. Times in milliseconds since 1970. */
export interface ConnectionInspection {
  readonly remoteAddress: string
  readonly version: number
  readonly connectedAt: number
  readonly lastActiveAt: number
  /** Number of queues subscribed. */
  readonly subscriptions: number
}

/** Everything a router knows, read from its store and its connections: `spec/smp.md §5.1`. */
export interface RouterInspection {
  readonly connections: readonly ConnectionInspection[]
  readonly queues: readonly (QueueInspection & {
    /** Address of the connection that receives this queue's messages. */
    readonly subscriber?: string
  })[]
  readonly totals: { readonly queues: number; readonly messages: number; readonly connections: number }
}

/** An SMP router: `spec/smp.md §5`. Proxy, notifier and service commands are answered `CMD PROHIBITED`. */
export class SmpRouter implements AsyncDisposable {
  /** `smp://<fingerprint>[:password]@host[:port]`. */
  readonly address: string
  readonly port: number
  /** SHA-256 of the identity certificate, 32 bytes. */
  readonly fingerprint: Uint8Array
  readonly #context: RouterContext
  readonly #listener: TlsListener
  readonly #sessions: Set<Session>
  readonly #stop: AbortController
  readonly #tasks: readonly Promise<void>[]
  #closed: Promise<void> | undefined

  private constructor(
    { context, sessions, stop }: RunningRouter,
    listener: TlsListener,
    tasks: readonly Promise<void>[],
    named: { address: string; fingerprint: Uint8Array },
  ) {
    this.#context = context
    this.#sessions = sessions
    this.#stop = stop
    this.#listener = listener
    this.#tasks = tasks
    this.port = listener.port
    this.address = named.address
    this.fingerprint = named.fingerprint
  }

  /**
   * Opens the data, removes expired messages, and listens.
   * @throws StoreLockedError when another router works on `dataDir`; StoreError when the data cannot be read;
   * IdentityError for unusable certificates; NetworkError CONNECT when the port cannot be opened; EncodeError when
   * `addressHosts` or `password` cannot stand in an address
   */
  static async start(options: SmpRouterOptions): Promise<SmpRouter> {
    const store = options.store ?? (await SqliteRouterStore.open(options.dataDir))
    let listener: TlsListener | undefined
    try {
      const hosts = options.addressHosts ?? [options.host ?? 'localhost']
      const certificates =
        options.certificates ??
        (await openIdentity(options.dataDir, {
          algorithm: options.certificateAlgorithm ?? 'ed25519',
          commonName: hosts[0],
        }))
      const identity = { certificates, fingerprint: fingerprint(certificates.identityCertificate) }
      const context = createContext(store, options)
      const router = new RunningRouter(context, identity, options)
      await router.expire()
      listener = await listenTls({
        host: options.host,
        port: options.port ?? DEFAULT_SMP_PORT,
        certificates,
        setupTimeoutMs: options.tlsTimeout,
        maxConnections: options.maxConnections ?? DEFAULT_MAX_CONNECTIONS,
        onConnection: (connection) => router.serve(connection),
        onError: (error) => context.log({ event: 'handshakeFailed', reason: error.message }),
      })
      const { port } = listener
      const server = { hosts, port: port === DEFAULT_SMP_PORT ? '' : `${port}`, keyHash: identity.fingerprint }
      const address = formatSmpServer(server, options.password)
      const tasks = [
        repeat(options.expiryInterval ?? 2 * HOUR, router.stop.signal, () => router.expire()),
        repeat(options.inactiveCheckInterval ?? HOUR, router.stop.signal, () =>
          router.closeInactive(options.inactiveTtl ?? 6 * HOUR),
        ),
      ]
      context.log({ event: 'started', port })
      return new SmpRouter(router, listener, tasks, { address, fingerprint: identity.fingerprint })
    } catch (error) {
      await listener?.close()
      await store.close()
      throw error
    }
  }

  /** What the router knows; at most `queueLimit` queues (default 1,000), oldest first. */
  async inspect(queueLimit = 1000): Promise<RouterInspection> {
    const { store, queues } = this.#context
    const [inspected, counts] = await Promise.all([store.inspectQueues(queueLimit), store.count()])
    const connections = [...this.#sessions].map(
      ({ remoteAddress, version, connectedAt, lastActiveAt, subscriptionCount }) => {
        return { remoteAddress, version, connectedAt, lastActiveAt, subscriptions: subscriptionCount }
      },
    )
    return {
      connections,
      queues: inspected.map((queue) => {
        const subscriber = queues.peek(queue.rcvId)?.subscription?.recipient.remoteAddress
        return subscriber === undefined ? queue : { ...queue, subscriber }
      }),
      totals: { ...counts, connections: connections.length },
    }
  }

  /** Disconnects everyone, finishes writing and closes the data. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    this.#stop.abort()
    await this.#listener.close()
    await Promise.all(this.#tasks)
    await this.#context.store.close()
    this.#context.log({ event: 'closed' })
  }
}

function createContext(store: RouterContext['store'], options: SmpRouterOptions): RouterContext {
  let nextMessageNumber = store.nextMessageNumber
  return {
    store,
    queues: new QueueRegistry(store, QUEUES_IN_MEMORY),
    messages: new RecentMessages(store, MESSAGES_IN_MEMORY),
    writeBudget: new WriteBudget(WRITE_BUDGET),
    takeMessageNumber: () => nextMessageNumber++,
    now: options.now ?? Date.now,
    log: options.log ?? (() => {}),
    rules: {
      password: options.password,
      newQueues: options.newQueues ?? true,
      queueQuota: options.queueQuota ?? DEFAULT_QUOTA,
      messageTtl: options.messageTtl ?? 21 * DAY,
      expireOnSend: options.expireOnSend ?? true,
    },
  }
}

/** The parts of a router that serve connections. */
class RunningRouter {
  readonly context: RouterContext
  readonly sessions = new Set<Session>()
  readonly stop = new AbortController()
  readonly #identity: HandshakeIdentity
  readonly #handshakeTimeout: number
  readonly #observe: SessionObserver | undefined
  /** Connections that were observed. */
  #observed = 0

  constructor(
    context: RouterContext,
    identity: HandshakeIdentity,
    { handshakeTimeout = HANDSHAKE_TIMEOUT, observe }: Pick<SmpRouterOptions, 'handshakeTimeout' | 'observe'>,
  ) {
    this.context = context
    this.#identity = identity
    this.#handshakeTimeout = handshakeTimeout
    this.#observe = observe
  }

  /** Serves one connection until it ends. */
  async serve(connection: BlockConnection): Promise<void> {
    const { log } = this.context
    let session: Session
    try {
      session = new Session(this.context, connection, this.#observedSession(await this.#agree(connection)))
    } catch (error) {
      connection.close()
      log({ event: 'handshakeFailed', reason: reasonOf(error) })
      return
    }
    this.sessions.add(session)
    log({ event: 'connected', connections: this.sessions.size })
    try {
      await session.run()
      connection.close()
    } catch (error) {
      connection.destroy()
      log(failureEvent(error))
    } finally {
      this.sessions.delete(session)
      log({ event: 'disconnected', connections: this.sessions.size })
    }
  }

  async expire(): Promise<void> {
    const messages = await expireMessages(this.context, this.stop.signal)
    if (messages > 0) this.context.log({ event: 'expired', messages })
  }

  /** Disconnects clients without subscriptions that were silent for `ttl` seconds: `spec/smp.md §5.2`. */
  closeInactive(ttl: number): void {
    if (ttl === 0) return
    const before = this.context.now() - ttl * 1000
    for (const session of this.sessions) {
      if (session.lastActiveAt < before && session.subscriptionCount === 0) session.close()
    }
  }

  #observedSession(session: AgreedSession): AgreedSession {
    if (!this.#observe) return session
    return { ...session, seal: observedSeal(session.seal, ++this.#observed, this.#observe) }
  }

  async #agree(connection: BlockConnection): Promise<AgreedSession> {
    const timeout = new AbortController()
    const timer = setTimeout(() => timeout.abort(new Error('handshake timeout')), this.#handshakeTimeout)
    try {
      return await agreeSession(connection, this.#identity, timeout.signal)
    } finally {
      clearTimeout(timer)
    }
  }
}

/** Runs the action again and again, `interval` seconds after it has ended, until the signal aborts. */
async function repeat(interval: number, signal: AbortSignal, action: () => Promise<void> | void): Promise<void> {
  while (!signal.aborted) {
    try {
      await delay(Math.min(interval * 1000, LONGEST_DELAY), undefined, { signal, ref: false })
    } catch {
      return
    }
    await action()
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
