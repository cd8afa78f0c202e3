import { setTimeout as delay } from 'node:timers/promises'
import { KeyedLock } from '@parley/core/lock'
import { AcnConnectionError } from '../entrance/connection-error.ts'
import type { EntryConnection, EntryHandler } from '../entrance/entry.ts'
import type { AcnHost, ReceivedEnvelope } from '../peer/index.ts'
import {
  AcnStatusError,
  type AgentRecord,
  decodeEnvelope,
  MAX_FRAME_LENGTH,
  STATUS,
  type StatusBody,
} from '../protocol/index.ts'
import { type Action, actionForPeerFailure, actionForPeerStatus, retryDelay } from '../routing/policy.ts'
import { RouteCache } from '../routing/route-cache.ts'

/** Envelopes that may be on their way at a time; to one receiver one after the other. */
const WINDOW = 32
/** Bytes that a message adds to an envelope, the sender's record included: eight fields of 256 characters at most. */
const RECORD_OVERHEAD = 4096
/** For a look-up before it is tried again, ms. */
const LOOKUP = 5_000

const SUCCESS: StatusBody = { code: STATUS.SUCCESS, msgs: [] }

export interface RelayConnectionOptions {
  readonly handler: EntryHandler
  /** The agent's, for its own key in the network. */
  readonly record: AgentRecord
  readonly patienceMs: number
}

/** An agent that is its own member of the network: sends to the peers of others, takes what they send. */
export class RelayConnection implements EntryConnection {
  /** Other members do not know envelopes by their ids. */
  readonly isParley = false
  readonly window: number = WINDOW
  readonly maxEnvelopeLength: number = MAX_FRAME_LENGTH - RECORD_OVERHEAD
  readonly closed: Promise<void>
  readonly #options: RelayConnectionOptions
  readonly #order = new KeyedLock()
  readonly #routes = new RouteCache()
  readonly #stop = new AbortController()
  readonly #ended = Promise.withResolvers<void>()
  #host: AcnHost | undefined
  #error: Error | undefined

  constructor(options: RelayConnectionOptions) {
    this.#options = options
    this.closed = this.#ended.promise
  }

  get error(): Error | undefined {
    return this.#error
  }

  /** The host has joined: envelopes can be sent. It is stopped with the connection. */
  attach(host: AcnHost): void {
    this.#host = host
    if (this.#stop.signal.aborted) void this.#end()
  }

  /** The connection to the contact is lost. */
  fail(error: AcnConnectionError): void {
    if (this.#stop.signal.aborted) return
    this.#error = error
    this.#stop.abort(error)
    if (this.#host) void this.#end()
  }

  /**
   * Takes an envelope from another peer; its record is proven for that peer.
   * @throws AcnStatusError with what the peer is to be told
   */
  async receive({ envelope, bytes, record }: ReceivedEnvelope): Promise<void> {
    if (envelope.sender !== record.address) {
      throw new AcnStatusError(STATUS.ERROR_WRONG_AGENT_ADDRESS, 'sender is not the agent of the record')
    }
    if (envelope.to !== this.#options.record.address) {
      throw new AcnStatusError(STATUS.ERROR_UNKNOWN_AGENT_ADDRESS, 'unknown agent address')
    }
    // What comes from a stream is a view of a larger block.
    const { code, msgs } = await this.#options.handler.onEnvelope(Uint8Array.from(bytes), undefined)
    if (code !== STATUS.SUCCESS) throw new AcnStatusError(code, msgs[0] ?? 'the agent refuses it')
  }

  async send(bytes: Uint8Array): Promise<StatusBody> {
    const { to, sender } = decodeEnvelope(bytes)
    const { record, handler } = this.#options
    if (sender !== record.address) {
      return { code: STATUS.ERROR_WRONG_AGENT_ADDRESS, msgs: ['sender is not the registered agent'] }
    }
    if (to === record.address) return handler.onEnvelope(bytes, undefined)
    try {
      return await this.#order.withLock(to, () => this.#deliver(to, bytes), this.#stop.signal)
    } catch (error) {
      if (this.#stop.signal.aborted) throw new AcnConnectionError('CLOSED', 'connection has ended', { cause: error })
      throw error
    }
  }

  async close(): Promise<void> {
    if (!this.#stop.signal.aborted) {
      this.#stop.abort(new AcnConnectionError('CLOSED', 'closed'))
      await this.#end()
    }
    await this.closed
  }

  /** Tries, by the policy of the peers, until a peer has taken or refused it or the time is over. */
  async #deliver(to: string, bytes: Uint8Array): Promise<StatusBody> {
    const { signal } = this.#stop
    const started = Date.now()
    for (let attempts = 1; ; attempts++) {
      const action = await this.#attempt(to, bytes)
      signal.throwIfAborted()
      if (action.type === 'delivered') return SUCCESS
      const status = action.status ?? STATUS.ERROR_UNKNOWN_AGENT_ADDRESS
      if (action.type === 'give-up') return { code: status, msgs: ['refused by the other peer'] }
      const wait = retryDelay(attempts, Date.now() - started)
      const isLast = attempts >= (action.limit ?? Number.POSITIVE_INFINITY)
      if (isLast || Date.now() + wait - started > this.#options.patienceMs) {
        return { code: status, msgs: ['not delivered in time'] }
      }
      await delay(wait, undefined, { signal })
    }
  }

  async #attempt(to: string, bytes: Uint8Array): Promise<Action> {
    const { signal } = this.#stop
    let action: Action = { type: 'retry', reresolve: false }
    try {
      const host = this.#host
      if (!host) return action
      const { patienceMs, record } = this.#options
      const timeout = Math.min(LOOKUP, patienceMs)
      const route = this.#routes.get(to) ?? (await host.resolve(to, { timeout, signal }))
      if (!route) return action
      this.#routes.put(to, route)
      action = actionForPeerStatus(await host.sendEnvelope(route, bytes, record, { signal }))
    } catch (error) {
      action = actionForPeerFailure(error)
      // The receiver was found; that nobody answers for it now is another thing than not being known.
      if (action.type === 'retry' && action.status === undefined) {
        action = { ...action, status: STATUS.ERROR_AGENT_NOT_READY }
      }
    }
    if (action.type === 'retry' && action.reresolve) this.#routes.forget(to)
    return action
  }

  async #end(): Promise<void> {
    await this.#host?.stop().catch(() => {})
    this.#ended.resolve()
  }
}
