import type { Connection } from '@libp2p/interface'
import { toHex } from '@parley/core/encoding'

/** Who is at the other end of a stream. */
export interface RemotePeer {
  /** `16Uiu2HA…` */
  readonly peerId: string
  /** Lower-case hexadecimal of its secp256k1 key (33 bytes), proven by the connection; empty for keys of other kinds. */
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
    publicKey: remotePeer.type === 'secp256k1' ? toHex(remotePeer.publicKey.raw) : '',
    address: remoteAddr.toString(),
    isRelayed: !connection.direct,
  }
  KNOWN.set(connection, peer)
  return peer
}
