import type { Connection } from '@libp2p/interface'
import { toHex } from '@parley/core/encoding'

/** Who is at the other end of a stream. */
export interface RemotePeer {
  /** `16Uiu2HA…` */
  readonly peerId: string
  /** Lower-case hexadecimal of its public key, proven by the connection: 33 bytes for peers of this network. */
  readonly publicKey: string
  /** Where the connection comes from or leads to, for logs. */
  readonly address: string
  /** True when another peer relays the connection. */
  readonly isRelayed: boolean
}

const KNOWN = new WeakMap<Connection, RemotePeer>()

/** The peer at the other end of a connection. */
export function remotePeerOf(connection: Connection): RemotePeer {
  const known = KNOWN.get(connection)
  if (known) return known
  const { remotePeer, remoteAddr } = connection
  const peer: RemotePeer = {
    peerId: remotePeer.toString(),
    publicKey: remotePeer.publicKey ? toHex(remotePeer.publicKey.raw) : '',
    address: remoteAddr.toString(),
    isRelayed: !connection.direct,
  }
  KNOWN.set(connection, peer)
  return peer
}
