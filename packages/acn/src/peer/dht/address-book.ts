import type { Libp2p, Peer, PeerId, PeerUpdate } from '@libp2p/interface'
import { isOldClient } from '../relay-v1/old-client.ts'
import type { DhtPeer } from './message.ts'

/** Addresses of a peer that are passed on. */
const MAX_ADDRESSES = 8

/**
 * The addresses of peers as they were last seen, in the form in which the DHT passes them on. libp2p's own store
 * decodes a record and parses every address for each look, twenty times for each answer.
 */
export class AddressBook {
  readonly #limit: number
  readonly #relayed: () => Uint8Array[]
  /** By peer id, in order of the last change. */
  readonly #peers = new Map<string, DhtPeer>()

  /**
   * @param limit peers that are remembered
   * @param relayed addresses that lead to the relay clients of this host
   */
  constructor(limit: number, relayed: () => Uint8Array[]) {
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

  #set({ id, addresses, protocols }: Peer): void {
    const key = id.toString()
    this.#peers.delete(key)
    // Relay clients of the older generation do not say behind which relay they are.
    const isBehindUs = addresses.length === 0 && isOldClient(protocols)
    const all = isBehindUs ? this.#relayed() : addresses.map(({ multiaddr }) => multiaddr.bytes)
    if (all.length === 0) return
    const bytes = all.slice(0, MAX_ADDRESSES)
    this.#peers.set(key, { id: id.toMultihash().bytes, addresses: bytes })
    for (const oldest of this.#peers.keys()) {
      if (this.#peers.size <= this.#limit) break
      this.#peers.delete(oldest)
    }
  }
}
