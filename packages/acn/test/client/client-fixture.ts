import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import {
  AcnClient,
  type AcnClientEvent,
  type AcnClientOptions,
  type Entry,
  type EnvelopeEvent,
} from '@parley/acn/client'

/** Attaches a client, closed at the end of the test. */
export async function attached(
  t: TestContext,
  entries: AcnClientOptions['entries'],
  options: Partial<AcnClientOptions> = {},
): Promise<AcnClient> {
  const client = await AcnClient.connect({ entries, backoff: { firstMs: 20, longestMs: 200 }, ...options })
  t.after(() => client.close())
  return client
}

/** Reads the events of a client one by one. */
export class EventReader {
  readonly #events: AsyncIterator<AcnClientEvent>

  constructor(client: AcnClient) {
    this.#events = client.events[Symbol.asyncIterator]()
  }

  /** The next event of a kind; others are left out. */
  async next<T extends AcnClientEvent['type']>(type: T): Promise<Extract<AcnClientEvent, { type: T }>> {
    for (;;) {
      const { value, done } = await this.#events.next()
      assert.ok(!done, 'client is closed')
      if (value.type === type) return value as Extract<AcnClientEvent, { type: T }>
    }
  }

  async text(): Promise<string> {
    return textOf(await this.next('envelope'))
  }
}

export function textOf({ envelope }: EnvelopeEvent): string {
  return Buffer.from(envelope.message).toString()
}

/** A port between a client and its node, which can be cut, and cut in one direction at a stated moment. */
export class Cable {
  readonly port: number
  readonly #sockets = new Set<Socket>()
  /** Called with what a node writes; false throws it away and ends the connection. */
  onNodeBytes: (chunk: Uint8Array) => boolean = () => true
  #isOpen = true

  private constructor(server: import('node:net').Server, nodePort: number) {
    this.port = (server.address() as AddressInfo).port
    server.on('connection', (client: Socket) => {
      const node = connect(nodePort, '127.0.0.1')
      for (const socket of [client, node]) {
        this.#sockets.add(socket)
        socket.on('error', () => {})
        socket.on('close', () => {
          client.destroy()
          node.destroy()
          this.#sockets.delete(socket)
        })
      }
      if (!this.#isOpen) client.destroy()
      client.pipe(node)
      node.on('data', (chunk) => {
        if (this.onNodeBytes(chunk)) client.write(chunk)
        else client.destroy()
      })
    })
  }

  static async to(t: TestContext, nodePort: number): Promise<Cable> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const cable = new Cable(server, nodePort)
    t.after(() => {
      cable.cut()
      server.close()
    })
    return cable
  }

  /** Breaks all connections; new ones are made all the same unless they are refused. */
  cut({ refuse = false } = {}): void {
    this.#isOpen = !refuse
    for (const socket of this.#sockets) socket.destroy()
  }

  repair(): void {
    this.#isOpen = true
  }
}

export type { Entry }
