import { DecodeError } from '@parley/core/encoding'
import { BoundedQueue } from '@parley/core/queue'
import type { NetworkOptions, ServerTransmissionBatch } from '@parley/smp/client'
import { formatSmpServer, parseSmpServer, type SmpServerWithAuth } from '@parley/smp/protocol'
import type { AgentContext, AgentLogEntry } from './agent-context.ts'
import { AgentError } from './agent-error.ts'
import { ApplicationStore, type ApplicationStoreOptions } from './application-store.ts'
import { CleanupManager } from './cleanup-manager.ts'
import { commandError, toAgentError } from './client-errors.ts'
import { CommandWorkers } from './command-workers.ts'
import { type AgentConfig, DEFAULT_CONFIG } from './config.ts'
import { ConnLock } from './conn-lock.ts'
import { allowConnection } from './connection/allow.ts'
import { type AcceptContactOptions, acceptContact, rejectContact } from './connection/contact.ts'
import { type CreateConnectionOptions, type CreatedConnection, createConnection } from './connection/create.ts'
import { deleteConnection } from './connection/delete.ts'
import { type JoinConnectionOptions, joinConnection, parseLink } from './connection/join-link.ts'
import { type AckOptions, ackMessage, type MessageToSend, type SentMessage, sendMessages } from './connection/send.ts'
import { deleteShortLink, getShortLink, resolveShortLink, setShortLinkData } from './connection/short-links.ts'
import {
  type ConnectionStats,
  type ConnectionSummary,
  connectionStats,
  listSummaries,
  ratchetAdHash,
} from './connection/stats.ts'
import { subscribeConnections } from './connection/subscribe.ts'
import { suspendConnection } from './connection/suspend.ts'
import { DeliveryWorkers } from './delivery-worker.ts'
import { EventOutlet } from './event-outlet.ts'
import type { AgentEvent, AgentEventName } from './events.ts'
import { KemKeys } from './kem-keys.ts'
import type { LinkUserData } from './links/index.ts'
import { type MessageStatus, readMessageStatus } from './message-status.ts'
import { resumeWork } from './resume.ts'
import { SmpClients } from './smp-clients.ts'
import { AgentStore } from './store/agent-store.ts'
import type { Migration } from './store/migrate.ts'
import { serverKey } from './store/records.ts'
import { hasDeliveries } from './store/snd-messages.ts'
import { type EventHandler, SubQueue } from './sub-queue.ts'
import { Subscriber } from './subscriber.ts'
import { Subscriptions } from './subscriptions.ts'

/** How an agent is opened. */
export interface AgentOptions {
  /** Database file; made when missing. One process at a time. */
  readonly store: string
  /** Encrypts the whole database file. */
  readonly passphrase?: string | undefined
  /** Routers on which own queues are made: addresses as text, `smp://…`, or read. At least one. */
  readonly servers: readonly (string | SmpServerWithAuth)[]
  /** Settings that differ from the defaults. */
  readonly config?: Partial<AgentConfig> | undefined
  /** SOCKS proxy and choice of hosts. */
  readonly network?: NetworkOptions | undefined
  /** Undo changes of the store's schema that a newer version made. Default false. */
  readonly allowDowngrade?: boolean | undefined
  readonly log?: ((entry: AgentLogEntry) => void) | undefined
  /** Closes the agent when it aborts. */
  readonly signal?: AbortSignal | undefined
}

/** A call that can be stopped. What the call has stored by then stays. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined
}

/**
 * A SimpleX agent: duplex, end-to-end encrypted connections over queues of SMP routers.
 *
 * Everything it accepts is on disk before a call resolves, and goes on after a crash. Applications must read the
 * events ({@link Agent.events} or {@link Agent.on}): while nobody takes them the agent stops reading from routers.
 * Every call throws AgentError; its JSON is the original's tagged form.
 */
export class Agent implements AsyncDisposable {
  readonly #context: AgentContext
  readonly #subQ: SubQueue
  readonly #stop: AbortController
  readonly #running: { stopped(): Promise<void> }[]
  readonly #calls = new Set<Promise<unknown>>()
  #closed: Promise<void> | undefined

  private constructor(
    context: AgentContext,
    parts: { subQ: SubQueue; stop: AbortController; running: { stopped(): Promise<void> }[] },
  ) {
    this.#context = context
    this.#subQ = parts.subQ
    this.#stop = parts.stop
    this.#running = parts.running
  }

  /**
   * Opens an agent. It does not subscribe to anything by itself: {@link Agent.subscribeConnections} does.
   * @throws StoreError LOCKED (another agent has the store open), PASSPHRASE, NEWER, MIGRATION, IO;
   * AgentError CMD SYNTAX for wrong server addresses
   */
  static async open(options: AgentOptions): Promise<Agent> {
    options.signal?.throwIfAborted()
    const [first, ...rest] = options.servers.map(readServer)
    if (!first) throw commandError('SYNTAX', 'no servers')
    const config: AgentConfig = { ...DEFAULT_CONFIG, ...options.config }
    const { store: path, passphrase, allowDowngrade } = options
    const store = AgentStore.open({ path, passphrase, allowDowngrade })
    try {
      const kem = await KemKeys.load(config.kemPoolSize)
      options.signal?.throwIfAborted()
      return Agent.#start({ options, config, store, kem, servers: [first, ...rest] })
    } catch (error) {
      store.close()
      throw error
    }
  }

  static #start(start: {
    readonly options: AgentOptions
    readonly config: AgentConfig
    readonly store: AgentStore
    readonly kem: KemKeys
    readonly servers: readonly [SmpServerWithAuth, ...SmpServerWithAuth[]]
  }): Agent {
    const { options, config, store, kem, servers } = start
    const stop = new AbortController()
    const log = options.log ?? (() => undefined)
    const onFailure = (error: unknown) =>
      log({ level: 'error', message: 'failure', error: toAgentError(error).message })
    const subQ = new SubQueue(config.eventQueueSize, onFailure)
    const outlet = new EventOutlet(subQ, store)
    const msgQ = new BoundedQueue<ServerTransmissionBatch>(config.messageQueueSize)
    const clients = new SmpClients({
      events: msgQ,
      versions: config.smpVersions,
      network: options.network,
      connectTimeouts: config.connectTimeouts,
      requestTimeouts: config.requestTimeouts,
      persistErrorInterval: config.persistErrorInterval,
      onConnected: ({ server }) => {
        delivery.onConnected(serverKey(server))
        commands.onConnected()
        outlet.post([{ event: { event: 'CONNECT', server: formatSmpServer(server) } }])
      },
      onDisconnected: (client) => {
        outlet.post([{ event: { event: 'DISCONNECT', server: formatSmpServer(client.server) } }])
        subscriptions.onDisconnected(client)
      },
    })
    const subscriptions = new Subscriptions({ clients, outlet, config, closing: stop.signal, onFailure })
    // The workers and the flows use each other through the context.
    const context: AgentContext = {
      config,
      servers,
      store,
      locks: new ConnLock(),
      kem,
      clients,
      subscriptions,
      outlet,
      msgQ,
      receiver: undefined,
      closing: stop.signal,
      log,
      get delivery() {
        return delivery
      },
      get commands() {
        return commands
      },
    }
    const delivery = new DeliveryWorkers(context)
    const commands = new CommandWorkers(context)
    const running = [new Subscriber(context), delivery, commands, subscriptions, new CleanupManager(context)]
    const agent = new Agent(context, { subQ, stop, running: [...running, resumeWork(context)] })
    options.signal?.addEventListener('abort', () => agent.close(), { once: true })
    return agent
  }

  /** Makes an invitation or a contact address and subscribes to it. */
  createConnection(options: CreateConnectionOptions): Promise<CreatedConnection> {
    return this.#call(() => createConnection(this.#context, options), options.signal)
  }

  /**
   * Joins an invitation or sends a request to a contact address, and subscribes. After a network error the same call
   * goes on with the same keys; after a crash the agent does so by itself. Joining an invitation again gives the same
   * connection until it is connected, for an application that did not hear of it.
   * @throws AgentError A_VERSION, A_LINK, CMD SYNTAX, CMD LARGE; SMP AUTH when the invitation was used by others;
   * CONN DUPLICATE when this agent is connected by it
   */
  joinConnection(options: JoinConnectionOptions): Promise<{ connId: string }> {
    return this.#call(() => joinConnection(this.#context, options), options.signal)
  }

  /** Accepts the confirmation of a CONF event; CON follows. */
  allowConnection(connId: string, confId: string, info: Uint8Array, { signal }: CallOptions = {}): Promise<void> {
    return this.#call(() => allowConnection(this.#context, connId, confId, info), signal)
  }

  /** Accepts the request of a REQ event; INFO and CON follow on the new connection. */
  acceptContact(invId: string, options: AcceptContactOptions): Promise<{ connId: string }> {
    const accept = async () => ({ connId: await acceptContact(this.#context, invId, options) })
    return this.#call(accept, options.signal)
  }

  /** Forgets the request of a REQ event. Its sender is not told. */
  rejectContact(invId: string, { signal }: CallOptions = {}): Promise<void> {
    return this.#call(() => rejectContact(this.#context, invId), signal)
  }

  /**
   * Sends a message: when this resolves the message is on disk. SENT follows, or MERR.
   * @throws AgentError CONN SIMPLEX (not connected yet), CMD LARGE, CMD PROHIBITED
   */
  async sendMessage(
    connId: string,
    body: Uint8Array,
    options: Pick<MessageToSend, 'pq' | 'notification'> & CallOptions = {},
  ): Promise<SentMessage> {
    const { signal, ...message } = options
    const [result] = await this.sendMessages([{ connId, body, ...message }], { signal })
    if (result instanceof AgentError || !result) throw result
    return result
  }

  /**
   * Sends many messages in one transaction; a body that is the same array in several messages is stored once.
   * @returns for each message its id or why it was refused
   */
  sendMessages(
    messages: readonly MessageToSend[],
    { signal }: CallOptions = {},
  ): Promise<(SentMessage | AgentError)[]> {
    return this.#call(() => sendMessages(this.#context, messages), signal)
  }

  /** The application has processed a MSG or RCVD event: the next one of the connection follows. */
  ackMessage(connId: string, msgId: number, options: AckOptions & CallOptions = {}): Promise<void> {
    return this.#call(() => ackMessage(this.#context, connId, msgId, options), options.signal)
  }

  /**
   * Where a sent message is.
   * @throws AgentError CONN NOT_FOUND when the message is unknown, or forgotten after 30 days
   */
  messageStatus(connId: string, msgId: number, { signal }: CallOptions = {}): Promise<MessageStatus> {
    return this.#call(async () => {
      const status = this.#context.store.read((db) => readMessageStatus(db, connId, msgId))
      if (!status) throw new AgentError({ type: 'CONN', error: 'NOT_FOUND', context: 'message' })
      return status
    }, signal)
  }

  /** Whether messages of a connection, or what it was asked to say besides, have not been taken by its router yet. */
  hasUnsent(connId: string, { signal }: CallOptions = {}): Promise<boolean> {
    return this.#call(async () => this.#context.store.read((db) => hasDeliveries(db, connId)), signal)
  }

  /** All connections of this agent, oldest first. */
  listConnections({ signal }: CallOptions = {}): Promise<ConnectionSummary[]> {
    return this.#call(async () => listSummaries(this.#context), signal)
  }

  /**
   * Subscribes to connections (all unless given), goes on with what a crash interrupted, and repeats events of
   * connection establishment: CONF and REQ that are not answered, INFO and CON that were not taken.
   * @returns why connections are not subscribed; those that may be later are tried again (UP tells of it)
   */
  subscribeConnections(connIds?: readonly string[], { signal }: CallOptions = {}): Promise<Map<string, AgentError>> {
    return this.#call(() => subscribeConnections(this.#context, connIds, signal), signal)
  }

  /** Tells the routers to accept no more messages for the connection, for ever. Those stored are still delivered. */
  suspendConnection(connId: string, { signal }: CallOptions = {}): Promise<void> {
    return this.#call(() => suspendConnection(this.#context, connId, signal), signal)
  }

  /**
   * Deletes a connection and, in the background, its queues at their routers: DEL_RCVQS and DEL_CONNS tell of it.
   * @param options.waitDelivery let pending messages be sent first. Default false.
   */
  deleteConnection(connId: string, options: { readonly waitDelivery?: boolean } & CallOptions = {}): Promise<void> {
    const { waitDelivery = false, signal } = options
    return this.#call(() => deleteConnection(this.#context, connId, waitDelivery), signal)
  }

  /** Versions, routers and states of a connection's queues. */
  getConnectionServers(connId: string, { signal }: CallOptions = {}): Promise<ConnectionStats> {
    return this.#call(async () => connectionStats(this.#context, connId), signal)
  }

  /**
   * SHA-256 of the ratchet's associated data, 32 bytes: equal on both sides when nobody is in between.
   * @throws AgentError CONN SIMPLEX before the ratchet is agreed
   */
  connectionRatchetAdHash(connId: string, { signal }: CallOptions = {}): Promise<Uint8Array> {
    return this.#call(async () => ratchetAdHash(this.#context, connId), signal)
  }

  /** The short link of a connection, undefined when it has none. */
  getShortLink(connId: string, { signal }: CallOptions = {}): Promise<string | undefined> {
    return this.#call(async () => getShortLink(this.#context, connId), signal)
  }

  /** Sets the application's data behind the short link; a contact address without a short link gets one. */
  setShortLinkData(connId: string, userData: Uint8Array, { signal }: CallOptions = {}): Promise<string> {
    return this.#call(() => setShortLinkData(this.#context, connId, userData, signal), signal)
  }

  /** Deletes the data behind the short link, which leads nowhere then. */
  deleteShortLink(connId: string, { signal }: CallOptions = {}): Promise<void> {
    return this.#call(() => deleteShortLink(this.#context, connId, signal), signal)
  }

  /**
   * The application's data behind a short link. Reading a one-time link uses it: only this agent can join it then.
   * @throws AgentError SMP AUTH when the link is used or deleted, A_LINK, CMD SYNTAX
   */
  readShortLink(link: string, { signal }: CallOptions = {}): Promise<LinkUserData> {
    return this.#call(async () => {
      const parsed = parseLink(link)
      if (parsed.type !== 'short') throw commandError('SYNTAX', 'not a short link')
      return (await resolveShortLink(this.#context, parsed.link, signal)).data.user
    }, signal)
  }

  /**
   * Tables of the application in the agent's own database, so that what it notes and what it sends or receives about that
   * are stored together or not at all. Their names must not be those of the agent's.
   * @param migrations their schema, step by step, each name after those before it
   * @param options for an application that keeps in memory what is in its tables
   * @throws StoreError NEWER, MIGRATION, IO; AgentError INACTIVE
   */
  applicationStore(migrations: readonly Migration[], options?: ApplicationStoreOptions): ApplicationStore {
    if (this.#stop.signal.aborted) throw new AgentError({ type: 'INACTIVE' })
    return new ApplicationStore(this.#context, this.#context.store.openForApplication(migrations), options)
  }

  /** Events from now on; see {@link AgentEvent}. Ends when the agent is closed. */
  events(): AsyncIterableIterator<AgentEvent> {
    return this.#subQ.read()
  }

  /** Calls `handler` for each event with this name, one after the other; returns how to stop that. */
  on<N extends AgentEventName>(name: N, handler: EventHandler<N>): () => void {
    return this.#subQ.on(name, handler)
  }

  /** Ends all work at the next safe point and releases the store. What is pending goes on when it is opened again. */
  close(): Promise<void> {
    this.#closed ??= this.#shutDown()
    return this.#closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #shutDown(): Promise<void> {
    const { clients, msgQ, kem, store } = this.#context
    this.#stop.abort(new AgentError({ type: 'INACTIVE' }))
    this.#subQ.close()
    msgQ.close()
    await Promise.all([clients.close(), kem.close()])
    await Promise.all(this.#running.map((part) => part.stopped()))
    await Promise.allSettled(this.#calls)
    store.close()
  }

  async #call<T>(action: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted()
    if (this.#stop.signal.aborted) throw new AgentError({ type: 'INACTIVE' })
    const running = action()
    this.#calls.add(running)
    try {
      return await running
    } catch (error) {
      signal?.throwIfAborted()
      // What fails because of closing fails in many ways.
      throw this.#stop.signal.aborted ? new AgentError({ type: 'INACTIVE' }, { cause: error }) : toAgentError(error)
    } finally {
      this.#calls.delete(running)
    }
  }
}

function readServer(server: string | SmpServerWithAuth): SmpServerWithAuth {
  if (typeof server !== 'string') return server
  try {
    return parseSmpServer(server)
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause
    throw new AgentError({ type: 'CMD', error: 'SYNTAX', context: 'server address' }, { cause })
  }
}
