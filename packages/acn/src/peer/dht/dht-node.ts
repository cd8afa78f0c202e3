import type { Libp2p, PeerId } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { Dialer } from '../host/dialer.ts'
import type { Libp2pNode } from '../host/libp2p-node.ts'
import type { PeerLimits } from '../limits.ts'
import type { PeerTimeouts } from '../timeouts.ts'
import { AddressBook } from './address-book.ts'
import { Announcer } from './announcer.ts'
import { DHT_PROTOCOL, DhtClient } from './client.ts'
import type { Provider } from './lookup.ts'
import { DHT_MESSAGE, type DhtMessage, type DhtPeer } from './message.ts'
import type { PeerIds } from './peer-ids.ts'
import { ProviderStore } from './provider-store.ts'
import { RoutingTable } from './routing-table.ts'
import { findClosest, type SearchNetwork, search } from './search.ts'
import { DhtServer } from './server.ts'

/** Inbound streams of one connection; Go peers keep one open and use it again. */
const MAX_STREAMS = 256
/** For one peer to answer one question, connecting to it included. */
const ASK_TIME = 5_000

/** This host in the DHT: what it announces, what it finds, what it answers. */
export class DhtNode {
  readonly routingTable: RoutingTable
  readonly announcer: Announcer
  readonly #node: Libp2p
  readonly #dialer: Dialer
  readonly #client: DhtClient
  readonly #peerIds: PeerIds
  readonly #addressBook: AddressBook
  readonly #providers: ProviderStore
  readonly #network: SearchNetwork
  #unfollow: () => void = () => {}
  #topology: string | undefined
  #isServing = false

  constructor({ node, dht }: Libp2pNode, dialer: Dialer, peerIds: PeerIds, limits: PeerLimits, timeouts: PeerTimeouts) {
    this.#node = node
    this.#peerIds = peerIds
    this.#dialer = dialer
    this.#client = new DhtClient(dialer)
    this.routingTable = new RoutingTable(dht)
    this.#addressBook = new AddressBook(limits.rememberedPeers, () => this.#relayedAddresses())
    this.#providers = new ProviderStore({
      limit: limits.providerRecords,
      limitPerProvider: limits.providerRecordsPerPeer,
    })
    this.#network = {
      self: node.peerId.toMultihash().bytes,
      closest: (point, count) => this.routingTable.closest(point, count),
      ask: (peer, message, signal) => this.#ask(peer, message, signal),
    }
    this.announcer = new Announcer(
      {
        closestKnown: (point, count) => this.routingTable.closest(point, count).map((peer) => this.#entryOf(peer)),
        findClosest: (key, signal) => findClosest(this.#network, key, signal),
        tell: ({ id }, keys, signal) =>
          this.#client.tellProvided(this.#peerIds.of(id), keys, [this.#ownEntry()], signal),
      },
      timeouts,
    )
  }

  /**
   * Begins to take part.
   * @param serve false for a relay client, which asks only
   */
  async start(serve: boolean): Promise<void> {
    this.#unfollow = this.#addressBook.follow(this.#node)
    this.#topology = await this.#node.register(DHT_PROTOCOL, {
      onConnect: (peer) => {
        this.announcer.peerCame(this.#entryOf(peer)).catch(() => {})
      },
    })
    this.#isServing = serve
    if (!serve) return
    const server = new DhtServer({
      peerId: this.#node.peerId,
      ownEntry: () => this.#ownEntry(),
      provides: (key) => this.announcer.provides(key),
      routingTable: this.routingTable,
      addressBook: this.#addressBook,
      providers: this.#providers,
      peerIds: this.#peerIds,
    })
    await this.#node.handle(DHT_PROTOCOL, server.serve, { maxInboundStreams: MAX_STREAMS })
  }

  stop(): void {
    this.announcer.stop()
    this.#unfollow()
    if (this.#topology !== undefined) this.#node.unregister(this.#topology)
  }

  /** Those who provide a key: first those that told this peer, then those that others name, each once. */
  async *findProviders(key: Uint8Array, signal: AbortSignal): AsyncGenerator<Provider> {
    const seen = new Set<string>()
    for (const provider of this.#fresh(this.#providers.get(key), seen)) yield provider
    for await (const { answer } of search(this.#network, DHT_MESSAGE.GET_PROVIDERS, key, signal)) {
      yield* this.#fresh(answer.providerPeers, seen)
    }
  }

  /** Where a peer is, as others in the DHT say. */
  async findPeer(peer: PeerId, signal: AbortSignal): Promise<DhtPeer | undefined> {
    const key = peer.toMultihash().bytes
    const wanted = Buffer.from(key)
    for await (const { answer } of search(this.#network, DHT_MESSAGE.FIND_NODE, key, signal)) {
      const found = answer.closerPeers.find(({ id, addresses }) => wanted.equals(id) && addresses.length > 0)
      if (found) return found
    }
    return undefined
  }

  /** Gets to know the peers around this one, as after joining. */
  async lookAround(signal: AbortSignal): Promise<void> {
    await findClosest(this.#network, this.#network.self, signal)
  }

  *#fresh(providers: readonly DhtPeer[], seen: Set<string>): Generator<Provider> {
    for (const { id, addresses } of providers) {
      const peerId = this.#peerIds.of(id).toString()
      if (seen.has(peerId)) continue
      seen.add(peerId)
      yield { peerId, addresses }
    }
  }

  async #ask({ id, addresses }: DhtPeer, message: DhtMessage, signal: AbortSignal): Promise<DhtMessage> {
    const peer = this.#peerIds.of(id)
    const deadline = new AbortController()
    const timer = setTimeout(() => deadline.abort(new Error('no answer of the DHT in time')), ASK_TIME)
    const both = AbortSignal.any([signal, deadline.signal])
    try {
      await this.#dialer.connect(peer, both, addresses)
      return await this.#client.ask(peer, message, both)
    } catch (error) {
      if (!signal.aborted) await this.routingTable.remove(peer)
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  #entryOf(peer: PeerId): DhtPeer {
    return this.#addressBook.get(peer) ?? { id: peer.toMultihash().bytes, addresses: [] }
  }

  /** Where clients of this host are reached. */
  #relayedAddresses(): Multiaddr[] {
    if (!this.#isServing) return []
    return this.#node.getMultiaddrs().map((address) => address.encapsulate('/p2p-circuit'))
  }

  /** Named without `/p2p/`, as others expect it. */
  #ownEntry(): DhtPeer {
    const addresses = this.#node
      .getMultiaddrs()
      .map((address) => multiaddr(address.toString().replace(/\/p2p\/[^/]+$/, '')).bytes)
    return { id: this.#network.self, addresses }
  }
}
