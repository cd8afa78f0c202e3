import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  type KeyObject,
  sign as nodeSign,
  verify as nodeVerify,
  randomBytes,
} from 'node:crypto'
import { type Codec, concatBytes, equalBytes } from '../encoding/index.ts'
import { CryptoError } from './crypto-error.ts'
import { sodium } from './sodium.ts'

/** Algorithms of signing keys. */
export type SignatureAlgorithm = 'ed25519' | 'ed448'
/** Algorithms of key agreement keys. */
export type DhAlgorithm = 'x25519' | 'x448'
export type KeyAlgorithm = SignatureAlgorithm | DhAlgorithm

interface AlgorithmParameters {
  readonly curve: string
  readonly keyLength: number
  /** DER before the raw key: `spec/smp.md §1`. */
  readonly spkiPrefix: Uint8Array
  readonly pkcs8Prefix: Uint8Array
}

/** Bytes of a signature with Ed25519. */
const SIGNATURE_LENGTH = 64

const hex = (text: string): Uint8Array => Buffer.from(text, 'hex')

const PARAMETERS: Record<KeyAlgorithm, AlgorithmParameters> = {
  ed25519: {
    curve: 'Ed25519',
    keyLength: 32,
    spkiPrefix: hex('302a300506032b6570032100'),
    pkcs8Prefix: hex('302e020100300506032b657004220420'),
  },
  ed448: {
    curve: 'Ed448',
    keyLength: 57,
    spkiPrefix: hex('3043300506032b6571033a00'),
    pkcs8Prefix: hex('3047020100300506032b6571043b0439'),
  },
  x25519: {
    curve: 'X25519',
    keyLength: 32,
    spkiPrefix: hex('302a300506032b656e032100'),
    pkcs8Prefix: hex('302e020100300506032b656e04220420'),
  },
  x448: {
    curve: 'X448',
    keyLength: 56,
    spkiPrefix: hex('3042300506032b656f033900'),
    pkcs8Prefix: hex('3046020100300506032b656f043a0438'),
  },
}

const ALGORITHMS = Object.keys(PARAMETERS) as KeyAlgorithm[]

function stripPrefix(der: Uint8Array, part: 'spkiPrefix' | 'pkcs8Prefix'): [KeyAlgorithm, Uint8Array] {
  for (const algorithm of ALGORITHMS) {
    const { [part]: prefix, keyLength } = PARAMETERS[algorithm]
    if (der.length === prefix.length + keyLength && equalBytes(der.subarray(0, prefix.length), prefix)) {
      return [algorithm, der.subarray(prefix.length)]
    }
  }
  throw new CryptoError('INVALID_KEY', 'not a key of Ed25519, Ed448, X25519 or X448')
}

function jwk(algorithm: KeyAlgorithm, raw: Uint8Array) {
  return { kty: 'OKP', crv: PARAMETERS[algorithm].curve, x: Buffer.from(raw).toString('base64url') }
}

function checkLength(algorithm: KeyAlgorithm, raw: Uint8Array): void {
  const { keyLength } = PARAMETERS[algorithm]
  if (raw.length !== keyLength)
    throw new CryptoError('INVALID_KEY', `${algorithm} key of ${raw.length} bytes, not ${keyLength}`)
}

/**
 * A public key. The KeyObject is made on first use, through JWK, which is 10 to 20 times faster to import
 * than DER, and kept.
 */
export class PublicKey<A extends KeyAlgorithm = KeyAlgorithm> {
  readonly algorithm: A
  /** 32 bytes (Ed25519, X25519), 57 (Ed448) or 56 (X448). A copy, because keys outlive the blocks that bring them. */
  readonly raw: Uint8Array
  #keyObject: KeyObject | undefined

  /** @throws CryptoError INVALID_KEY when the length is wrong */
  constructor(algorithm: A, raw: Uint8Array) {
    checkLength(algorithm, raw)
    this.algorithm = algorithm
    this.raw = new Uint8Array(raw)
  }

  /**
   * Reads SPKI DER of exactly one of the four algorithms.
   * @throws CryptoError INVALID_KEY
   */
  static fromSpki(der: Uint8Array): PublicKey {
    const [algorithm, raw] = stripPrefix(der, 'spkiPrefix')
    return new PublicKey(algorithm, raw)
  }

  /** SPKI DER: 44, 69, 44 or 68 bytes. */
  get spki(): Uint8Array {
    return concatBytes(PARAMETERS[this.algorithm].spkiPrefix, this.raw)
  }

  get keyObject(): KeyObject {
    this.#keyObject ??= createPublicKey({ key: jwk(this.algorithm, this.raw), format: 'jwk' })
    return this.#keyObject
  }

  is<B extends KeyAlgorithm>(algorithm: B): this is PublicKey<B> {
    return (this.algorithm as KeyAlgorithm) === algorithm
  }

  equals(other: PublicKey): boolean {
    return this.algorithm === other.algorithm && equalBytes(this.raw, other.raw)
  }
}

/** A private key with its public key. Printing or JSON never shows the secret. */
export class PrivateKey<A extends KeyAlgorithm = KeyAlgorithm> {
  readonly algorithm: A
  readonly #raw: Uint8Array
  #publicKey: PublicKey<A> | undefined
  #keyObject: KeyObject | undefined

  /**
   * @param raw the secret: 32 bytes (Ed25519, X25519), 57 (Ed448) or 56 (X448)
   * @throws CryptoError INVALID_KEY when the length is wrong
   */
  constructor(algorithm: A, raw: Uint8Array) {
    checkLength(algorithm, raw)
    this.algorithm = algorithm
    this.#raw = new Uint8Array(raw)
  }

  /** A new random key. */
  static generate<A extends KeyAlgorithm>(
    algorithm: A,
    random: (length: number) => Uint8Array = randomBytes,
  ): PrivateKey<A> {
    return new PrivateKey(algorithm, random(PARAMETERS[algorithm].keyLength))
  }

  /**
   * Reads PKCS8 DER version 0 of exactly one of the four algorithms.
   * @throws CryptoError INVALID_KEY
   */
  static fromPkcs8(der: Uint8Array): PrivateKey {
    const [algorithm, raw] = stripPrefix(der, 'pkcs8Prefix')
    return new PrivateKey(algorithm, raw)
  }

  get raw(): Uint8Array {
    return this.#raw
  }

  /** PKCS8 DER version 0: 48, 73, 48 or 72 bytes. */
  get pkcs8(): Uint8Array {
    return concatBytes(PARAMETERS[this.algorithm].pkcs8Prefix, this.#raw)
  }

  get keyObject(): KeyObject {
    // Node takes the secret from `d` alone and does not look at `x`.
    this.#keyObject ??= createPrivateKey({
      key: { ...jwk(this.algorithm, new Uint8Array()), d: Buffer.from(this.#raw).toString('base64url') },
      format: 'jwk',
    })
    return this.#keyObject
  }

  /** Always derived from the secret: a signature with another one would give the secret away. */
  get publicKey(): PublicKey<A> {
    this.#publicKey ??= new PublicKey(this.algorithm, this.#derivePublic())
    return this.#publicKey
  }

  #derivePublic(): Uint8Array {
    if (sodium && this.algorithm === 'x25519') {
      // 15 µs instead of 70, and no key objects, whose memory the garbage collector knows nothing of.
      const raw = new Uint8Array(PARAMETERS.x25519.keyLength)
      sodium.crypto_scalarmult_base(raw, this.#raw)
      return raw
    }
    if (sodium && this.algorithm === 'ed25519') {
      const raw = new Uint8Array(PARAMETERS.ed25519.keyLength)
      sodium.crypto_sign_seed_keypair(raw, new Uint8Array(2 * raw.length), this.#raw)
      return raw
    }
    const { x } = createPublicKey(this.keyObject).export({ format: 'jwk' })
    return Buffer.from(x as string, 'base64url')
  }

  is<B extends KeyAlgorithm>(algorithm: B): this is PrivateKey<B> {
    return (this.algorithm as KeyAlgorithm) === algorithm
  }

  toJSON(): string {
    return `<private ${this.algorithm} key>`
  }
}

/**
 * Signature of `message`: 64 bytes (Ed25519) or 114 (Ed448). Ed25519 goes through libsodium where it is there, which needs
 * no key objects.
 */
export function sign(key: PrivateKey<SignatureAlgorithm>, message: Uint8Array): Uint8Array {
  if (sodium && key.algorithm === 'ed25519') {
    const signature = new Uint8Array(SIGNATURE_LENGTH)
    sodium.crypto_sign_detached(signature, message, concatBytes(key.raw, key.publicKey.raw))
    return signature
  }
  return nodeSign(null, message, key.keyObject)
}

/**
 * True when `signature` is valid; false for any malformed one. Never throws for input from outside.
 * Ed25519 goes through libsodium where it is there: 41 µs, against 70 µs, or 93 µs for a key that is used once.
 */
export function verify(key: PublicKey<SignatureAlgorithm>, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    if (sodium && key.algorithm === 'ed25519') return sodium.crypto_sign_verify_detached(signature, message, key.raw)
    return nodeVerify(null, message, key.keyObject, signature)
  } catch {
    return false
  }
}

/**
 * Diffie-Hellman shared secret of two keys of one algorithm: 32 bytes (X25519) or 56 (X448). X25519 goes through
 * libsodium where it is there: 42 µs, against 92 µs for a key that is used once.
 * @throws CryptoError INVALID_KEY for a public key that yields the all-zero secret (low order point)
 */
export function dh<A extends DhAlgorithm>(privateKey: PrivateKey<A>, publicKey: PublicKey<A>): Uint8Array {
  try {
    if (sodium && privateKey.algorithm === 'x25519' && publicKey.algorithm === 'x25519') {
      const secret = new Uint8Array(PARAMETERS.x25519.keyLength)
      sodium.crypto_scalarmult(secret, privateKey.raw, publicKey.raw)
      return secret
    }
    return diffieHellman({ privateKey: privateKey.keyObject, publicKey: publicKey.keyObject })
  } catch (cause) {
    throw new CryptoError('INVALID_KEY', 'key agreement failed', { cause })
  }
}

function keyCodec<A extends KeyAlgorithm>(allowed: readonly A[]): Codec<PublicKey<A>> {
  return {
    encode(writer, key) {
      writer.shortString(key.spki)
    },
    decode(reader) {
      const at = reader.offset
      let key: PublicKey
      try {
        key = PublicKey.fromSpki(reader.shortString())
      } catch (error) {
        if (error instanceof CryptoError) return reader.fail('not a public key', at)
        throw error
      }
      if (!allowed.some((algorithm) => key.is(algorithm))) reader.fail(`expected a key of ${allowed.join(' or ')}`, at)
      return key as PublicKey<A>
    },
  }
}

/** Short string of SPKI, any of the four algorithms. */
export const publicKeyCodec = keyCodec<KeyAlgorithm>(ALGORITHMS)
/** Short string of SPKI of a key that can authorise commands: Ed25519, Ed448 or X25519. */
export const authKeyCodec = keyCodec(['ed25519', 'ed448', 'x25519'])
export const x25519KeyCodec = keyCodec(['x25519'])
export const ed25519KeyCodec = keyCodec(['ed25519'])
/** Short string of SPKI of a ratchet key: X448 in every agent, X25519 in tests of the originals. */
export const dhKeyCodec = keyCodec<DhAlgorithm>(['x448', 'x25519'])
