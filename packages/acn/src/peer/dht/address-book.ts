import type { Libp2p, Peer, PeerId, PeerUpdate } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { isFreeClient } from '../relay-v1/free-client.ts'
import type { DhtPeer } from './message.ts'

/** Addresses of a peer that are passed on. */
const MAX_ADDRESSES = 8

/**
 * The addresses of peers as they were last seen, in the form in which the DHT passes them on. libp2p's own store
 * decodes a record and parses every address for each look, twenty times for each answer.
 */
export class AddressBook {
  readonly #limit: number
  readonly #relayed: () => Multiaddr[]
  /** By peer id, in order of the last change. */
  readonly #peers = new Map<string, DhtPeer>()

  /**
   * @param limit peers that are remembered
   * @param relayed addresses that lead to the relay clients of this host
   */
  constructor(limit: number, relayed: () => Multiaddr[]) {
    this.#limit = limit
    this.#relayed = relayed
  }

  /** Follows a host's peer store. Returns what ends that. */
  follow(node: Libp2p): () => void {
    const onUpdate = ({ detail }: CustomEvent<PeerUpdate>) => this.#set(detail.peer)
    node.addEventListener('peer:update', onUpdate)
    return () => node.removeEventListener('peer:update', onUpdate)
  }

  /** A peer with its addresses; undefined when none is known. */
  get(peer: PeerId): DhtPeer | undefined {
    return this.#peers.get(peer.toString())
  }

  #set(peer: Peer): void {
    const { id } = peer
    const key = id.toString()
    this.#peers.delete(key)
    const all = this.#addressesOf(peer)
    if (all.length === 0) return
    const bytes = all.slice(0, MAX_ADDRESSES).map((address) => address.bytes)
    this.#peers.set(key, { id: id.toMultihash().bytes, addresses: bytes })
    for (const oldest of this.#peers.keys()) {
      if (this.#peers.size <= this.#limit) break
      this.#peers.delete(oldest)
    }
  }

  /**
   * Clients that take calls through whomever they are connected to are reached over this host too: the older ones do not
   * say behind which relay they are, and others may be behind an older relay, which newer peers cannot use.
   */
  #addressesOf({ addresses, protocols }: Peer): Multiaddr[] {
    const own = addresses.map(({ multiaddr }) => multiaddr)
    if (!isFreeClient(protocols) || own.some((address) => !address.toString().includes('/p2p-circuit'))) return own
    return [...own, ...this.#relayed().filter((relayed) => !own.some((address) => address.equals(relayed)))]
  }
}
