import { randomBytes } from 'node:crypto'
import { PeerKey } from '@parley/acn/record'
import {
  AEAD_IV_LENGTH,
  AEAD_KEY_LENGTH,
  AEAD_TAG_LENGTH,
  CryptoError,
  decryptAead,
  encryptAead,
  hkdfSha512,
} from '@parley/core/crypto'
import { concatBytes, DecodeError, PAD_OVERHEAD } from '@parley/core/encoding'

/**
 * How a question and its answer pass a peer that must not read them.
 *
 * Question: ephemeral secp256k1 key (33 bytes) ‖ tag (16) ‖ ciphertext; 512 bytes in all, always.
 * Answer: salt (16 random bytes) ‖ tag (16) ‖ ciphertext of a multiple of 4,096 bytes.
 * Content is padded: two-byte length, content, `#`. AES-256-GCM, key (32) and IV (16) from HKDF-SHA512 of the secret
 * that the ephemeral key and the answering peer's key share: for the question with both keys as salt and
 * `parley-card-question:1` as info, for the answer with both keys and its own salt and `parley-card-answer:1`.
 * The answer's salt makes its key new even when somebody sends the same question again.
 */
export const SEALED_QUESTION_LENGTH = 512
/** Answers have a multiple of this many bytes before they are sealed. */
export const ANSWER_UNIT = 4096

const PUBLIC_KEY_LENGTH = 33
const SALT_LENGTH = 16
const NO_DATA = new Uint8Array()

/** A question on its way, and what opens its answer. */
export interface SealedQuestion {
  /** {@link SEALED_QUESTION_LENGTH} bytes. */
  readonly sealed: Uint8Array
  /**
   * The content of the answer: of whoever has the key that was asked, and nobody else.
   * @throws DecodeError when it is not that
   */
  openAnswer(sealed: Uint8Array): Uint8Array
}

/**
 * Seals a question to a peer.
 * @param publicKey of the peer that is to answer: 33 bytes
 * @param question at most 461 bytes
 * @throws DecodeError when the key is none; CryptoError when the question is too long
 */
export function sealQuestion(publicKey: Uint8Array, question: Uint8Array): SealedQuestion {
  const ephemeral = new PeerKey(randomBytes(32))
  const secret = ephemeral.shareSecret(publicKey) ?? fail('peer without a key')
  const keys = concatBytes(ephemeral.publicKey, publicKey)
  const length = SEALED_QUESTION_LENGTH - PUBLIC_KEY_LENGTH - AEAD_TAG_LENGTH
  return {
    sealed: concatBytes(ephemeral.publicKey, encrypt(secret, keys, 'parley-card-question:1', length, question)),
    openAnswer(sealed) {
      const isWhole = sealed.length > SALT_LENGTH && (sealed.length - SALT_LENGTH - AEAD_TAG_LENGTH) % ANSWER_UNIT === 0
      if (!isWhole) fail('sealed answer of a wrong length')
      const salt = concatBytes(keys, sealed.subarray(0, SALT_LENGTH))
      return decrypt(secret, salt, 'parley-card-answer:1', sealed.subarray(SALT_LENGTH))
    },
  }
}

/** A question that was opened, and what seals its answer. */
export interface OpenedQuestion {
  readonly question: Uint8Array
  /** Seals an answer, so that only who asked can open it. */
  sealAnswer(answer: Uint8Array): Uint8Array
}

/**
 * Opens a question that was sealed to this peer.
 * @throws DecodeError when it was not
 */
export function openQuestion(key: PeerKey, sealed: Uint8Array): OpenedQuestion {
  if (sealed.length !== SEALED_QUESTION_LENGTH) fail('sealed question of a wrong length')
  const ephemeral = sealed.subarray(0, PUBLIC_KEY_LENGTH)
  const secret = key.shareSecret(ephemeral) ?? fail('sealed question without a key')
  const keys = concatBytes(ephemeral, key.publicKey)
  const question = decrypt(secret, keys, 'parley-card-question:1', sealed.subarray(PUBLIC_KEY_LENGTH))
  return {
    question,
    sealAnswer(answer) {
      const salt = randomBytes(SALT_LENGTH)
      const length = Math.ceil((answer.length + PAD_OVERHEAD) / ANSWER_UNIT) * ANSWER_UNIT
      return concatBytes(salt, encrypt(secret, concatBytes(keys, salt), 'parley-card-answer:1', length, answer))
    },
  }
}

function encrypt(secret: Uint8Array, salt: Uint8Array, info: string, length: number, content: Uint8Array): Uint8Array {
  const [key, iv] = derive(secret, salt, info)
  const { tag, ciphertext } = encryptAead(key, iv, length, NO_DATA, content)
  return concatBytes(tag, ciphertext)
}

function decrypt(secret: Uint8Array, salt: Uint8Array, info: string, sealed: Uint8Array): Uint8Array {
  const [key, iv] = derive(secret, salt, info)
  try {
    return decryptAead(key, iv, NO_DATA, sealed.subarray(0, AEAD_TAG_LENGTH), sealed.subarray(AEAD_TAG_LENGTH))
  } catch (error) {
    if (error instanceof CryptoError) fail('sealed for somebody else, or changed')
    throw error
  }
}

function derive(secret: Uint8Array, salt: Uint8Array, info: string): [key: Uint8Array, iv: Uint8Array] {
  const bytes = hkdfSha512(salt, secret, info, AEAD_KEY_LENGTH + AEAD_IV_LENGTH)
  return [bytes.subarray(0, AEAD_KEY_LENGTH), bytes.subarray(AEAD_KEY_LENGTH)]
}

function fail(text: string): never {
  throw new DecodeError(text, 0)
}
