import { createCipheriv, createDecipheriv } from 'node:crypto'
import { DecodeError, EncodeError, pad, unpad } from '../encoding/index.ts'
import { CryptoError } from './crypto-error.ts'

const ALGORITHM = 'aes-256-gcm'

/** Bytes of a key, of an initialisation vector and of a tag. */
export const AEAD_KEY_LENGTH = 32
export const AEAD_IV_LENGTH = 16
export const AEAD_TAG_LENGTH = 16

/** What AES-256-GCM makes of a message. */
export interface SealedAead {
  /** 16 bytes. */
  readonly tag: Uint8Array
  /** As long as the (padded) message. */
  readonly ciphertext: Uint8Array
}

/**
 * AES-256-GCM with a 16-byte IV over the padded message: `spec/pqdr.md §2.2`.
 * @param key 32 bytes
 * @param iv 16 bytes
 * @param paddedLength bytes of the ciphertext; the message may have two fewer at most
 * @throws CryptoError LARGE_MSG when the message does not fit
 */
export function encryptAead(
  key: Uint8Array,
  iv: Uint8Array,
  paddedLength: number,
  associatedData: Uint8Array,
  message: Uint8Array,
): SealedAead {
  return encryptAeadNoPad(key, iv, associatedData, padMessage(message, paddedLength))
}

/** {@link encryptAead} of the message as it is. */
export function encryptAeadNoPad(
  key: Uint8Array,
  iv: Uint8Array,
  associatedData: Uint8Array,
  message: Uint8Array,
): SealedAead {
  const cipher = createCipheriv(ALGORITHM, key, iv)
  cipher.setAAD(associatedData)
  const ciphertext = cipher.update(message)
  cipher.final()
  return { ciphertext, tag: cipher.getAuthTag() }
}

/**
 * The message that {@link encryptAead} sealed, without its padding.
 * @throws CryptoError DECRYPT_AES when key, associated data, tag or ciphertext are not those of the sender;
 *   INVALID_MSG when the authentic content is not padded
 */
export function decryptAead(
  key: Uint8Array,
  iv: Uint8Array,
  associatedData: Uint8Array,
  tag: Uint8Array,
  ciphertext: Uint8Array,
): Uint8Array {
  return unpadMessage(decryptAeadNoPad(key, iv, associatedData, tag, ciphertext))
}

/**
 * The message that {@link encryptAeadNoPad} sealed.
 * @throws CryptoError DECRYPT_AES
 */
export function decryptAeadNoPad(
  key: Uint8Array,
  iv: Uint8Array,
  associatedData: Uint8Array,
  tag: Uint8Array,
  ciphertext: Uint8Array,
): Uint8Array {
  if (tag.length !== AEAD_TAG_LENGTH) throw new CryptoError('DECRYPT_AES', 'authentication tag has a wrong length')
  const decipher = createDecipheriv(ALGORITHM, key, iv)
  decipher.setAAD(associatedData).setAuthTag(tag)
  const message = decipher.update(ciphertext)
  try {
    decipher.final()
  } catch (cause) {
    throw new CryptoError('DECRYPT_AES', 'message is not authentic', { cause })
  }
  return message
}

/** Pads a message; the error is that of the cryptographic layer. @throws CryptoError LARGE_MSG */
function padMessage(message: Uint8Array, length: number): Uint8Array {
  try {
    return pad(message, length)
  } catch (error) {
    if (error instanceof EncodeError) throw new CryptoError('LARGE_MSG', error.message)
    throw error
  }
}

/** Content of a padded authentic message. @throws CryptoError INVALID_MSG */
function unpadMessage(padded: Uint8Array): Uint8Array {
  try {
    return unpad(padded)
  } catch (error) {
    if (error instanceof DecodeError) throw new CryptoError('INVALID_MSG', 'padding of a message is malformed')
    throw error
  }
}
