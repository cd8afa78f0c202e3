import { createRequire } from 'node:module'

/** The functions of sodium-native that are used here; the package has no types of its own. */
export interface Sodium {
  /** XSalsa20-Poly1305; `ciphertext` may be `message`. Lengths are those of the message, 16, 24 and 32. */
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
  /** `output` has 64 bytes. */
  crypto_hash_sha512(output: Uint8Array, input: Uint8Array): void
  /** X25519 public key of a secret; 32 bytes each. */
  crypto_scalarmult_base(publicKey: Uint8Array, secret: Uint8Array): void
  /** X25519; 32 bytes each. Throws when the result would be all zeros. */
  crypto_scalarmult(shared: Uint8Array, secret: Uint8Array, publicKey: Uint8Array): void
  /** Ed25519 keys of a private key of 32 bytes; `secret` becomes private key ‖ public key. */
  crypto_sign_seed_keypair(publicKey: Uint8Array, secret: Uint8Array, seed: Uint8Array): void
  /** Ed25519; `signature` has 64 bytes, `secret` is private key ‖ public key. */
  crypto_sign_detached(signature: Uint8Array, message: Uint8Array, secret: Uint8Array): void
  /** Ed25519; 64 and 32 bytes. */
  crypto_sign_verify_detached(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean
}

/** sodium-native, or undefined where it has no library for the platform; whatever uses it can do without. */
export const sodium: Sodium | undefined = load()

function load(): Sodium | undefined {
  try {
    // Not an import, which would fail together with the program.
    return createRequire(import.meta.url)('sodium-native') as Sodium
  } catch {
    return undefined
  }
}
