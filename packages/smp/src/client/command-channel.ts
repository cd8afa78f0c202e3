import type { BlockConnection } from '@parley/core/transport'
import {
  type AuthPrivateKey,
  authorize,
  type Command,
  type CommandType,
  decodeBrokerBlock,
  type EntityId,
  encodeCommand,
  type ReceivedMessage,
  type Refused,
  type SmpServer,
} from '../protocol/index.ts'
import { newCorrelationId } from './correlation-ids.ts'
import { disconnected, SmpClientError, type SmpClientErrorType, toClientError } from './errors.ts'
import type { ServerTransmission } from './events.ts'
import type { SmpSession } from './handshake.ts'
import { KeepAliveMonitor } from './keep-alive.ts'
import { KEEP_ALIVE, type KeepAlive, type ModeTimeouts, REQUEST_TIMEOUTS, type RequestOptions } from './options.ts'
import { Outbox } from './outbox.ts'
import { PendingRequests, type RequestResult } from './requests.ts'

const NO_ENTITY = new Uint8Array()

/** Commands after which the router pushes events, so that the connection must be watched: `spec/smp.md §9`, pings. */
const SUBSCRIBING: ReadonlySet<CommandType> = new Set(['SUB', 'SUBS', 'NSUB', 'NSUBS'])

/** Commands that a service signs too: `spec/smp.md §5.1`, authorization order. */
const SERVICE_SIGNED: ReadonlySet<CommandType> = new Set(['NEW', 'SUB', 'NSUB'])

/** A command with what it is sent with. */
export interface ClientCommand {
  readonly command: Command
  /** Queue, sender, link, notifier, service or proxy session id; none for NEW, PING, PRXY and RFWD. */
  readonly entityId?: EntityId | undefined
  /** Key that authorises the command: signature with Ed25519 or Ed448, authenticator with X25519. */
  readonly key?: AuthPrivateKey | undefined
  /** 24 random bytes, when the caller derives something from them; never used twice. */
  readonly corrId?: Uint8Array | undefined
}

export interface CommandChannelComponents {
  readonly server: SmpServer
  readonly connection: BlockConnection
  readonly session: SmpSession
  /** Takes what no command waits for; nothing more is read before it settles. The signal aborts when the channel ends. */
  readonly onTransmissions: (transmissions: readonly ServerTransmission[], signal: AbortSignal) => Promise<void>
}

export interface CommandChannelOptions {
  readonly requestTimeouts?: ModeTimeouts | undefined
  readonly keepAlive?: KeepAlive | undefined
  /** Closes the channel. */
  readonly signal?: AbortSignal | undefined
}

/** Commands out, their answers and events in, over one connection after its handshake: `spec/smp.md §9`. */
export class CommandChannel {
  /** See `SmpClient.closed`. */
  readonly closed: Promise<void>
  readonly #components: CommandChannelComponents
  readonly #options: CommandChannelOptions
  readonly #requests: PendingRequests
  readonly #outbox: Outbox
  readonly #keepAlive: KeepAliveMonitor
  readonly #stop = new AbortController()
  readonly #abort = () => this.end(undefined)
  #lastReceived = performance.now()
  #ending: { readonly error: SmpClientError | undefined } | undefined

  constructor(components: CommandChannelComponents, options: CommandChannelOptions) {
    this.#components = components
    this.#options = options
    this.#requests = new PendingRequests({
      timeout: () => this.error({ type: 'TIMEOUT' }),
      unexpected: (detail) => this.error({ type: 'UNEXPECTED', detail }),
    })
    const { connection, session } = components
    this.#outbox = new Outbox({
      connection,
      seal: session.seal,
      version: session.version,
      isWanted: (corrId) => this.#requests.isWaiting(corrId),
      onTooLarge: (corrId) =>
        this.#requests.fail(corrId, this.error({ type: 'TRANSPORT', error: { type: 'LARGE_MSG' } })),
      onFailure: (error) => this.end(error),
    })
    this.#keepAlive = new KeepAliveMonitor(
      {
        lastReceived: () => this.#lastReceived,
        timeoutsInRow: () => this.#requests.timeoutsInRow,
        ping: async () => {
          await this.request({ command: { type: 'PING' } }, {})
        },
        drop: () => this.end(this.error({ type: 'TIMEOUT' })),
      },
      options.keepAlive ?? KEEP_ALIVE,
    )
    if (options.signal?.aborted) this.end(undefined)
    else options.signal?.addEventListener('abort', this.#abort, { once: true })
    this.closed = this.#run()
  }

  /** Present once the channel has ended; `error` when that was out of order. */
  get ending(): { readonly error: SmpClientError | undefined } | undefined {
    return this.#ending
  }

  /** The router pushes events from now on. */
  watch(): void {
    this.#keepAlive.enablePings()
  }

  /** An error of this connection's server. */
  error(reason: SmpClientErrorType, cause?: unknown): SmpClientError {
    return new SmpClientError(this.#components.server, reason, cause === undefined ? undefined : { cause })
  }

  /**
   * Sends a command and waits for its answer or error.
   * @throws EncodeError when the command cannot be encoded; the signal's reason when it aborts
   */
  async request(
    { command, entityId = NO_ENTITY, key, corrId = newCorrelationId() }: ClientCommand,
    options: RequestOptions,
  ): Promise<RequestResult> {
    options.signal?.throwIfAborted()
    const { server, session } = this.#components
    if (this.#ending) return disconnected(server, this.#ending.error)
    const { serverKey, service } = session
    if (key?.is('x25519') && !serverKey) return this.error({ type: 'TRANSPORT', error: { type: 'NO_AUTH' } })
    const { authorized, body } = encodeCommand({ corrId, entityId, message: command }, session)
    const signer = SERVICE_SIGNED.has(command.type) ? service?.signer : undefined
    const authorization = key && authorize(key, { authorized, corrId, serverKey, service: signer })
    const { promise, resolve, reject } = Promise.withResolvers<RequestResult>()
    const timeouts = this.#options.requestTimeouts ?? REQUEST_TIMEOUTS
    this.#requests.add(
      { corrId, entityId, command: command.type, resolve, reject },
      { timeoutMs: options.timeoutMs ?? timeouts[options.mode ?? 'background'], signal: options.signal },
    )
    this.#outbox.add({ corrId, entityId, transmission: { authorization, body } })
    if (SUBSCRIBING.has(command.type)) this.watch()
    return promise
  }

  async #run(): Promise<void> {
    const { connection, onTransmissions } = this.#components
    try {
      for (;;) {
        let block = await connection.read()
        if (!block) break
        const transmissions: ServerTransmission[] = []
        for (; block; block = connection.tryRead()) this.#receive(block, transmissions)
        if (transmissions.length > 0) await onTransmissions(transmissions, this.#stop.signal)
      }
      this.end(undefined)
    } catch (error) {
      this.end(error)
    }
    await connection.closed
  }

  #receive(block: Uint8Array, transmissions: ServerTransmission[]): void {
    this.#lastReceived = performance.now()
    this.#requests.resetTimeouts()
    let content: Uint8Array
    try {
      content = this.#components.session.seal.decrypt(block)
    } catch (cause) {
      // The chain of keys has moved on, so that later blocks can be read: spec/smp.md §2.3.
      const error = this.error({ type: 'RESPONSE', error: { type: 'BLOCK' } }, cause)
      transmissions.push({ type: 'error', entityId: NO_ENTITY, error })
      return
    }
    for (const received of decodeBrokerBlock(content, this.#components.session)) {
      const event = this.#dispatch(received)
      if (event) transmissions.push(event)
    }
  }

  #dispatch(received: ReceivedMessage | Refused): ServerTransmission | undefined {
    const { corrId, entityId } = received
    const result = this.#resultOf(received)
    if (corrId.length > 0) return this.#requests.answer({ corrId, entityId, result })
    if (result instanceof SmpClientError) return { type: 'error', entityId, error: result }
    return { type: 'event', entityId, message: result }
  }

  #resultOf(received: ReceivedMessage | Refused): RequestResult {
    if (!received.ok) return this.error({ type: 'RESPONSE', error: received.error })
    const { message } = received
    return message.type === 'ERR' ? this.error({ type: 'PROTOCOL', error: message.error }) : message
  }

  /** The first call decides why the client ended. */
  end(reason: unknown): void {
    if (this.#ending) return
    const error = reason === undefined ? undefined : this.#endingError(reason)
    this.#ending = { error }
    this.#options.signal?.removeEventListener('abort', this.#abort)
    this.#keepAlive.stop()
    this.#requests.failAll(disconnected(this.#components.server, error))
    this.#stop.abort()
    this.#components.connection.close()
  }

  #endingError(reason: unknown): SmpClientError {
    try {
      return toClientError(this.#components.server, reason)
    } catch (cause) {
      return disconnected(this.#components.server, cause instanceof Error ? cause : new Error(String(cause)))
    }
  }
}
