import type { Libp2p, Peer, PeerId, PeerUpdate } from '@libp2p/interface'
import type { DhtPeer } from './message.ts'

/** Addresses of a peer that are passed on. */
const MAX_ADDRESSES = 8

/**
 * The addresses of peers as they were last seen, in the form in which the DHT passes them on. libp2p's own store
 * decodes a record and parses every address for each look, twenty times for each answer.
 */
export class AddressBook {
  readonly #limit: number
  /** By peer id, in order of the last change. */
  readonly #peers = new Map<string, DhtPeer>()

  constructor(limit: number) {
    this.#limit = limit
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

  #set({ id, addresses }: Peer): void {
    const key = id.toString()
    this.#peers.delete(key)
    if (addresses.length === 0) return
    const bytes = addresses.slice(0, MAX_ADDRESSES).map(({ multiaddr }) => multiaddr.bytes)
    this.#peers.set(key, { id: id.toMultihash().bytes, addresses: bytes })
    for (const oldest of this.#peers.keys()) {
      if (this.#peers.size <= this.#limit) break
      this.#peers.delete(oldest)
    }
  }
}
