import type { Connection, PeerId, Stream } from '@libp2p/interface'
import { DhtStream } from './dht-stream.ts'
import { DHT_MESSAGE, type DhtMessage } from './message.ts'

/** The public DHT of libp2p, on which the network lives. */
export const DHT_PROTOCOL = '/ipfs/kad/1.0.0'

/** Streams kept open to one connection for the next question. */
const IDLE_STREAMS = 4
/** Peers close a stream on which nothing was said for 10 s; it is not used any more some time before that. */
const IDLE_TIME = 5_000

/** How the client reaches peers. */
export interface DhtDialer {
  /** A connection to the peer, over known addresses. */
  connect(peer: PeerId, signal: AbortSignal): Promise<Connection>
  /** Opens a stream that may run on a relayed connection too. */
  openStream(connection: Connection, protocol: string, signal: AbortSignal): Promise<Stream>
}

interface IdleStream {
  readonly stream: DhtStream
  readonly since: number
}

/** Asks peers in the DHT. Streams are used again: opening one takes longer than the question. */
export class DhtClient {
  readonly #dialer: DhtDialer
  readonly #idle = new WeakMap<Connection, IdleStream[]>()

  constructor(dialer: DhtDialer) {
    this.#dialer = dialer
  }

  /**
   * Asks a peer, connecting to it where needed.
   * @throws when it cannot be reached, does not speak the DHT or does not answer until the signal aborts
   */
  async ask(peer: PeerId, message: DhtMessage, signal: AbortSignal): Promise<DhtMessage> {
    const connection = await this.#dialer.connect(peer, signal)
    const used = this.#takeIdle(connection)
    if (used) {
      try {
        return await this.#askOn(connection, used, message, signal)
      } catch (error) {
        // The peer may have closed it for having been idle; a new one tells.
        if (signal.aborted) throw error
      }
    }
    return this.#askOn(connection, await this.#open(connection, signal), message, signal)
  }

  /** Tells a peer that it provides the keys: one stream for all of them, as it sends no answers. */
  async tellProvided(
    peer: PeerId,
    keys: Iterable<Uint8Array>,
    self: DhtMessage['providerPeers'],
    signal: AbortSignal,
  ): Promise<void> {
    const connection = await this.#dialer.connect(peer, signal)
    const stream = await this.#open(connection, signal)
    try {
      for (const key of keys) {
        const more = stream.tell({ type: DHT_MESSAGE.ADD_PROVIDER, key, closerPeers: [], providerPeers: self })
        if (!more) await stream.drain(signal)
      }
      await stream.close(signal)
    } catch (error) {
      stream.abort(error as Error)
      throw error
    }
  }

  async #askOn(
    connection: Connection,
    stream: DhtStream,
    message: DhtMessage,
    signal: AbortSignal,
  ): Promise<DhtMessage> {
    const answer = await stream.ask(message, signal)
    this.#putIdle(connection, stream)
    return answer
  }

  async #open(connection: Connection, signal: AbortSignal): Promise<DhtStream> {
    return new DhtStream(await this.#dialer.openStream(connection, DHT_PROTOCOL, signal))
  }

  #takeIdle(connection: Connection): DhtStream | undefined {
    const idle = this.#idle.get(connection)
    for (let next = idle?.pop(); next; next = idle?.pop()) {
      if (next.stream.isOpen && Date.now() - next.since < IDLE_TIME) return next.stream
      next.stream.abort(new Error('idle'))
    }
    return undefined
  }

  #putIdle(connection: Connection, stream: DhtStream): void {
    const idle = this.#idle.get(connection) ?? []
    this.#idle.set(connection, idle)
    if (idle.length < IDLE_STREAMS) idle.push({ stream, since: Date.now() })
    else stream.close().catch((error: Error) => stream.abort(error))
  }
}
