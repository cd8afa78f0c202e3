import type { BoundedQueue } from '@parley/core/queue'
import type { VersionRange } from '@parley/core/version'
import { type ModeTimeouts, type NetworkOptions, type ServerTransmissionBatch, SmpClient } from '@parley/smp/client'
import type { SmpServer } from '@parley/smp/protocol'
import { serverKey } from './store/records.ts'

/** What {@link SmpClients} uses and tells. */
export interface SmpClientsOptions {
  /** `msgQ`: what routers send. */
  readonly events: BoundedQueue<ServerTransmissionBatch>
  readonly versions: VersionRange
  readonly network?: NetworkOptions | undefined
  readonly connectTimeouts: ModeTimeouts
  readonly requestTimeouts: ModeTimeouts
  /** A failed attempt to connect answers all who ask within so many milliseconds. */
  readonly persistErrorInterval: number
  readonly onConnected: (client: SmpClient) => void
  /** The connection is gone and everything that it received is in `msgQ`. */
  readonly onDisconnected: (client: SmpClient) => void
}

/** How long a caller is ready to wait. */
export interface ClientRequest {
  readonly mode: 'background' | 'interactive'
  readonly signal?: AbortSignal | undefined
}

type Slot =
  | { readonly state: 'connecting'; readonly client: Promise<SmpClient> }
  | { readonly state: 'connected'; readonly client: SmpClient }
  | { readonly state: 'failed'; readonly error: unknown; readonly until: number }

/** `smpClients`: one connection for each transport session, which here is a server. */
export class SmpClients {
  readonly #options: SmpClientsOptions
  readonly #slots = new Map<string, Slot>()
  readonly #stop = new AbortController()

  constructor(options: SmpClientsOptions) {
    this.#options = options
  }

  /** The connected client of a server, without connecting. */
  current(server: SmpServer): SmpClient | undefined {
    const slot = this.#slots.get(serverKey(server))
    return slot?.state === 'connected' ? slot.client : undefined
  }

  /**
   * The client of a server, connecting when there is none; all who ask meanwhile share one attempt.
   * @throws SmpClientError; the signal's reason when it aborts, which stops only the waiting
   */
  async get(server: SmpServer, { mode, signal }: ClientRequest): Promise<SmpClient> {
    signal?.throwIfAborted()
    this.#stop.signal.throwIfAborted()
    const slot = this.#slots.get(serverKey(server))
    if (slot?.state === 'connected') return slot.client
    if (slot?.state === 'failed' && performance.now() < slot.until) throw slot.error
    const client = slot?.state === 'connecting' ? slot.client : this.#connect(server, mode)
    return signal ? raceAbort(client, signal) : client
  }

  /** Closes all connections and waits until what they received is in `msgQ`. */
  async close(): Promise<void> {
    this.#stop.abort(new Error('the agent is closed'))
    const slots = [...this.#slots.values()]
    this.#slots.clear()
    await Promise.all(slots.map(closeSlot))
  }

  #connect(server: SmpServer, mode: ClientRequest['mode']): Promise<SmpClient> {
    const key = serverKey(server)
    const { events, versions, network, connectTimeouts, requestTimeouts } = this.#options
    const client = SmpClient.connect(server, {
      events,
      versions,
      network,
      connectTimeouts,
      requestTimeouts,
      mode,
      signal: this.#stop.signal,
    })
    this.#slots.set(key, { state: 'connecting', client })
    client.then(
      (connected) => this.#onConnected(key, connected),
      (error) => this.#onFailed(key, error),
    )
    return client
  }

  #onConnected(key: string, client: SmpClient): void {
    if (this.#stop.signal.aborted) {
      client.close()
      return
    }
    this.#slots.set(key, { state: 'connected', client })
    this.#options.onConnected(client)
    client.closed.then(() => {
      const slot = this.#slots.get(key)
      if (slot?.state === 'connected' && slot.client === client) this.#slots.delete(key)
      this.#options.onDisconnected(client)
    })
  }

  #onFailed(key: string, error: unknown): void {
    if (this.#stop.signal.aborted) return
    this.#slots.set(key, { state: 'failed', error, until: performance.now() + this.#options.persistErrorInterval })
  }
}

async function closeSlot(slot: Slot): Promise<void> {
  if (slot.state === 'connected') await slot.client[Symbol.asyncDispose]()
  if (slot.state === 'connecting') {
    const client = await slot.client.catch(() => undefined)
    await client?.[Symbol.asyncDispose]()
  }
}

function raceAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = () => reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', abort))
}
