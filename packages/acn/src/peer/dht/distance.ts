import { sha256 } from '@parley/core/crypto'

/** Where a key or a peer id (its multihash) lies in the DHT: 32 bytes. */
export function pointOf(bytes: Uint8Array): Uint8Array {
  return sha256(bytes)
}

/** Negative when `a` is closer to `target` than `b` is; all are points. */
export function compareDistance(target: Uint8Array, a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < target.length; i++) {
    const t = target[i] ?? 0
    const difference = ((a[i] ?? 0) ^ t) - ((b[i] ?? 0) ^ t)
    if (difference !== 0) return difference
  }
  return 0
}
