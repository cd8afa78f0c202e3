import { hash } from 'node:crypto'

/** SHA-256, 32 bytes: fingerprints of certificates and hashes of messages. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer')
}

/** SHA-512, 64 bytes: what an authenticator covers. */
export function sha512(bytes: Uint8Array): Uint8Array {
  return hash('sha512', bytes, 'buffer')
}

/** SHA3-256, 32 bytes: keys of short links. */
export function sha3_256(bytes: Uint8Array): Uint8Array {
  return hash('sha3-256', bytes, 'buffer')
}

/** SHA3-384, 48 bytes: sender ids made by the client are its first 24 bytes, `spec/smp.md §0 S4`. */
export function sha3_384(bytes: Uint8Array): Uint8Array {
  return hash('sha3-384', bytes, 'buffer')
}
