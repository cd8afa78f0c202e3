import { type DhAlgorithm, type KemKeyPair, PrivateKey, type Sntrup761 } from '@parley/core/crypto'

/**
 * Where the key agreement and the ratchet take fresh keys from. All calls are synchronous. KEM key pairs take about
 * 20 ms to make, so the caller takes them from a pool before the call; `needsKemKeyPair` of an opened message tells
 * whether one will be used.
 */
export interface RatchetRandom {
  /** A new random private key. */
  dhKey<A extends DhAlgorithm>(algorithm: A): PrivateKey<A>
  /** A key pair that was never used before; called at most once by every function here. */
  kemKeyPair(): KemKeyPair
  /** The KEM itself; encapsulation takes its own randomness. */
  readonly kem: Pick<Sntrup761, 'encapsulate' | 'decapsulate'>
}

/**
 * Fresh keys from the system's generator and at most one KEM key pair made ahead.
 * Its `kemKeyPair` throws when there is none or it was given out: a fault of the caller.
 */
export function ratchetRandom(kem: RatchetRandom['kem'], kemKeyPair?: KemKeyPair): RatchetRandom {
  let pair = kemKeyPair
  return {
    kem,
    dhKey: (algorithm) => PrivateKey.generate(algorithm),
    kemKeyPair() {
      if (!pair) throw new Error('no KEM key pair was made ahead')
      const given = pair
      pair = undefined
      return given
    },
  }
}
