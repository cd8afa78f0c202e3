import { type SmpClient, SmpClientError } from '@parley/smp/client'
import { formatSmpServer, type SmpServer } from '@parley/smp/protocol'
import type { AgentError } from './agent-error.ts'
import { isTemporary, toAgentError } from './client-errors.ts'
import type { AgentConfig } from './config.ts'
import type { EventOutlet } from './event-outlet.ts'
import { nextDelay, pause } from './retry-interval.ts'
import type { SmpClients } from './smp-clients.ts'
import { type RcvQueueRecord, serverKey } from './store/records.ts'

/** State of a queue's subscription: `spec/agent.md §14`, ConnectionStats. */
export type SubscriptionStatus = 'active' | 'pending' | 'removed' | 'none'

/** What {@link Subscriptions} uses. */
export interface SubscriptionsComponents {
  readonly clients: SmpClients
  readonly outlet: EventOutlet
  readonly config: Pick<AgentConfig, 'reconnectRetry' | 'confirmSubscriptionAfter'>
  readonly closing: AbortSignal
  /** Told of faults of this program. */
  readonly onFailure: (error: unknown) => void
}

/** Queues of one server. A queue is either active (in the client's session) or pending. */
interface ServerSubscriptions {
  readonly server: SmpServer
  readonly active: Map<number, RcvQueueRecord>
  readonly pending: Map<number, RcvQueueRecord>
  /** Active ones that no message has come from yet. */
  readonly unconfirmed: Map<number, RcvQueueRecord>
  confirming: boolean
  /** The client in whose session the active ones are. */
  client: SmpClient | undefined
  resubscribing: boolean
  /** When it was begun last to subscribe again, of `performance.now()`. */
  resubscribedAt: number
}

/** Queues of one SUB batch when many are subscribed again: `spec/agent.md §10`. */
const CHUNK = 1350

/** The subscription manager: knows which queues must be subscribed and keeps them so. `spec/agent.md §10`. */
export class Subscriptions {
  readonly #components: SubscriptionsComponents
  readonly #servers = new Map<string, ServerSubscriptions>()
  readonly #removed = new Set<number>()
  readonly #workers = new Set<Promise<void>>()

  constructor(components: SubscriptionsComponents) {
    this.#components = components
  }

  /** State of one queue. */
  statusOf(queue: Pick<RcvQueueRecord, 'rcvQueueId' | 'server'>): SubscriptionStatus {
    const subscriptions = this.#servers.get(serverKey(queue.server))
    if (subscriptions?.active.has(queue.rcvQueueId)) return 'active'
    if (subscriptions?.pending.has(queue.rcvQueueId)) return 'pending'
    return this.#removed.has(queue.rcvQueueId) ? 'removed' : 'none'
  }

  /** A queue was made with a subscription in the client's session. */
  addActive(queue: RcvQueueRecord, client: SmpClient): void {
    const subscriptions = this.#of(queue.server)
    if (!client.isClosed && this.#useSession(subscriptions, client)) {
      this.#activate(subscriptions, queue)
      return
    }
    subscriptions.pending.set(queue.rcvQueueId, queue)
    this.#resubscribe(subscriptions)
  }

  /** The queue is not to be subscribed any more. */
  remove(queue: Pick<RcvQueueRecord, 'rcvQueueId' | 'server'>): void {
    const subscriptions = this.#servers.get(serverKey(queue.server))
    subscriptions?.unconfirmed.delete(queue.rcvQueueId)
    const had = subscriptions?.active.delete(queue.rcvQueueId) || subscriptions?.pending.delete(queue.rcvQueueId)
    if (had) this.#removed.add(queue.rcvQueueId)
  }

  /** A message has come from the queue: its subscription works. */
  onMessage(queue: Pick<RcvQueueRecord, 'rcvQueueId' | 'server'>): void {
    this.#servers.get(serverKey(queue.server))?.unconfirmed.delete(queue.rcvQueueId)
  }

  /** A message of the queue could not be processed: after a while the router is asked for it again. */
  askAgain({ server, rcvQueueId }: Pick<RcvQueueRecord, 'rcvQueueId' | 'server'>): void {
    const subscriptions = this.#servers.get(serverKey(server))
    const queue = subscriptions?.active.get(rcvQueueId)
    if (subscriptions && queue) this.#activate(subscriptions, queue)
  }

  /**
   * Subscribes to queues that are not subscribed, with one batch for each server. What fails for a reason that may
   * pass is tried again in the background (then UP tells of it).
   * @returns the error of each queue that is not subscribed now
   */
  async subscribe(queues: readonly RcvQueueRecord[], signal?: AbortSignal): Promise<Map<number, AgentError>> {
    const byServer = new Map<ServerSubscriptions, RcvQueueRecord[]>()
    for (const queue of queues) {
      const subscriptions = this.#of(queue.server)
      if (subscriptions.active.has(queue.rcvQueueId)) continue
      subscriptions.pending.set(queue.rcvQueueId, queue)
      this.#removed.delete(queue.rcvQueueId)
      const group = byServer.get(subscriptions)
      if (group) group.push(queue)
      else byServer.set(subscriptions, [queue])
    }
    const errors = new Map<number, AgentError>()
    await Promise.all(
      [...byServer].map(async ([subscriptions, group]) => {
        try {
          const failed = await this.#subscribeGroup(subscriptions, group, 'interactive', signal)
          for (const [queue, error] of failed) errors.set(queue.rcvQueueId, error)
        } finally {
          // Also when the caller has given up waiting.
          if (subscriptions.pending.size > 0) this.#resubscribe(subscriptions)
        }
      }),
    )
    return errors
  }

  /** The connection to a server is lost: its queues are subscribed again. */
  async onDisconnected(client: SmpClient): Promise<void> {
    const subscriptions = this.#servers.get(serverKey(client.server))
    if (!subscriptions || subscriptions.client !== client) return
    subscriptions.client = undefined
    const lost = [...subscriptions.active.values()]
    for (const queue of lost) subscriptions.pending.set(queue.rcvQueueId, queue)
    subscriptions.active.clear()
    subscriptions.unconfirmed.clear()
    if (this.#components.closing.aborted) return
    if (subscriptions.pending.size > 0) this.#resubscribe(subscriptions)
    if (lost.length > 0) {
      const server = formatSmpServer(client.server)
      await this.#components.outlet.put({ event: 'DOWN', server, connIds: connIdsOf(lost) })
    }
  }

  /** Waits for the background work to end after the agent began to close. */
  async stopped(): Promise<void> {
    await Promise.all(this.#workers)
  }

  #of(server: SmpServer): ServerSubscriptions {
    const key = serverKey(server)
    let subscriptions = this.#servers.get(key)
    if (!subscriptions) {
      subscriptions = {
        server,
        active: new Map(),
        pending: new Map(),
        unconfirmed: new Map(),
        confirming: false,
        client: undefined,
        resubscribing: false,
        resubscribedAt: Number.NEGATIVE_INFINITY,
      }
      this.#servers.set(key, subscriptions)
    }
    return subscriptions
  }

  /** True when active queues are those of this client's session. */
  #useSession(subscriptions: ServerSubscriptions, client: SmpClient): boolean {
    if (subscriptions.client === undefined) subscriptions.client = client
    return subscriptions.client === client
  }

  #activate(subscriptions: ServerSubscriptions, queue: RcvQueueRecord): void {
    subscriptions.active.set(queue.rcvQueueId, queue)
    subscriptions.unconfirmed.set(queue.rcvQueueId, queue)
    if (subscriptions.confirming || this.#components.closing.aborted) return
    subscriptions.confirming = true
    this.#start(this.#confirmLoop(subscriptions))
  }

  /**
   * Subscribes once more to queues that nothing has come from. The original router may store a message that arrives
   * right after SUB or NEW without delivering it, and all later ones, until the next SUB: `spec/smp.md §0`, S11.
   */
  async #confirmLoop(subscriptions: ServerSubscriptions): Promise<void> {
    const { closing, config } = this.#components
    try {
      while (!closing.aborted && subscriptions.unconfirmed.size > 0) {
        const queues = [...subscriptions.unconfirmed.values()]
        await pause(config.confirmSubscriptionAfter, closing).catch(() => undefined)
        const { client } = subscriptions
        if (closing.aborted || !client) return
        const silent = queues.filter(({ rcvQueueId }) => subscriptions.unconfirmed.delete(rcvQueueId))
        const recipients = silent.map(({ rcvId, rcvPrivateKey }) => ({ rcvId, key: rcvPrivateKey }))
        // What fails here is noticed by the connection itself, or by the next subscription.
        await client.subscribeMany(recipients, { mode: 'background', signal: closing }).catch(() => undefined)
      }
    } finally {
      // In the same step as the decision to end, so that nothing is added unseen in between.
      subscriptions.confirming = false
    }
  }

  /** Subscribes to queues of one server that are pending; those that fail for good are pending no more. */
  async #subscribeGroup(
    subscriptions: ServerSubscriptions,
    queues: readonly RcvQueueRecord[],
    mode: 'background' | 'interactive',
    signal?: AbortSignal,
  ): Promise<Map<RcvQueueRecord, AgentError>> {
    const errors = new Map<RcvQueueRecord, AgentError>()
    let client: SmpClient
    try {
      client = await this.#components.clients.get(subscriptions.server, { mode, signal })
    } catch (error) {
      signal?.throwIfAborted()
      for (const queue of queues) errors.set(queue, toAgentError(error))
      return errors
    }
    const recipients = queues.map(({ rcvId, rcvPrivateKey }) => ({ rcvId, key: rcvPrivateKey }))
    const results = await client.subscribeMany(recipients, { mode, signal })
    queues.forEach((queue, index) => {
      const result = results[index]
      if (!subscriptions.pending.has(queue.rcvQueueId)) return
      if (!(result instanceof SmpClientError)) {
        if (client.isClosed || !this.#useSession(subscriptions, client)) return
        subscriptions.pending.delete(queue.rcvQueueId)
        this.#activate(subscriptions, queue)
        return
      }
      const error = toAgentError(result)
      errors.set(queue, error)
      if (!isTemporary(error)) {
        subscriptions.pending.delete(queue.rcvQueueId)
        this.#removed.add(queue.rcvQueueId)
      }
    })
    return errors
  }

  #resubscribe(subscriptions: ServerSubscriptions): void {
    if (subscriptions.resubscribing || this.#components.closing.aborted) return
    subscriptions.resubscribing = true
    this.#start(this.#resubscribeLoop(subscriptions))
  }

  #start(work: Promise<void>): void {
    const worker = work.catch((error) => this.#components.onFailure(error)).finally(() => this.#workers.delete(worker))
    this.#workers.add(worker)
  }

  async #resubscribeLoop(subscriptions: ServerSubscriptions): Promise<void> {
    const { closing, config } = this.#components
    const started = performance.now()
    const sinceLast = started - subscriptions.resubscribedAt
    subscriptions.resubscribedAt = started
    let delay = config.reconnectRetry.initial
    try {
      // The first try is at once: most connections are lost alone. A router that ends each new one is not asked faster.
      if (sinceLast < delay) await pause(delay - sinceLast, closing)
      while (!closing.aborted && subscriptions.pending.size > 0) {
        const progress = await this.#resubscribeOnce(subscriptions).catch((error: unknown) => {
          if (!closing.aborted) this.#components.onFailure(error)
          return false
        })
        if (subscriptions.pending.size === 0) return
        if (progress) continue
        await pause(delay, closing)
        delay = nextDelay(config.reconnectRetry, performance.now() - started, delay)
      }
    } catch (error) {
      if (!closing.aborted) throw error
    } finally {
      subscriptions.resubscribing = false
    }
  }

  /** One chunk; true when something was subscribed or given up. */
  async #resubscribeOnce(subscriptions: ServerSubscriptions): Promise<boolean> {
    const { outlet, closing } = this.#components
    const queues = [...subscriptions.pending.values()].slice(0, CHUNK)
    const errors = await this.#subscribeGroup(subscriptions, queues, 'background', closing)
    const server = formatSmpServer(subscriptions.server)
    const up = queues.filter(({ rcvQueueId }) => subscriptions.active.has(rcvQueueId))
    if (up.length > 0) await outlet.put({ event: 'UP', server, connIds: connIdsOf(up) })
    const permanent = [...errors].filter(([, error]) => !isTemporary(error))
    if (permanent.length > 0) {
      const list = permanent.map(([{ connId }, error]) => ({ connId, error }))
      await outlet.put({ event: 'ERRS', errors: list })
    }
    return up.length > 0 || permanent.length > 0
  }
}

function connIdsOf(queues: readonly RcvQueueRecord[]): string[] {
  return [...new Set(queues.map(({ connId }) => connId))]
}
