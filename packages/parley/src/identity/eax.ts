import { createCipheriv, timingSafeEqual } from 'node:crypto'
import { cmac } from '@noble/ciphers/aes.js'
import { concatBytes } from '@parley/core/encoding'

/** Bytes of an AES block, of a tag, and of what stands before each part that is authenticated. */
const BLOCK = 16

/** A text sealed in EAX mode, without associated data. */
export interface SealedEax {
  readonly ciphertext: Uint8Array
  /** 16 bytes. */
  readonly tag: Uint8Array
}

/**
 * AES-128 in EAX mode (Bellare, Rogaway, Wagner: "The EAX mode of operation", 2004): open-aea's own key files use it and
 * `node:crypto` does not have it. Counter mode with a CMAC over nonce, (empty) header and ciphertext.
 * @param key 16 bytes
 */
export function sealEax(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array): SealedEax {
  const ciphertext = counterMode(key, nonce, plaintext)
  return { ciphertext, tag: tagOf(key, nonce, ciphertext) }
}

/** The text, or undefined when key, nonce, ciphertext and tag do not belong together. */
export function openEax(key: Uint8Array, nonce: Uint8Array, { ciphertext, tag }: SealedEax): Uint8Array | undefined {
  const expected = tagOf(key, nonce, ciphertext)
  if (tag.length !== BLOCK || !timingSafeEqual(expected, tag)) return undefined
  return counterMode(key, nonce, ciphertext)
}

function counterMode(key: Uint8Array, nonce: Uint8Array, text: Uint8Array): Uint8Array {
  return new Uint8Array(createCipheriv('aes-128-ctr', key, mac(key, 0, nonce)).update(text))
}

function tagOf(key: Uint8Array, nonce: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  const parts = [mac(key, 0, nonce), mac(key, 1, new Uint8Array()), mac(key, 2, ciphertext)]
  return Uint8Array.from({ length: BLOCK }, (_, i) => parts.reduce((sum, part) => sum ^ (part[i] ?? 0), 0))
}

/** CMAC of the text behind a block that holds the number of its part. */
function mac(key: Uint8Array, part: number, text: Uint8Array): Uint8Array {
  const block = new Uint8Array(BLOCK)
  block[BLOCK - 1] = part
  return cmac(concatBytes(block, text), key)
}
