import { type PrivateKey, PublicKey, sign, verify } from '@parley/core/crypto'
import { concatBytes } from '@parley/core/encoding'

/** Who opened the connection: 0 the opener, 1 the acceptor. */
export type ChannelRole = 0 | 1
export const OPENER = 0
export const ACCEPTOR = 1

/** What a side proves: that it is this address, on this connection, towards this peer. */
export interface ProofStatement {
  /** SHA-256 of the ratchet's associated data, 32 bytes: the same on both sides when nobody is in between. */
  readonly ratchetAdHash: Uint8Array
  /** Of the side that proves. */
  readonly role: ChannelRole
  /** Address of the side that proves. */
  readonly own: string
  /** Address of the other side. */
  readonly peer: string
}

const DOMAIN = Buffer.from('parley-channel-proof:1', 'ascii')

/** Signs the statement with the channel key: 64 bytes. */
export function signProof(channelKey: PrivateKey<'ed25519'>, statement: ProofStatement): Uint8Array {
  return sign(channelKey, signedBytes(statement))
}

/**
 * Whether the channel key signed the statement.
 * @param channelKey 32 raw bytes
 */
export function verifyProof(channelKey: Uint8Array, statement: ProofStatement, signature: Uint8Array): boolean {
  return verify(new PublicKey('ed25519', channelKey), signedBytes(statement), signature)
}

/** `parley-channel-proof:1` hash (32) role (1), then each address with its length before it (2 bytes, big-endian). */
function signedBytes({ ratchetAdHash, role, own, peer }: ProofStatement): Uint8Array {
  return concatBytes(DOMAIN, ratchetAdHash, Uint8Array.of(role), prefixed(own), prefixed(peer))
}

function prefixed(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'utf8')
  return concatBytes(Uint8Array.of(bytes.length >> 8, bytes.length & 0xff), bytes)
}
