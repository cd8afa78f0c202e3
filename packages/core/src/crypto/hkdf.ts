import { hkdfSync } from 'node:crypto'

/**
 * HKDF-SHA512, extract and expand: `spec/pqdr.md §2`.
 * @param salt any length; empty means a key of no bytes
 * @param ikm input key material, any length
 * @param info what the key is for: ASCII, taken byte by byte
 * @param length bytes wanted, 1 to 16,320
 * @throws RangeError when `length` is out of range
 */
export function hkdfSha512(salt: Uint8Array, ikm: Uint8Array, info: string, length: number): Uint8Array {
  return new Uint8Array(hkdfSync('sha512', ikm, salt, Buffer.from(info, 'latin1'), length))
}
