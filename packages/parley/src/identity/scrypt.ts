import { type BinaryLike, type ScryptOptions, scrypt } from 'node:crypto'
import { promisify } from 'node:util'
import { LedgerIdentityError } from './identity-error.ts'

const derive = promisify<BinaryLike, BinaryLike, number, ScryptOptions, Buffer>(scrypt)

/** Costs of scrypt, as RFC 7914 names them. */
export interface ScryptCost {
  readonly N: number
  readonly r: number
  readonly p: number
}

/** Largest memory (128·N·r bytes) and most rounds over it that a file may ask for: it may come from anybody. */
const MAX_MEMORY = 512 * 1024 * 1024
const MAX_PARALLEL = 16

/**
 * A key derived from a passphrase with scrypt, off the event loop.
 * @param length of the key, bytes
 * @throws LedgerIdentityError FORMAT for costs that make no sense or are beyond 512 MiB
 */
export async function scryptKey(
  passphrase: Uint8Array,
  salt: Uint8Array,
  length: number,
  { N, r, p }: ScryptCost,
): Promise<Uint8Array> {
  const memory = 128 * N * r
  const whole = [N, r, p].every((value) => Number.isInteger(value) && value > 0)
  if (!whole || N < 2 || (N & (N - 1)) !== 0 || memory > MAX_MEMORY || p > MAX_PARALLEL) {
    throw new LedgerIdentityError('FORMAT', 'the key derivation of the file asks for too much, or for nonsense')
  }
  return derive(passphrase, salt, length, { N, r, p, maxmem: memory + 128 * r * p + 1024 * 1024 })
}
