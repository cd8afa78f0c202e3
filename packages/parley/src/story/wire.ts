import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import type { Tap } from './tap.ts'

const HOST = '127.0.0.1'

/** Connections of all wires so far. */
let connections = 0

/** The network in front of a port: everybody connects through it, and its tap sees what goes by. */
export class Wire implements AsyncDisposable {
  readonly #server: Server
  readonly #tap: Tap
  readonly #target = Promise.withResolvers<number>()
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server, tap: Tap) {
    this.#server = server
    this.#tap = tap
    server.on('connection', (socket) => void this.#join(socket))
  }

  /** Opens a port of the network. What connects waits until it is known where it leads. */
  static async open(tap: Tap): Promise<Wire> {
    // Each side is told of the end of the other by what it was told itself, not by the socket.
    const server = createServer({ allowHalfOpen: true, noDelay: true }).listen(0, HOST)
    await once(server, 'listening')
    return new Wire(server, tap)
  }

  /** What others connect to. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Says which port is behind it. */
  leadTo(port: number | undefined): void {
    if (port !== undefined) this.#target.resolve(port)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  async #join(near: Socket): Promise<void> {
    this.#add(near)
    const far = connect({ host: HOST, port: await this.#target.promise, allowHalfOpen: true, noDelay: true })
    this.#add(far)
    const connection = ++connections
    near.on('data', (bytes: Buffer) => this.#tap.see({ connection, direction: 'in' }, bytes))
    far.on('data', (bytes: Buffer) => this.#tap.see({ connection, direction: 'out' }, bytes))
    near.pipe(far).pipe(near)
    near.once('close', () => far.destroy())
    far.once('close', () => near.destroy())
  }

  /** Broken connections are for those to see who use them. */
  #add(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => this.#sockets.delete(socket))
  }
}
