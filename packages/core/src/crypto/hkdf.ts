import { hkdfSync } from 'node:crypto'
import { type Sodium, sodium } from './sodium.ts'

const BLOCK = 128
const DIGEST = 64
const MAX_LENGTH = 255 * DIGEST
const INNER = 0x36
const OUTER = 0x5c

/**
 * HKDF-SHA512, extract and expand: `spec/pqdr.md §2`.
 * @param salt any length; empty means a key of no bytes
 * @param ikm input key material, any length
 * @param info what the key is for: ASCII, taken byte by byte
 * @param length bytes wanted, 1 to 16,320
 * @throws RangeError when `length` is out of range
 */
export type Hkdf = (salt: Uint8Array, ikm: Uint8Array, info: string, length: number) => Uint8Array

/** HKDF as OpenSSL does it. */
export const opensslHkdf: Hkdf = (salt, ikm, info, length) =>
  new Uint8Array(hkdfSync('sha512', ikm, salt, Buffer.from(info, 'latin1'), length))

/**
 * The same from SHA-512 of libsodium. Every block and every message takes some: this takes 8 µs where OpenSSL's, with the
 * key objects that Node makes for it, takes 17, and 200 when it has not been used for a while.
 */
export function sodiumHkdf({ crypto_hash_sha512: hash }: Pick<Sodium, 'crypto_hash_sha512'>): Hkdf {
  // What the two hashes of an HMAC are made of, for keys and texts that fit: written anew each time.
  const inner = Buffer.alloc(2 * BLOCK)
  const outer = Buffer.alloc(BLOCK + DIGEST)
  const digest = outer.subarray(BLOCK)
  const shortKey = Buffer.alloc(DIGEST)
  const extracted = Buffer.alloc(DIGEST)

  function setKey(key: Uint8Array): void {
    if (key.length > BLOCK) {
      hash(shortKey, key)
      key = shortKey
    }
    inner.fill(INNER, 0, BLOCK)
    outer.fill(OUTER, 0, BLOCK)
    for (let i = 0; i < key.length; i++) {
      const byte = key[i] as number
      inner[i] = byte ^ INNER
      outer[i] = byte ^ OUTER
    }
  }

  /** HMAC with the key that was set. */
  function hmac(output: Uint8Array, text: Uint8Array): void {
    if (text.length <= BLOCK) {
      inner.set(text, BLOCK)
      hash(digest, inner.subarray(0, BLOCK + text.length))
    } else hash(digest, Buffer.concat([inner.subarray(0, BLOCK), text]))
    hash(output, outer)
  }

  return (salt, ikm, info, length) => {
    if (!Number.isInteger(length) || length < 1 || length > MAX_LENGTH) {
      throw new RangeError(`key of ${length} bytes, not 1 to ${MAX_LENGTH}`)
    }
    setKey(salt)
    hmac(extracted, ikm)
    setKey(extracted)
    const output = new Uint8Array(Math.ceil(length / DIGEST) * DIGEST)
    // T(n - 1) ‖ info ‖ n
    const text = Buffer.alloc(DIGEST + info.length + 1)
    text.write(info, DIGEST, 'latin1')
    for (let at = 0, count = 1; at < length; at += DIGEST, count++) {
      text[text.length - 1] = count
      const block = output.subarray(at, at + DIGEST)
      hmac(block, count === 1 ? text.subarray(DIGEST) : text)
      text.set(block)
    }
    return output.subarray(0, length)
  }
}

/** The fastest {@link Hkdf} that this machine can load. */
export const hkdfSha512: Hkdf = sodium ? sodiumHkdf(sodium) : opensslHkdf
