import { createRequire } from 'node:module'
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js'

/** Bytes of the Poly1305 tag. */
export const BOX_TAG_LENGTH = 16

/** XSalsa20-Poly1305 in place; the two implementations behind it pass the same tests. */
export interface Secretbox {
  readonly name: 'sodium-native' | 'noble'
  /** Replaces `data` by its encryption and fills `tag` (16 bytes). */
  seal(data: Uint8Array, tag: Uint8Array, nonce: Uint8Array, key: Uint8Array): void
  /** Fills `message`, as long as `data`, with the decryption; false, and nothing of use in it, when not authentic. */
  open(message: Uint8Array, data: Uint8Array, tag: Uint8Array, nonce: Uint8Array, key: Uint8Array): boolean
}

/** The part of sodium-native that is used here; it has no types of its own. */
interface Sodium {
  crypto_secretbox_detached(
    ciphertext: Uint8Array,
    tag: Uint8Array,
    message: Uint8Array,
    nonce: Uint8Array,
    key: Uint8Array,
  ): void
  crypto_secretbox_open_detached(
    message: Uint8Array,
    ciphertext: Uint8Array,
    tag: Uint8Array,
    nonce: Uint8Array,
    key: Uint8Array,
  ): boolean
}

/** libsodium: 15 µs for 16 KiB where pure JavaScript takes some 400 µs. Undefined where it cannot be loaded. */
export function loadSodiumSecretbox(): Secretbox | undefined {
  let sodium: Sodium
  try {
    // Not an import: a platform without a prebuilt library must not fail to load the program.
    sodium = createRequire(import.meta.url)('sodium-native') as Sodium
  } catch {
    return undefined
  }
  return {
    name: 'sodium-native',
    seal: (data, tag, nonce, key) => sodium.crypto_secretbox_detached(data, tag, data, nonce, key),
    open: (message, data, tag, nonce, key) => sodium.crypto_secretbox_open_detached(message, data, tag, nonce, key),
  }
}

/** Pure JavaScript. */
export const nobleSecretbox: Secretbox = {
  name: 'noble',
  seal(data, tag, nonce, key) {
    const box = xsalsa20poly1305(key, nonce).encrypt(data)
    tag.set(box.subarray(0, BOX_TAG_LENGTH))
    data.set(box.subarray(BOX_TAG_LENGTH))
  },
  open(message, data, tag, nonce, key) {
    const box = new Uint8Array(BOX_TAG_LENGTH + data.length)
    box.set(tag)
    box.set(data, BOX_TAG_LENGTH)
    try {
      message.set(xsalsa20poly1305(key, nonce).decrypt(box))
      return true
    } catch {
      return false
    }
  },
}

/** The fastest that this machine can load. */
export const secretbox: Secretbox = loadSodiumSecretbox() ?? nobleSecretbox
