import type { Connection, PeerId, Stream } from '@libp2p/interface'
import type { PeerIds } from '../dht/peer-ids.ts'
import type { Dialer } from '../host/dialer.ts'
import type { Libp2pNode } from '../host/libp2p-node.ts'
import type { PeerLimits } from '../limits.ts'
import type { LingerQueue } from '../streams/linger.ts'
import type { PeerTimeouts } from '../timeouts.ts'
import { CircuitService } from './circuit-service.ts'
import { FoundRelays } from './found-relays.ts'
import { isPeer } from './free-client.ts'
import { widenRelay } from './wider-relay.ts'

/** What circuits are made with. */
export interface CircuitComponents {
  readonly libp2p: Libp2pNode
  readonly dialer: Dialer
  readonly peerIds: PeerIds
  readonly linger: LingerQueue
  readonly limits: PeerLimits
  readonly timeouts: PeerTimeouts
  /** Protocols that a peer is known to speak. */
  readonly protocolsOf: (peer: PeerId) => Promise<readonly string[]>
  /** Aborts when the host stops. */
  readonly signal: AbortSignal
}

/** The circuits of one host: those of relay v1, and in v2 those that libp2p's relay would not make. */
export class HostCircuits {
  readonly #components: CircuitComponents
  readonly #found = new FoundRelays()
  readonly #service: CircuitService

  constructor(components: CircuitComponents) {
    this.#components = components
    const { libp2p, dialer, peerIds, linger, limits, timeouts, signal } = components
    const { node, parts, relay } = libp2p
    const peerOf = (id: Uint8Array) => peerIds.of(id)
    const find = (peer: PeerId, asker: PeerId, until: AbortSignal) => this.#find(peer, asker, until)
    this.#service = new CircuitService(
      {
        peerId: node.peerId,
        isRelay: relay !== undefined,
        peerOf,
        connectionTo: (peer) => dialer.connectionTo(peer),
        find,
        free: (stream) => linger.add(stream),
        accept: (connection, until) => parts.upgrader.upgradeInbound(connection, { signal: until }),
      },
      limits,
      timeouts,
      signal,
    )
    if (relay) widenRelay(relay, { node, limits, peerOf, isBehindAnother: (peer) => this.#isBehindAnother(peer), find })
  }

  /** Hears what a look-up has said: the peer of an agent, and the one that gave its record. */
  heard(found: { readonly peerId: string; readonly provider: string }): void {
    this.#found.add(found)
  }

  /** Serves a stream of v1. Never throws. */
  serve(stream: Stream, connection: Connection): Promise<void> {
    return this.#service.serve(stream, connection)
  }

  #isBehindAnother(peer: PeerId): boolean {
    const relay = this.#found.of(peer.toString())
    return relay !== undefined && relay !== peer.toString()
  }

  /** Only peers that a look-up has named are dialled on behalf of others, and only for relay clients. */
  async #find(peer: PeerId, asker: PeerId, signal: AbortSignal): Promise<Connection> {
    const { dialer, peerIds, protocolsOf } = this.#components
    // Were they dialled for peers too, two peers could send each other in circles.
    if (isPeer(await protocolsOf(asker))) throw new Error('asked for by a peer')
    const relay = this.#found.of(peer.toString())
    if (relay === undefined) throw new Error('no look-up named the peer')
    return dialer.reach(peer, signal, peerIds.parse(relay))
  }
}
