import type { Connection, Libp2p, PeerId, Stream } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { DhtPeer } from '../dht/message.ts'
import type { PeerIds } from '../dht/peer-ids.ts'
import { rankOf } from './connection-order.ts'

/** Outbound streams of one protocol on one connection; how many are used is decided by those who send. */
const MAX_OUTBOUND_STREAMS = 65_536

/** Milliseconds after which a relayed peer is tried directly again. */
const TRY_DIRECT_AGAIN = 60_000
const MAX_UNDIALABLE = 10_000

/** Finds where a peer is; the search ends with the signal. */
export type FindPeer = (peer: PeerId, signal: AbortSignal) => Promise<DhtPeer | undefined>

/** Connects to peers and opens streams to them. */
export class Dialer {
  readonly #node: Libp2p
  readonly #peerIds: PeerIds
  readonly #findPeer: FindPeer
  /** Until when peers are not dialled directly, by peer id. */
  readonly #undialable = new Map<string, number>()

  constructor(node: Libp2p, peerIds: PeerIds, findPeer: FindPeer) {
    this.#node = node
    this.#peerIds = peerIds
    this.#findPeer = findPeer
  }

  /** The best open connection to a peer: direct rather than relayed, without limits rather than with. */
  connectionTo(peer: PeerId): Connection | undefined {
    let best: Connection | undefined
    for (const connection of this.#node.getConnections(peer)) {
      if (connection.status === 'open' && (!best || rankOf(connection) > rankOf(best))) best = connection
    }
    return best
  }

  /**
   * Connects over the given addresses, or those that are known, unless connected already. To a relayed connection a
   * direct one is preferred, where the peer has an address for that: relays do not relay over relayed connections.
   * @throws when that fails
   */
  async connect(peer: PeerId, signal: AbortSignal, addresses: readonly Uint8Array[] = []): Promise<Connection> {
    const open = this.connectionTo(peer)
    if (open?.direct) return open
    const given = toMultiaddrs(addresses, peer)
    if (!open) return this.#node.dial(given.length > 0 ? given : peer, { signal })
    return (await this.#dialDirect(peer, given, signal)) ?? open
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
      async () => this.#dialAll(await this.#knownAddresses(peer), signal),
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
    throw failure ?? new Error('no address of the peer is known')
  }

  /** Opens a stream; relayed connections with limits are good enough. */
  openStream(connection: Connection, protocol: string, signal: AbortSignal): Promise<Stream> {
    return connection.newStream(protocol, {
      signal,
      runOnLimitedConnection: true,
      maxOutboundStreams: MAX_OUTBOUND_STREAMS,
    })
  }

  /** Undefined when the peer has no address of its own or did not answer there, now or a short time ago. */
  async #dialDirect(peer: PeerId, given: Multiaddr[], signal: AbortSignal): Promise<Connection | undefined> {
    const id = peer.toString()
    if ((this.#undialable.get(id) ?? 0) > Date.now()) return undefined
    const addresses = [...given, ...(await this.#knownAddresses(peer))].filter((address) => !isRelayed(address))
    try {
      if (addresses.length > 0) return await this.#node.dial(addresses, { signal })
    } catch {
      signal.throwIfAborted()
    }
    this.#undialable.delete(id)
    this.#undialable.set(id, Date.now() + TRY_DIRECT_AGAIN)
    const [oldest] = this.#undialable.keys()
    if (this.#undialable.size > MAX_UNDIALABLE && oldest !== undefined) this.#undialable.delete(oldest)
    return undefined
  }

  async #knownAddresses(peer: PeerId): Promise<Multiaddr[]> {
    try {
      const { addresses } = await this.#node.peerStore.get(peer)
      return addresses.map(({ multiaddr: address }) => multiaddr(`${address}/p2p/${peer}`))
    } catch {
      return []
    }
  }

  /** Relayed addresses are used after seeing to a connection to the relay that is not itself relayed. */
  async #dialAll(addresses: Multiaddr[], signal: AbortSignal): Promise<Connection | undefined> {
    if (addresses.length === 0) return undefined
    const relays = new Map(addresses.flatMap(relayOf))
    for (const [relay, address] of relays) {
      const id = this.#peerIds.parse(relay)
      try {
        await this.connect(id, signal, [address.bytes])
      } catch {
        signal.throwIfAborted()
      }
    }
    return this.#node.dial(addresses, { signal })
  }

  async #dialThrough(relay: PeerId, peer: PeerId, signal: AbortSignal): Promise<Connection | undefined> {
    const { remoteAddr } = await this.connect(relay, signal)
    const base = remoteAddr.toString().replace(/\/p2p\/[^/]+$/, '')
    return this.#dialAll([multiaddr(`${base}/p2p/${relay}/p2p-circuit/p2p/${peer}`)], signal)
  }

  async #dialFound(peer: PeerId, signal: AbortSignal): Promise<Connection | undefined> {
    const found = await this.#findPeer(peer, signal)
    return this.#dialAll(toMultiaddrs(found?.addresses ?? [], peer), signal)
  }
}

/** The relay of a relayed address with its own address; nothing for others. */
function relayOf(address: Multiaddr): [relay: string, address: Multiaddr][] {
  const [, base, relay] = /^(.*)\/p2p\/([^/]+)\/p2p-circuit(\/|$)/.exec(address.toString()) ?? []
  return base === undefined || relay === undefined || base.includes('/p2p-circuit') ? [] : [[relay, multiaddr(base)]]
}

function isRelayed(address: Multiaddr): boolean {
  return address.toString().includes('/p2p-circuit')
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
