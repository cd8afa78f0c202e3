import { timingSafeEqual } from 'node:crypto'
import { hsalsa } from '@noble/ciphers/salsa.js'
import { DecodeError, MAX_PADDED_CONTENT, PAD_OVERHEAD, unpad } from '../encoding/index.ts'
import { CryptoError } from './crypto-error.ts'
import { sha512 } from './hash.ts'
import { dh, type PrivateKey, type PublicKey } from './keys.ts'
import { BOX_TAG_LENGTH, secretbox as defaultSecretbox, type Secretbox } from './secretbox.ts'

/** Bytes of a nonce. */
export const NONCE_LENGTH = 24
/** Bytes of a box key: an X25519 shared secret or a symmetric key. */
export const BOX_KEY_LENGTH = 32
/** Bytes of an X25519 authenticator: a box of a SHA-512 hash, `spec/smp.md §2.4`. */
export const AUTHENTICATOR_LENGTH = 80

const FILL = 0x23
const SIGMA = new Uint32Array(new TextEncoder().encode('expand 32-byte k').buffer)
const ZERO = new Uint32Array(4)

/** A nonce of 24 bytes from any bytes, filled with zeros or cut at the end: `spec/pqdr.md §2.1`. */
export function cbNonce(bytes: Uint8Array): Uint8Array {
  if (bytes.length === NONCE_LENGTH) return bytes
  const nonce = new Uint8Array(NONCE_LENGTH)
  nonce.set(bytes.subarray(0, NONCE_LENGTH))
  return nonce
}

/** The nonce's bytes in reverse order: how the two directions of a proxied request differ, `spec/smp.md §0 S6`. */
export function reverseNonce(nonce: Uint8Array): Uint8Array {
  return nonce.toReversed()
}

/** HSalsa20(secret, 0^16), the step that the family applies to every secret: `spec/smp.md §0 S1`. */
function deriveKey(secret: Uint8Array): Uint8Array {
  if (secret.length !== BOX_KEY_LENGTH) {
    throw new CryptoError('INVALID_KEY', `box key of ${secret.length} bytes, not ${BOX_KEY_LENGTH}`)
  }
  // A copy, because the words of a view may not be aligned.
  const words = new Uint32Array(new Uint8Array(secret).buffer)
  const key = new Uint32Array(8)
  hsalsa(SIGMA, words, ZERO, key)
  return new Uint8Array(key.buffer)
}

/**
 * A box key with its first HSalsa20 step done: for secrets that seal or open more than one box.
 * Boxes are `tag (16) ‖ ciphertext`; nonces of other lengths than 24 are filled or cut as {@link cbNonce} does.
 */
export class BoxKey {
  readonly #key: Uint8Array
  readonly #secretbox: Secretbox

  /**
   * @param secret 32 bytes: a raw X25519 shared secret or a symmetric key, both are treated alike
   * @param secretbox the implementation; the fastest there is unless a test says otherwise
   * @throws CryptoError INVALID_KEY when the length is wrong
   */
  constructor(secret: Uint8Array, secretbox: Secretbox = defaultSecretbox) {
    this.#key = deriveKey(secret)
    this.#secretbox = secretbox
  }

  /**
   * Pads the message to `paddedLength` bytes and seals it.
   * @returns 16 + `paddedLength` bytes
   * @throws CryptoError LARGE_MSG when the message has more than `paddedLength` - 2 bytes
   */
  seal(nonce: Uint8Array, message: Uint8Array, paddedLength: number): Uint8Array {
    if (message.length > MAX_PADDED_CONTENT || message.length + PAD_OVERHEAD > paddedLength) {
      throw new CryptoError('LARGE_MSG', `message of ${message.length} bytes does not fit ${paddedLength}`)
    }
    // Padded where it will be encrypted: one buffer and no copies.
    const box = Buffer.allocUnsafe(BOX_TAG_LENGTH + paddedLength)
    box.writeUInt16BE(message.length, BOX_TAG_LENGTH)
    box.set(message, BOX_TAG_LENGTH + PAD_OVERHEAD)
    box.fill(FILL, BOX_TAG_LENGTH + PAD_OVERHEAD + message.length)
    return this.#sealBox(box, nonce)
  }

  /**
   * As {@link seal}, but where the message is: from the 19th byte of `box`, whose other bytes are replaced. For those
   * who build many large boxes.
   * @param length bytes of the message
   * @throws CryptoError LARGE_MSG when the box is too small for it
   */
  sealInPlace(nonce: Uint8Array, box: Uint8Array, length: number): void {
    const end = BOX_TAG_LENGTH + PAD_OVERHEAD + length
    if (length > MAX_PADDED_CONTENT || end > box.length) {
      throw new CryptoError('LARGE_MSG', `message of ${length} bytes does not fit a box of ${box.length}`)
    }
    box[BOX_TAG_LENGTH] = length >> 8
    box[BOX_TAG_LENGTH + 1] = length & 0xff
    box.fill(FILL, end)
    this.#sealBox(box, nonce)
  }

  /** Seals the message as it is; the box is 16 bytes longer. */
  sealNoPad(nonce: Uint8Array, message: Uint8Array): Uint8Array {
    const box = Buffer.allocUnsafe(BOX_TAG_LENGTH + message.length)
    box.set(message, BOX_TAG_LENGTH)
    return this.#sealBox(box, nonce)
  }

  /**
   * The message of a padded box.
   * @throws CryptoError DECRYPT_CB when the box is not authentic or too short; INVALID_MSG when its content is not padded
   */
  open(nonce: Uint8Array, box: Uint8Array): Uint8Array {
    return unpadMessage(this.openNoPad(nonce, box))
  }

  /**
   * As {@link open}, but decrypts where the box is and returns a view of it: for boxes that nobody needs any more.
   * @throws CryptoError as {@link open}; what the box holds then is undefined
   */
  openInPlace(nonce: Uint8Array, box: Uint8Array): Uint8Array {
    return unpadMessage(this.#open(nonce, box, box.subarray(BOX_TAG_LENGTH)))
  }

  /**
   * The whole content of a box.
   * @throws CryptoError DECRYPT_CB when the box is not authentic or too short
   */
  openNoPad(nonce: Uint8Array, box: Uint8Array): Uint8Array {
    return this.#open(nonce, box, Buffer.allocUnsafe(Math.max(0, box.length - BOX_TAG_LENGTH)))
  }

  #open(nonce: Uint8Array, box: Uint8Array, message: Uint8Array): Uint8Array {
    if (box.length < BOX_TAG_LENGTH) throw new CryptoError('DECRYPT_CB', 'box is shorter than its tag')
    const tag = box.subarray(0, BOX_TAG_LENGTH)
    const data = box.subarray(BOX_TAG_LENGTH)
    if (!this.#secretbox.open(message, data, tag, cbNonce(nonce), this.#key)) {
      throw new CryptoError('DECRYPT_CB', 'box is not authentic')
    }
    return message
  }

  /** The 80-byte authenticator of a message: `spec/smp.md §2.4`. */
  authenticate(nonce: Uint8Array, message: Uint8Array): Uint8Array {
    return this.sealNoPad(nonce, sha512(message))
  }

  /** True when the authenticator is the one of this message; takes the same time wherever it differs. */
  verifyAuthenticator(nonce: Uint8Array, message: Uint8Array, authenticator: Uint8Array): boolean {
    if (authenticator.length !== AUTHENTICATOR_LENGTH) return false
    return timingSafeEqual(this.authenticate(nonce, message), authenticator)
  }

  #sealBox(box: Uint8Array, nonce: Uint8Array): Uint8Array {
    this.#secretbox.seal(box.subarray(BOX_TAG_LENGTH), box.subarray(0, BOX_TAG_LENGTH), cbNonce(nonce), this.#key)
    return box
  }
}

function unpadMessage(padded: Uint8Array): Uint8Array {
  try {
    return unpad(padded)
  } catch (error) {
    if (error instanceof DecodeError) throw new CryptoError('INVALID_MSG', 'padding of a message is malformed')
    throw error
  }
}

/** {@link BoxKey.seal} with a secret that is used once. */
export function sealBox(secret: Uint8Array, nonce: Uint8Array, message: Uint8Array, paddedLength: number): Uint8Array {
  return new BoxKey(secret).seal(nonce, message, paddedLength)
}

/** {@link BoxKey.open} with a secret that is used once. */
export function openBox(secret: Uint8Array, nonce: Uint8Array, box: Uint8Array): Uint8Array {
  return new BoxKey(secret).open(nonce, box)
}

/** {@link BoxKey.sealNoPad} with a secret that is used once. */
export function sealBoxNoPad(secret: Uint8Array, nonce: Uint8Array, message: Uint8Array): Uint8Array {
  return new BoxKey(secret).sealNoPad(nonce, message)
}

/** {@link BoxKey.openNoPad} with a secret that is used once. */
export function openBoxNoPad(secret: Uint8Array, nonce: Uint8Array, box: Uint8Array): Uint8Array {
  return new BoxKey(secret).openNoPad(nonce, box)
}

/**
 * X25519 authenticator of `message`, 80 bytes: `spec/smp.md §2.4`.
 * @param nonce the correlation id of the command, as it is
 * @throws CryptoError INVALID_KEY for a public key of low order
 */
export function authenticate(
  privateKey: PrivateKey<'x25519'>,
  publicKey: PublicKey<'x25519'>,
  nonce: Uint8Array,
  message: Uint8Array,
): Uint8Array {
  return new BoxKey(dh(privateKey, publicKey)).authenticate(nonce, message)
}

/** True when `authenticator` is that of the two keys, nonce and message; false for any malformed one. Never throws. */
export function verifyAuthenticator(
  privateKey: PrivateKey<'x25519'>,
  publicKey: PublicKey<'x25519'>,
  nonce: Uint8Array,
  message: Uint8Array,
  authenticator: Uint8Array,
): boolean {
  let secret: Uint8Array
  try {
    secret = dh(privateKey, publicKey)
  } catch (error) {
    if (error instanceof CryptoError) return false
    throw error
  }
  return new BoxKey(secret).verifyAuthenticator(nonce, message, authenticator)
}
