import { CryptoError, encryptAead } from '@parley/core/crypto'
import { type Codec, concatBytes, encode, PAD_OVERHEAD } from '@parley/core/encoding'
import { encryptedHeaderCodec, encryptedMessageCodec, messageHeaderCodec, paddedHeaderLength } from './header.ts'
import { chainKdf } from './kdf.ts'
import { KEM_E2E_VERSION, type KemParams } from './params.ts'
import { RatchetError } from './ratchet-error.ts'
import type { MessageKey } from './skipped-keys.ts'
import type { Ratchet, RatchetKem } from './state.ts'

const IV_LENGTH = 16
const KEY_LENGTH = 32

/** What encrypts the body of one message, stored between enqueueing and delivery: `spec/pqdr.md §5`. */
export interface MessageEncryptKey {
  /** The ratchet's version when the header was made. */
  readonly version: number
  readonly associatedData: Uint8Array
  readonly messageKey: MessageKey
  /** The encoded encrypted header. */
  readonly header: Uint8Array
}

/** Key and IV, each a short string: as keys of skipped messages are stored. */
export const messageKeyCodec: Codec<MessageKey> = {
  encode(writer, { key, iv }) {
    writer.shortString(key).shortString(iv)
  },
  decode(reader) {
    const at = reader.offset
    const key = reader.shortString()
    const iv = reader.shortString()
    if (key.length !== KEY_LENGTH || iv.length !== IV_LENGTH) reader.fail('expected a message key and its IV', at)
    return { key, iv }
  },
}

/** Version, short associated data, key and IV, large header. */
export const messageEncryptKeyCodec: Codec<MessageEncryptKey> = {
  encode(writer, { version, associatedData, messageKey, header }) {
    writer.word16(version).shortString(associatedData)
    messageKeyCodec.encode(writer, messageKey)
    writer.large(header)
  },
  decode(reader) {
    const version = reader.word16()
    const associatedData = reader.shortString()
    const messageKey = messageKeyCodec.decode(reader)
    return { version, associatedData, messageKey, header: reader.large() }
  },
}

/** What {@link encryptHeader} takes besides the ratchet. */
export interface EncryptOptions {
  /** True turns the KEM on, false off; absent leaves it as it is. */
  readonly pq?: boolean | undefined
  /** Highest version that this agent supports. */
  readonly maxVersion: number
}

/**
 * The first half of encrypting a message: advances the sending chain and encrypts the header.
 * The result is stored with the new ratchet; the body is encrypted at delivery, again with the same key on every try.
 * @throws RatchetError STATE when there is no sending chain yet
 */
export function encryptHeader(
  ratchet: Ratchet,
  { pq, maxVersion }: EncryptOptions,
): { encryptKey: MessageEncryptKey; ratchet: Ratchet } {
  const { sending, associatedData } = ratchet
  if (!sending) throw new RatchetError({ code: 'STATE' })
  const { chainKey, messageKey, bodyIv, headerIv } = chainKdf(sending.chainKey)
  const version = ratchet.versions.current
  const enableKem = pq ?? ratchet.enableKem
  // The size of headers never shrinks, or an observer could see that the KEM was turned off.
  const supportKem = kemSupported(ratchet, version, enableKem)
  const maxSupported = Math.max(maxVersion, pq === true ? KEM_E2E_VERSION : version)
  const plainHeader = encode(
    messageHeaderCodec,
    {
      maxVersion: maxSupported,
      dhKey: ratchet.dhKey.publicKey,
      ...(ratchet.kem && { kem: kemParamsOf(ratchet.kem) }),
      previousSndCount: ratchet.previousSndCount,
      number: ratchet.sndNumber,
    },
    { version },
  )
  const { tag, ciphertext } = seal(plainHeader, {
    key: sending.headerKey,
    iv: headerIv,
    length: paddedHeaderLength(version, supportKem),
    associatedData,
  })
  const header = encode(encryptedHeaderCodec, { version, iv: headerIv, tag, body: ciphertext })
  return {
    encryptKey: { version, associatedData, messageKey: { key: messageKey, iv: bodyIv }, header },
    ratchet: {
      ...ratchet,
      sending: { ...sending, chainKey },
      sndNumber: ratchet.sndNumber + 1,
      enableKem,
      supportKem,
      versions: { current: version, maxSupported },
      ...(ratchet.kem && pq === false && { kem: { keyPair: ratchet.kem.keyPair } }),
    },
  }
}

/**
 * The second half: the ratchet message with the encrypted body.
 * @param paddedLength length that the body is padded to, its two length bytes included
 * @throws RatchetError LARGE_MSG when the body does not fit
 */
export function encryptBody(encryptKey: MessageEncryptKey, paddedLength: number, body: Uint8Array): Uint8Array {
  const { version, associatedData, messageKey, header } = encryptKey
  const { tag, ciphertext } = seal(body, {
    ...messageKey,
    length: paddedLength,
    associatedData: concatBytes(associatedData, header),
  })
  return encode(encryptedMessageCodec, { header, tag, body: ciphertext }, { version })
}

/**
 * Refuses a body that {@link encryptBody} could not encrypt, before the chain is advanced for it.
 * @throws RatchetError LARGE_MSG
 */
export function checkBodyFits(paddedLength: number, bodyLength: number): void {
  if (bodyLength + PAD_OVERHEAD > paddedLength) throw new RatchetError({ code: 'LARGE_MSG' })
}

/** True once a KEM was enabled under a version that has one: `spec/pqdr.md §5`, SupportKEM. */
export function kemSupported(ratchet: Ratchet, version: number, enableKem: boolean): boolean {
  return ratchet.supportKem || (version >= KEM_E2E_VERSION && enableKem)
}

function kemParamsOf({ keyPair, accepted }: RatchetKem): KemParams {
  const { publicKey } = keyPair
  if (!accepted) return { type: 'proposed', publicKey }
  return { type: 'accepted', ciphertext: accepted.ciphertext, publicKey }
}

interface SealParameters {
  readonly key: Uint8Array
  readonly iv: Uint8Array
  readonly length: number
  readonly associatedData: Uint8Array
}

function seal(message: Uint8Array, { key, iv, length, associatedData }: SealParameters) {
  try {
    return encryptAead(key, iv, length, associatedData, message)
  } catch (cause) {
    if (cause instanceof CryptoError) throw new RatchetError({ code: 'LARGE_MSG' }, { cause })
    throw cause
  }
}
