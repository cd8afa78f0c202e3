import type { Connection, PeerId, Stream } from '@libp2p/interface'
import { DecodeError, equalBytes } from '@parley/core/encoding'
import type { AddressBook } from './address-book.ts'
import { pointOf } from './distance.ts'
import { DHT_MESSAGE, type DhtMessage, type DhtPeer, decodeDhtMessage, encodeDhtMessage } from './message.ts'
import type { PeerIds } from './peer-ids.ts'
import type { ProviderStore } from './provider-store.ts'
import type { RoutingTable } from './routing-table.ts'
import { CLOSEST_PEERS } from './search.ts'
import { encodeVarintFrame, VarintFrameDecoder } from './varint-frames.ts'

/** Providers in one answer. */
const MAX_PROVIDERS = 20
/** A stream on which nothing is said is closed after this many milliseconds. */
const IDLE_TIME = 60_000
/** Keys are multihashes. */
const MAX_KEY_LENGTH = 128

/** What the server knows of its host. */
export interface DhtServerHost {
  readonly peerId: PeerId
  /** This peer itself. */
  ownEntry(): DhtPeer
  /** True for keys that this peer provides. */
  provides(key: Uint8Array): boolean
  readonly routingTable: RoutingTable
  readonly addressBook: AddressBook
  readonly providers: ProviderStore
  readonly peerIds: PeerIds
}

/**
 * Answers other peers in the DHT. kad-dht's own answering is not used: it keeps providers without bound, takes them
 * for gone with the addresses of the peer store after an hour, and reads all peers anew from that store for each answer.
 */
export class DhtServer {
  readonly #host: DhtServerHost
  readonly #self: Uint8Array

  constructor(host: DhtServerHost) {
    this.#host = host
    this.#self = host.peerId.toMultihash().bytes
  }

  /** Serves one stream until it ends. */
  readonly serve = (stream: Stream, { remotePeer }: Connection): void => {
    const decoder = new VarintFrameDecoder()
    const timer = setTimeout(() => stream.abort(new Error('DHT stream idle')), IDLE_TIME)
    timer.unref()
    stream.addEventListener('message', ({ data }) => {
      timer.refresh()
      try {
        decoder.push(data.subarray())
        for (let body = decoder.next(); body; body = decoder.next()) this.#answer(stream, remotePeer, body)
      } catch (error) {
        stream.abort(error as Error)
      }
    })
    stream.addEventListener('remoteCloseWrite', () => {
      stream.close().catch((error: Error) => stream.abort(error))
    })
    stream.addEventListener('close', () => clearTimeout(timer))
  }

  #answer(stream: Stream, from: PeerId, body: Uint8Array): void {
    const answer = this.handle(from, decodeDhtMessage(body))
    if (answer) stream.send(encodeVarintFrame(encodeDhtMessage(answer)))
  }

  /**
   * The answer to a message; undefined when there is none.
   * @throws DecodeError when the message makes no sense or is of a kind that is not served
   */
  handle(from: PeerId, message: DhtMessage): DhtMessage | undefined {
    const { type, key } = message
    if (type === DHT_MESSAGE.PING) return { ...message, closerPeers: [], providerPeers: [] }
    if (key.length === 0 || key.length > MAX_KEY_LENGTH) throw new DecodeError('key of a DHT message', 0)
    switch (type) {
      case DHT_MESSAGE.FIND_NODE:
        return { type, key, closerPeers: this.#findNode(from, key), providerPeers: [] }
      case DHT_MESSAGE.GET_PROVIDERS:
        return { type, key, closerPeers: this.#closer(from, key), providerPeers: this.#providers(key) }
      case DHT_MESSAGE.GET_VALUE:
        // No values are kept here; those who look for one are shown the way on.
        return { type, key, closerPeers: this.#closer(from, key), providerPeers: [] }
      case DHT_MESSAGE.ADD_PROVIDER:
        this.#addProvider(from, message)
        return undefined
      default:
        throw new DecodeError('kind of a DHT message', 0)
    }
  }

  /** A Go peer takes another into its table only when that one, asked for its own id, names a peer: itself. */
  #findNode(from: PeerId, key: Uint8Array): DhtPeer[] {
    const closer = this.#closer(from, key)
    if (equalBytes(key, this.#self)) return [this.#host.ownEntry(), ...closer]
    const wanted = this.#known(key)
    if (!wanted || closer.some(({ id }) => equalBytes(id, key))) return closer
    return [wanted, ...closer]
  }

  /** The peer itself, which need not be in the table: a relay client never is. */
  #known(id: Uint8Array): DhtPeer | undefined {
    try {
      return this.#host.addressBook.get(this.#host.peerIds.of(id))
    } catch (error) {
      if (error instanceof DecodeError) return undefined
      throw error
    }
  }

  #closer(from: PeerId, key: Uint8Array): DhtPeer[] {
    return this.#host.routingTable
      .closest(pointOf(key), CLOSEST_PEERS)
      .filter((peer) => !peer.equals(from) && !peer.equals(this.#host.peerId))
      .flatMap((peer) => this.#host.addressBook.get(peer) ?? [])
  }

  #providers(key: Uint8Array): DhtPeer[] {
    const own = this.#host.provides(key) ? [this.#host.ownEntry()] : []
    return [...own, ...this.#host.providers.get(key)].slice(0, MAX_PROVIDERS)
  }

  /** Peers speak for themselves only. */
  #addProvider(from: PeerId, { key, providerPeers }: DhtMessage): void {
    const id = from.toMultihash().bytes
    const provider = providerPeers.find((peer) => equalBytes(peer.id, id))
    if (!provider || provider.addresses.length === 0) return
    // Copied: what was read is a view of a larger block.
    const addresses = provider.addresses.map((address) => Uint8Array.from(address))
    this.#host.providers.add(Uint8Array.from(key), { id, addresses })
  }
}
