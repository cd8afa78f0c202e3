import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/**
 * A TCP proxy in front of a router that cuts connections at chosen moments: what the network does to an agent.
 * It knows nothing of what goes through it.
 */
export class CuttingProxy {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #targetPort: () => number
  #sent = 0
  #cutAt = Number.POSITIVE_INFINITY
  #answersLeft = Number.POSITIVE_INFINITY
  /** How many connections were cut. */
  cuts = 0
  /** Closes new connections at once. */
  refuse = false

  private constructor(targetPort: () => number) {
    this.#targetPort = targetPort
    this.#server = createServer((client) => this.#accept(client))
  }

  static async start(targetPort: () => number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(targetPort)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** The address of a router with the proxy's port. */
  addressOf(routerAddress: string): string {
    return routerAddress.replace(/:\d+$/, `:${this.port}`)
  }

  /**
   * Cuts everything once when clients have sent `bytes` more: they were passed on to the router, its answer is not
   * passed back. Later connections work.
   */
  cutAfter(bytes: number): void {
    this.#cutAt = this.#sent + bytes
  }

  /** Cuts everything once when routers have answered `bytes` more, without passing the last answer on. */
  cutAfterAnswers(bytes: number): void {
    this.#answersLeft = bytes
  }

  /** Cuts all connections now. */
  cut(): void {
    this.cuts++
    for (const socket of this.#sockets) socket.destroy()
  }

  async close(): Promise<void> {
    this.#server.close()
    this.cut()
    await once(this.#server, 'close')
  }

  #accept(client: Socket): void {
    if (this.refuse) {
      client.on('error', () => undefined).destroy()
      return
    }
    const router = connect(this.#targetPort(), '127.0.0.1')
    for (const socket of [client, router]) {
      this.#sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        this.#sockets.delete(socket)
        client.destroy()
        router.destroy()
      })
    }
    router.on('data', (data) => {
      this.#answersLeft -= data.length
      if (this.#answersLeft > 0) {
        client.write(data)
        return
      }
      this.#answersLeft = Number.POSITIVE_INFINITY
      this.cut()
    })
    client.on('data', (data) => {
      this.#sent += data.length
      if (this.#sent < this.#cutAt) {
        router.write(data)
        return
      }
      this.#cutAt = Number.POSITIVE_INFINITY
      // The router gets it all; nobody hears its answer.
      client.destroy()
      router.end(data, () => this.cut())
    })
  }
}
