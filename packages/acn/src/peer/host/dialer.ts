import type { Connection, Libp2p, PeerId, Stream } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { DhtPeer } from '../dht/message.ts'

/** Outbound streams of one protocol on one connection; how many are used is decided by those who send. */
const MAX_OUTBOUND_STREAMS = 65_536

/** Finds where a peer is; the search ends with the signal. */
export type FindPeer = (peer: PeerId, signal: AbortSignal) => Promise<DhtPeer | undefined>

/** Connects to peers and opens streams to them. */
export class Dialer {
  readonly #node: Libp2p
  readonly #findPeer: FindPeer

  constructor(node: Libp2p, findPeer: FindPeer) {
    this.#node = node
    this.#findPeer = findPeer
  }

  /** The best open connection to a peer: direct rather than relayed, without limits rather than with. */
  connectionTo(peer: PeerId): Connection | undefined {
    let best: Connection | undefined
    for (const connection of this.#node.getConnections(peer)) {
      if (connection.status === 'open' && (!best || rank(connection) > rank(best))) best = connection
    }
    return best
  }

  /**
   * Connects over the given addresses, or those that are known, unless connected already.
   * @throws when that fails
   */
  async connect(peer: PeerId, signal: AbortSignal, addresses: readonly Uint8Array[] = []): Promise<Connection> {
    const open = this.connectionTo(peer)
    if (open) return open
    const given = toMultiaddrs(addresses, peer)
    return this.#node.dial(given.length > 0 ? given : peer, { signal })
  }

  /**
   * Reaches a peer that may be behind a relay: first through the peer that provides its agent, then over what is known
   * of it, then over what the DHT says. What is known may be an entry without addresses, which an earlier failure left.
   * @param via peer id of the provider
   * @throws when all of that fails
   */
  async reach(peer: PeerId, signal: AbortSignal, via?: PeerId): Promise<Connection> {
    const open = this.connectionTo(peer)
    if (open) return open
    const attempts = [
      () => via && !via.equals(peer) && this.#dialThrough(via, peer, signal),
      () => this.#node.dial(peer, { signal }),
      () => this.#dialFound(peer, signal),
    ]
    let failure: unknown
    for (const attempt of attempts) {
      try {
        const connection = await attempt()
        if (connection) return connection
      } catch (error) {
        signal.throwIfAborted()
        failure = error
      }
    }
    throw failure
  }

  /** Opens a stream; relayed connections with limits are good enough. */
  openStream(connection: Connection, protocol: string, signal: AbortSignal): Promise<Stream> {
    return connection.newStream(protocol, {
      signal,
      runOnLimitedConnection: true,
      maxOutboundStreams: MAX_OUTBOUND_STREAMS,
    })
  }

  async #dialThrough(relay: PeerId, peer: PeerId, signal: AbortSignal): Promise<Connection> {
    const { remoteAddr } = await this.connect(relay, signal)
    const base = remoteAddr.toString().replace(/\/p2p\/[^/]+$/, '')
    return this.#node.dial(multiaddr(`${base}/p2p/${relay}/p2p-circuit/p2p/${peer}`), { signal })
  }

  async #dialFound(peer: PeerId, signal: AbortSignal): Promise<Connection | undefined> {
    const found = await this.#findPeer(peer, signal)
    const addresses = toMultiaddrs(found?.addresses ?? [], peer)
    return addresses.length === 0 ? undefined : this.#node.dial(addresses, { signal })
  }
}

function rank(connection: Connection): number {
  return (connection.limits ? 0 : 2) + (connection.direct ? 1 : 0)
}

/** The addresses that can be read, each with the peer that must answer there. */
export function toMultiaddrs(addresses: readonly Uint8Array[], peer: PeerId): Multiaddr[] {
  return addresses.flatMap((bytes) => {
    try {
      const text = multiaddr(bytes).toString()
      return [multiaddr(text.endsWith(`/p2p/${peer}`) ? text : `${text}/p2p/${peer}`)]
    } catch {
      return []
    }
  })
}
