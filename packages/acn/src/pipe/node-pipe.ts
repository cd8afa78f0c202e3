import { setTimeout as delay } from 'node:timers/promises'
import { AcnConnectionError, connectionError } from '../entrance/connection-error.ts'
import { FrameConnection } from '../entrance/frame-connection.ts'
import { ServedSession, type SessionServing } from '../entrance/served-session.ts'
import type { AgentRecord } from '../protocol/index.ts'
import { dialLoopback } from './loopback.ts'

/** How long the agent may take to listen, ms: it waits as long for its node. `spec/acn.md §2`. */
const DIAL_TIMEOUT = 10_000
/** `spec/acn.md §8`. */
const STATUS_TIMEOUT = 15_000
/** How long a Parley agent has to say so before it gets what waits for it, ms. */
const HELLO_WITHIN = 100
/**
 * First and longest wait before the agent is dialled again, ms. It doubles while the agent is not there, and while it ends
 * its connections soon.
 */
const REDIAL: readonly [first: number, longest: number] = [100, 2_000]
/** A connection that lasted so long, ms, was a good one: the next wait is the first again. */
const GOOD_CONNECTION = 5_000

export interface NodePipeOptions extends SessionServing {
  /** Port of this machine on which the agent listens. */
  readonly port: number
  /** The agent's record, proven already. */
  readonly record: AgentRecord
  readonly dialTimeoutMs?: number
  /** How long the agent may be away before {@link NodePipe.closed} rejects, ms; by default as long as it likes. */
  readonly reconnectTimeoutMs?: number
  /** Told when the agent is connected, and when it is not any more. */
  readonly onChange?: (isConnected: boolean) => void
}

/**
 * The node's end of the pipe to its own agent: dials the agent's port, and again whenever the connection breaks, for as
 * long as the node runs: like the Go node it does not end with its agent, which may be starting anew. `spec/acn.md §8`.
 */
export class NodePipe {
  /**
   * Settles when the pipe is closed: rejects with an AcnConnectionError when the agent stayed away, or did not let itself
   * be registered.
   */
  readonly closed: Promise<void>
  readonly #options: NodePipeOptions
  readonly #stop = new AbortController()
  #session: ServedSession | undefined
  #connections = 0

  private constructor(options: NodePipeOptions, connection: FrameConnection) {
    this.#options = options
    this.closed = this.#run(connection)
    // Whoever does not look at it must not be ended by it.
    this.closed.catch(() => {})
  }

  /**
   * Connects to the agent for the first time.
   * @throws AcnConnectionError CONNECT when nobody listens in time; the signal's reason when it aborts
   */
  static async connect(options: NodePipeOptions, signal?: AbortSignal): Promise<NodePipe> {
    const socket = await dialLoopback({
      port: options.port,
      timeoutMs: options.dialTimeoutMs ?? DIAL_TIMEOUT,
      signal: signal ?? new AbortController().signal,
    })
    return new NodePipe(options, new FrameConnection(socket))
  }

  /** Whether the agent is connected. */
  get isConnected(): boolean {
    return this.#session !== undefined
  }

  /** Connections that were made. */
  get connections(): number {
    return this.#connections
  }

  /** Ends the connection and resolves when every item is settled. */
  async close(): Promise<void> {
    this.#stop.abort(new AcnConnectionError('CLOSED', 'node stops'))
    this.#session?.detach('stopping')
    await this.closed.catch(() => {})
  }

  async #run(first: FrameConnection): Promise<void> {
    const { signal } = this.#stop
    try {
      const { port, reconnectTimeoutMs: timeoutMs = Number.POSITIVE_INFINITY } = this.#options
      const [shortest, longest] = REDIAL
      let wait = shortest
      for (let connection = first; ; ) {
        const since = performance.now()
        await this.#serve(connection)
        if (performance.now() - since >= GOOD_CONNECTION) wait = shortest
        await delay(wait, undefined, { signal })
        const socket = await dialLoopback({ port, timeoutMs, signal, waitsMs: [wait, longest] })
        wait = Math.min(wait * 2, longest)
        connection = new FrameConnection(socket)
      }
    } catch (error) {
      if (!signal.aborted) throw connectionError('CLOSED', error)
    }
  }

  /** One connection. */
  async #serve(connection: FrameConnection): Promise<void> {
    const { handler, record } = this.#options
    const session = new ServedSession({
      ...this.#options,
      pump: { answerTimeoutMs: STATUS_TIMEOUT, ...this.#options.pump },
      kind: 'direct',
      record,
      connection,
      isParley: false,
      answeredChallenge: false,
      registersLater: true,
      closesOnViolation: false,
    })
    try {
      await handler.onRegister(session)
    } catch (error) {
      connection.destroy()
      throw error
    }
    this.#connections++
    this.#session = session
    this.#options.onChange?.(true)
    if (this.#stop.signal.aborted) session.detach('stopping')
    session.start()
    await session.hello(HELLO_WITHIN)
    await session.run()
    this.#session = undefined
    this.#options.onChange?.(false)
  }
}
