import { randomFillSync } from 'node:crypto'

/** Bytes of the ids that routers make: queues, links and messages, `spec/smp.md §5.1`. */
export const ID_LENGTH = 24

/** Ids drawn from the system at a time: drawing each by itself takes 6 µs. */
const POOL_IDS = 256

const pool = Buffer.allocUnsafeSlow(ID_LENGTH * POOL_IDS)
let next = pool.length

/** 24 random bytes. */
export function randomId(): Uint8Array {
  if (next === pool.length) {
    randomFillSync(pool)
    next = 0
  }
  const id = Uint8Array.from(pool.subarray(next, next + ID_LENGTH))
  next += ID_LENGTH
  return id
}
