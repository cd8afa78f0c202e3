import type { CircuitRelayService, RelayReservation } from '@libp2p/circuit-relay-v2'
import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { DHT_PROTOCOL } from '../dht/client.ts'
import type { PeerLimits } from '../limits.ts'
import { CIRCUIT_PROTOCOL } from './message.ts'
import { callPeer } from './stop.ts'
import { STOP_V2_PROTOCOL } from './stop-v2.ts'

/** True for relay clients of the older generation, by the protocols that they speak: they take calls in v1 only. */
export function isOldClient(protocols: readonly string[]): boolean {
  return (
    protocols.includes(CIRCUIT_PROTOCOL) && !protocols.includes(STOP_V2_PROTOCOL) && !protocols.includes(DHT_PROTOCOL)
  )
}

/** The part of libp2p's relay service that passes a call on; it has no place in its interface. */
interface CallingRelay {
  stopHop(
    call: { readonly connection: Connection; readonly request: { readonly peer?: { readonly id: Uint8Array } } },
    options: { readonly signal: AbortSignal },
  ): Promise<Stream | undefined>
}

/**
 * Lets a relay of circuit relay v2 relay to the clients of the older generation that are connected to it. Those cannot
 * reserve a place, so they are given one when they say which protocols they speak, and are called in v1.
 */
export function relayToOldClients(
  node: Libp2p,
  relay: CircuitRelayService,
  limits: Pick<PeerLimits, 'relayReservations' | 'relayedConnections'>,
): void {
  const oldClients = new WeakSet<RelayReservation>()
  node.addEventListener('peer:identify', ({ detail: { peerId, protocols, connection } }) => {
    if (!isOldClient(protocols) || relay.reservations.size >= limits.relayReservations) return
    // It ends with the connection: there is no client that would renew it.
    const signal = Object.assign(new AbortController().signal, { reset: () => {}, clear: () => {} })
    const reservation = { addr: connection.remoteAddr, expiry: new Date(8.64e15), signal }
    oldClients.add(reservation)
    relay.reservations.set(peerId, reservation)
  })
  const calling = relay as unknown as CallingRelay
  const stopHop = calling.stopHop.bind(calling)
  calling.stopHop = async (call, options) => {
    const { connection, request } = call
    const reservation = relay.reservations.get(connection.remotePeer)
    if (!request.peer || !reservation || !oldClients.has(reservation)) return stopHop(call, options)
    const source = { id: request.peer.id, addresses: [] }
    const destination = { id: connection.remotePeer.toMultihash().bytes, addresses: [] }
    // Undefined is how this service hears that the client did not take the call.
    return callPeer(connection, source, destination, limits.relayedConnections, options.signal).catch(() => undefined)
  }
}
