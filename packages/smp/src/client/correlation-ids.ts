import { randomFillSync } from 'node:crypto'
import { NONCE_LENGTH } from '@parley/core/crypto'

/** One call to the random generator makes this many ids: it costs as much as one id would. */
const POOLED = 128

let pool = Buffer.alloc(0)
let used = 0

/** A new correlation id, 24 random bytes; it is the nonce of X25519 authenticators too: `spec/smp.md §2.4`. */
export function newCorrelationId(): Uint8Array {
  if (used === pool.length) {
    pool = randomFillSync(Buffer.allocUnsafeSlow(POOLED * NONCE_LENGTH))
    used = 0
  }
  const id = pool.subarray(used, used + NONCE_LENGTH)
  used += NONCE_LENGTH
  return id
}
