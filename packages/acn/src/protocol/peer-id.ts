import { DecodeError, equalBytes, toHex } from '@parley/core/encoding'
import { base58 } from '@scure/base'

/** Length of a compressed secp256k1 public key. */
export const PEER_PUBLIC_KEY_LENGTH = 33

/** libp2p's key message around a compressed secp256k1 key: key type 2, then 33 bytes. */
const KEY_PREFIX = Uint8Array.of(0x08, 0x02, 0x12, PEER_PUBLIC_KEY_LENGTH)
/** Multihash "identity" of 37 bytes: the peer id holds the whole key. */
const IDENTITY_PREFIX = Uint8Array.of(0x00, KEY_PREFIX.length + PEER_PUBLIC_KEY_LENGTH)
const PREFIX = Uint8Array.of(...IDENTITY_PREFIX, ...KEY_PREFIX)

const HEX_KEY = /^0[23][0-9a-fA-F]{64}$/
/** A peer id has 53 characters; anything much longer is not worth the (quadratic) decoding. */
const MAX_TEXT = 64

/** libp2p's protobuf of a peer's public key (37 bytes): `spec/acn.md §6`. */
export function libp2pPublicKey(publicKey: Uint8Array): Uint8Array {
  return Uint8Array.of(...KEY_PREFIX, ...checkedKey(publicKey))
}

/** The 39 bytes of a peer id: the multihash that holds the key. */
export function peerIdBytes(publicKey: Uint8Array): Uint8Array {
  return Uint8Array.of(...PREFIX, ...checkedKey(publicKey))
}

/** The peer id of a compressed secp256k1 key (33 bytes): `16Uiu2HA…`, 53 characters. */
export function peerIdOf(publicKey: Uint8Array): string {
  return base58.encode(peerIdBytes(publicKey))
}

/**
 * The compressed public key (33 bytes) in a peer id.
 * @throws DecodeError when it is not the id of a secp256k1 key
 */
export function publicKeyOfPeerId(peerId: string): Uint8Array {
  let bytes: Uint8Array
  try {
    if (peerId.length > MAX_TEXT) throw new Error('too long')
    bytes = base58.decode(peerId)
  } catch {
    throw new DecodeError('peer id is not base58', 0)
  }
  const key = bytes.subarray(PREFIX.length)
  if (!equalBytes(bytes.subarray(0, PREFIX.length), PREFIX) || !isKey(key)) {
    throw new DecodeError('not the peer id of a secp256k1 key', 0)
  }
  return key
}

/**
 * The compressed key (33 bytes) of its hexadecimal text, the form in records (`peerPublicKey`).
 * @throws DecodeError; the point is not looked at
 */
export function peerPublicKeyFromHex(text: string): Uint8Array {
  if (!HEX_KEY.test(text)) throw new DecodeError('not a compressed secp256k1 key', 0)
  return new Uint8Array(Buffer.from(text, 'hex'))
}

/** Lower-case hexadecimal of a compressed key: the form in records, and what a proof of representation signs. */
export function peerPublicKeyToHex(publicKey: Uint8Array): string {
  return toHex(checkedKey(publicKey))
}

function isKey(bytes: Uint8Array): boolean {
  return bytes.length === PEER_PUBLIC_KEY_LENGTH && (bytes[0] === 2 || bytes[0] === 3)
}

function checkedKey(publicKey: Uint8Array): Uint8Array {
  if (!isKey(publicKey)) throw new TypeError('publicKey must be a compressed secp256k1 key of 33 bytes')
  return publicKey
}
