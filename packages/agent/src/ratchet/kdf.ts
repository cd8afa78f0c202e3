import { CryptoError, type DhAlgorithm, dh, hkdfSha512, type PrivateKey, type PublicKey } from '@parley/core/crypto'
import { concatBytes } from '@parley/core/encoding'
import { RatchetError } from './ratchet-error.ts'

const KEY_LENGTH = 32
const IV_LENGTH = 16
const X3DH_SALT = new Uint8Array(64)
const EMPTY = new Uint8Array()

type ThreeKeys = [first: Uint8Array, second: Uint8Array, third: Uint8Array]

/** Three keys of 32 bytes cut from one expansion. Copies, so that a kept key does not hold its neighbours. */
function hkdf3(salt: Uint8Array, ikm: Uint8Array, info: string): ThreeKeys {
  const output = hkdfSha512(salt, ikm, info, 3 * KEY_LENGTH)
  return [output.slice(0, KEY_LENGTH), output.slice(KEY_LENGTH, 2 * KEY_LENGTH), output.slice(2 * KEY_LENGTH)]
}

/** Header key, next header key and initial root key of a key agreement: `spec/pqdr.md §2`, X3DH. */
export function x3dhKdf(secrets: Uint8Array): {
  headerKey: Uint8Array
  nextHeaderKey: Uint8Array
  rootKey: Uint8Array
} {
  const [headerKey, nextHeaderKey, rootKey] = hkdf3(X3DH_SALT, secrets, 'SimpleXX3DH')
  return { headerKey, nextHeaderKey, rootKey }
}

/** The next root key, a new chain key and the next header key: `spec/pqdr.md §2`, rootKdf. */
export function rootKdf(
  rootKey: Uint8Array,
  dhSecret: Uint8Array,
  kemSecret: Uint8Array | undefined,
): { rootKey: Uint8Array; chainKey: Uint8Array; nextHeaderKey: Uint8Array } {
  const ikm = kemSecret ? concatBytes(dhSecret, kemSecret) : dhSecret
  const [nextRootKey, chainKey, nextHeaderKey] = hkdf3(rootKey, ikm, 'SimpleXRootRatchet')
  return { rootKey: nextRootKey, chainKey, nextHeaderKey }
}

/** What one message of a chain uses, and the chain's next key: `spec/pqdr.md §2`, chainKdf. */
export function chainKdf(chainKey: Uint8Array): {
  chainKey: Uint8Array
  messageKey: Uint8Array
  bodyIv: Uint8Array
  headerIv: Uint8Array
} {
  const [nextChainKey, messageKey, ivs] = hkdf3(EMPTY, chainKey, 'SimpleXChainRatchet')
  return { chainKey: nextChainKey, messageKey, bodyIv: ivs.slice(0, IV_LENGTH), headerIv: ivs.slice(IV_LENGTH) }
}

/**
 * Diffie-Hellman with a key that came from the peer.
 * @throws RatchetError SYNTAX when the peer's key is of another algorithm or yields no secret (low order)
 */
export function peerDh(own: PrivateKey<DhAlgorithm>, peer: PublicKey<DhAlgorithm>): Uint8Array {
  if (own.algorithm !== peer.algorithm) throw new RatchetError({ code: 'SYNTAX' })
  try {
    return dh(own, peer)
  } catch (cause) {
    if (cause instanceof CryptoError) throw new RatchetError({ code: 'SYNTAX' }, { cause })
    throw cause
  }
}
