import { createServer, type Server, type Socket } from 'node:net'
import { AcnConnectionError } from '../entrance/connection-error.ts'
import type { Entry, EntryConnection, EntryHandler } from '../entrance/entry.ts'
import { CAPABILITY } from '../entrance/extension.ts'
import { FrameConnection } from '../entrance/frame-connection.ts'
import { LinkConnection } from '../entrance/link-connection.ts'
import { listen } from '../entrance/listen.ts'
import { SAFE_PIPE_FRAME } from '../protocol/index.ts'
import { LOOPBACK } from './loopback.ts'

/** How long the node may take to connect, ms. */
const CONNECT_TIMEOUT = 20_000
/** How long it may take to answer what the agent says of itself, ms. */
const HELLO_TIMEOUT = 5_000

export interface PipeEntryOptions {
  /** Port of this machine to listen on; 0, the default, for any free one. */
  readonly port?: number
  readonly connectTimeoutMs?: number
  readonly statusTimeoutMs?: number
}

/**
 * The agent's end of the pipe: listens, and its own node connects. It goes on listening, so that a node that lost the
 * connection, or was started again, finds its agent; of two connections the newer one counts.
 */
export class PipeEntry implements Entry {
  readonly name: string
  /** To be told to the node as AEA_TO_NODE and NODE_TO_AEA. */
  readonly port: number
  readonly #server: Server
  readonly #options: PipeEntryOptions
  /** The newest connection that nobody has taken. */
  #waiting: Socket | undefined
  #current: FrameConnection | undefined
  #taker: ((socket: Socket) => void) | undefined

  private constructor(server: Server, port: number, options: PipeEntryOptions) {
    this.#server = server
    this.#options = options
    this.port = port
    this.name = `pipe ${port}`
    server.on('connection', (socket) => this.#accept(socket))
    server.on('error', () => {})
  }

  /**
   * Opens the port.
   * @throws AcnConnectionError CONNECT
   */
  static async listen(options: PipeEntryOptions = {}): Promise<PipeEntry> {
    const server = createServer({ noDelay: true })
    const { port } = await listen(server, LOOPBACK, options.port ?? 0)
    return new PipeEntry(server, port, options)
  }

  async connect(handler: EntryHandler, signal: AbortSignal): Promise<EntryConnection> {
    const connection = new FrameConnection(await this.#nextSocket(signal))
    this.#current?.destroy()
    this.#current = connection
    const { statusTimeoutMs } = this.#options
    const link = new LinkConnection(connection, { handler, safeFrameLength: SAFE_PIPE_FRAME, statusTimeoutMs })
    const timeout = new AcnConnectionError('TIMEOUT', 'node does not answer')
    const timer = setTimeout(() => connection.destroy(timeout), HELLO_TIMEOUT)
    try {
      link.link.start()
      // Before anything else: a node that is not Parley refuses it and goes on, and loses a second message that is
      // written before it answered the first.
      const capabilities = CAPABILITY.ids | CAPABILITY.reports
      const answer = await link.link.send({ type: 'register', record: undefined, extension: { capabilities } })
      link.learn(answer.extension)
    } finally {
      clearTimeout(timer)
    }
    return link
  }

  /** Stops listening and ends the connection. */
  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#server.close(() => resolve())
    this.#waiting?.destroy()
    this.#current?.destroy()
    await promise
  }

  #accept(socket: Socket): void {
    // It may end before anybody takes it.
    socket.on('error', () => {})
    const taker = this.#taker
    this.#taker = undefined
    if (taker) {
      taker(socket)
      return
    }
    this.#waiting?.destroy()
    this.#waiting = socket
    // The one that is in use is not, if its node connects again.
    this.#current?.destroy()
  }

  async #nextSocket(signal: AbortSignal): Promise<Socket> {
    signal.throwIfAborted()
    const waiting = this.#waiting
    this.#waiting = undefined
    if (waiting && !waiting.destroyed) return waiting
    const { promise, resolve, reject } = Promise.withResolvers<Socket>()
    const { connectTimeoutMs = CONNECT_TIMEOUT } = this.#options
    const timer = setTimeout(() => reject(new AcnConnectionError('TIMEOUT', 'node did not connect')), connectTimeoutMs)
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    this.#taker = resolve
    return promise.finally(() => {
      this.#taker = undefined
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
    })
  }
}
