import type { CircuitRelayService, RelayReservation } from '@libp2p/circuit-relay-v2'
import type { Connection, Libp2p, PeerId, Stream } from '@libp2p/interface'
import { DHT_PROTOCOL } from '../dht/client.ts'
import type { PeerLimits } from '../limits.ts'
import { isFreeClient } from './free-client.ts'
import { namedPeer } from './message.ts'
import { callPeer } from './stop.ts'

/** Far enough away: such places end with the connection of the peer that has them. */
const NEVER = new Date(8.64e15)

/** What a wider relay needs of its host. */
export interface WiderRelayHost {
  readonly node: Libp2p
  readonly limits: Pick<PeerLimits, 'relayReservations' | 'relayedConnections'>
  /** The peer of an id's bytes. @throws DecodeError */
  peerOf(id: Uint8Array): PeerId
  /** Whether a peer is known to be behind another relay. Who finds a peer itself connects to it directly. */
  isBehindAnother(peer: PeerId): boolean
  /**
   * Connects to a peer on behalf of another.
   * @throws when it is not known, or not reached
   */
  find(peer: PeerId, asker: PeerId, signal: AbortSignal): Promise<Connection>
}

interface Call {
  readonly connection: Connection
  readonly request: { readonly peer?: { readonly id: Uint8Array } }
}

/** Parts of libp2p's relay service that have no place in its interface. */
interface RelayParts {
  /** Answers one who wants to be connected to `request.peer`. */
  handleConnect(call: Call, options: { readonly signal: AbortSignal }): Promise<void>
  /** Calls a peer on behalf of `request.peer`. */
  stopHop(call: Call, options: { readonly signal: AbortSignal }): Promise<Stream | undefined>
}

/**
 * Lets a relay of circuit relay v2 relay to more than those who reserved a place: to the connected clients that speak
 * v1, which knows no reservations; and, for its clients, to clients of other relays.
 */
export function widenRelay(relay: CircuitRelayService, host: WiderRelayHost): void {
  const { node, limits } = host
  const given = new WeakSet<RelayReservation>()
  const give = (peer: PeerId, { remoteAddr }: Connection) => {
    // Half of the places is left to those who ask for one.
    if (relay.reservations.has(peer) || relay.reservations.size >= limits.relayReservations / 2) return
    const signal = Object.assign(new AbortController().signal, { reset: () => {}, clear: () => {} })
    const reservation = { addr: remoteAddr, expiry: NEVER, signal }
    given.add(reservation)
    relay.reservations.set(peer, reservation)
  }
  node.addEventListener('peer:identify', ({ detail: { peerId, protocols, connection } }) => {
    // A peer that is about to join may not serve all its protocols yet, but the DHT it does.
    if (isFreeClient(protocols) && !protocols.includes(DHT_PROTOCOL)) give(peerId, connection)
  })

  const parts = relay as unknown as RelayParts
  const [handleConnect, stopHop] = [parts.handleConnect.bind(parts), parts.stopHop.bind(parts)]
  parts.handleConnect = async (call, options) => {
    try {
      const { remotePeer: asker, direct } = call.connection
      const wanted = call.request.peer && host.peerOf(call.request.peer.id)
      if (wanted && direct && !relay.reservations.has(wanted) && host.isBehindAnother(wanted)) {
        give(wanted, await host.find(wanted, asker, options.signal))
      }
    } catch {
      // libp2p says what is wrong with the request, or that the peer has no place.
    }
    return handleConnect(call, options)
  }
  parts.stopHop = async (call, options) => {
    const { connection, request } = call
    const reservation = relay.reservations.get(connection.remotePeer)
    if (!request.peer || !reservation || !given.has(reservation)) return stopHop(call, options)
    const source = { id: request.peer.id, addresses: [] }
    const destination = namedPeer(connection.remotePeer)
    // Undefined is how this service hears that the peer did not take the call.
    return callPeer(connection, source, destination, limits.relayedConnections, options.signal).catch(() => undefined)
  }
}
