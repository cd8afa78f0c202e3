import type { Sntrup761 as LiboqsSntrup761 } from '@oqs/liboqs-js/kem'
import { CryptoError } from './crypto-error.ts'

/** Lengths in bytes: `spec/pqdr.md §8`. */
export const SNTRUP761_PUBLIC_KEY_LENGTH = 1158
export const SNTRUP761_SECRET_KEY_LENGTH = 1763
export const SNTRUP761_CIPHERTEXT_LENGTH = 1039
export const SNTRUP761_SHARED_SECRET_LENGTH = 32

/** A key pair of sntrup761. */
export interface KemKeyPair {
  /** 1158 bytes. */
  readonly publicKey: Uint8Array
  /** 1763 bytes; holds the public key too. */
  readonly secretKey: Uint8Array
}

/** A shared secret, and how its other holder gets it. */
export interface KemEncapsulation {
  /** 1039 bytes. */
  readonly ciphertext: Uint8Array
  /** 32 bytes. */
  readonly sharedSecret: Uint8Array
}

/** Streamlined NTRU Prime 761. The calls are synchronous: 0.6 ms, 1.4 ms and 20 ms. */
export interface Sntrup761 {
  /**
   * A new shared secret for the holder of the public key (1158 bytes).
   * @throws CryptoError KEM when the length is wrong
   */
  encapsulate(publicKey: Uint8Array): KemEncapsulation
  /**
   * The shared secret (32 bytes) in a ciphertext (1039 bytes). A ciphertext that was not made for this key yields
   * another secret, not an error.
   * @throws CryptoError KEM when a length is wrong
   */
  decapsulate(secretKey: Uint8Array, ciphertext: Uint8Array): Uint8Array
  /** A new key pair; takes 20 ms, so that event loops take theirs from a `KemKeyPairPool`. */
  generateKeyPair(): KemKeyPair
}

/**
 * Where the module of the implementation lies. It is never bundled, because it finds its WebAssembly by a relative
 * path; resolved here, because a worker that is started from text has no place of its own.
 */
export function sntrup761ModuleUrl(): string {
  return import.meta.resolve('@oqs/liboqs-js/kem')
}

let loading: Promise<Sntrup761> | undefined

/** Loads the implementation, once per process; 40 ms. */
export function loadSntrup761(): Promise<Sntrup761> {
  loading ??= load()
  return loading
}

async function load(): Promise<Sntrup761> {
  const { createSntrup761 } = (await import(sntrup761ModuleUrl())) as typeof import('@oqs/liboqs-js/kem')
  return wrap(await createSntrup761())
}

function wrap(kem: LiboqsSntrup761): Sntrup761 {
  return {
    encapsulate: (publicKey) => kem.encapsulate(checked(publicKey, SNTRUP761_PUBLIC_KEY_LENGTH, 'public key')),
    decapsulate: (secretKey, ciphertext) =>
      kem.decapsulate(
        checked(ciphertext, SNTRUP761_CIPHERTEXT_LENGTH, 'ciphertext'),
        checked(secretKey, SNTRUP761_SECRET_KEY_LENGTH, 'secret key'),
      ),
    generateKeyPair: () => kem.generateKeyPair(),
  }
}

/** The bytes as a plain Uint8Array, which the implementation insists on. */
function checked(bytes: Uint8Array, length: number, what: string): Uint8Array {
  if (bytes.length !== length) {
    throw new CryptoError('KEM', `sntrup761 ${what} of ${bytes.length} bytes, not ${length}`)
  }
  return bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
