import type { Connection, PeerId } from '@libp2p/interface'
import type { ConnectionManager } from '@libp2p/interface-internal'

/** How good a connection is: direct ones, then relayed ones without limits. */
export function rankOf(connection: Connection): number {
  return (connection.direct ? 2 : 0) + (connection.limits ? 0 : 1)
}

/**
 * Lets a connection manager name the best connection to a peer first. libp2p's relay takes the first it is given, and
 * fails when that is a relayed one, though there is a direct one besides.
 */
export function orderConnections(manager: ConnectionManager): void {
  const getConnections = manager.getConnections.bind(manager)
  manager.getConnections = (peer?: PeerId) => {
    const connections = getConnections(peer)
    return peer && connections.length > 1 ? connections.toSorted((a, b) => rankOf(b) - rankOf(a)) : connections
  }
}
