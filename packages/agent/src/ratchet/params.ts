import {
  type DhAlgorithm,
  dhKeyCodec,
  type KemKeyPair,
  type PublicKey,
  SNTRUP761_CIPHERTEXT_LENGTH,
  SNTRUP761_PUBLIC_KEY_LENGTH,
  SNTRUP761_SECRET_KEY_LENGTH,
  SNTRUP761_SHARED_SECRET_LENGTH,
} from '@parley/core/crypto'
import type { ByteReader, Codec } from '@parley/core/encoding'
import { type VersionRange, versionRangeCodec } from '@parley/core/version'

/** Versions of the end-to-end encryption that this agent speaks: `spec/pqdr.md §10`. */
export const E2E_VERSIONS: VersionRange = { min: 2, max: 3 }

/** First version with a KEM, two-byte header lengths and optional KEM fields. */
export const KEM_E2E_VERSION = 3

/**
 * KEM part of key agreement parameters and of message headers: a public key of 1,158 bytes, and when it answers
 * the peer's key also the ciphertext of 1,039 bytes made with that. `spec/pqdr.md §3`.
 */
export type KemParams =
  | { readonly type: 'proposed'; readonly publicKey: Uint8Array }
  | { readonly type: 'accepted'; readonly ciphertext: Uint8Array; readonly publicKey: Uint8Array }

/** The public half of a key agreement, as it goes over the wire. Both keys are of one algorithm. */
export interface E2eParams {
  readonly version: number
  readonly key1: PublicKey<DhAlgorithm>
  /** The initiator's second key is its first ratchet key. */
  readonly key2: PublicKey<DhAlgorithm>
  /** From version 3. */
  readonly kem?: KemParams
}

/** The public half of a key agreement for a range of versions, as connection requests carry it. */
export interface E2eParamsUri extends Omit<E2eParams, 'version'> {
  readonly versions: VersionRange
}

/** The private half of {@link KemParams}, kept until the peer's answer arrives. */
export type PrivateKemParams =
  | { readonly type: 'proposed'; readonly keyPair: KemKeyPair }
  | {
      readonly type: 'accepted'
      readonly ciphertext: Uint8Array
      readonly sharedSecret: Uint8Array
      readonly keyPair: KemKeyPair
    }

function largeOf(reader: ByteReader, length: number, what: string): Uint8Array {
  const at = reader.offset
  const bytes = reader.large()
  if (bytes.length !== length) reader.fail(`${what} of ${bytes.length} bytes, not ${length}`, at)
  return bytes
}

const readPublicKey = (reader: ByteReader) => largeOf(reader, SNTRUP761_PUBLIC_KEY_LENGTH, 'KEM public key')
const readCiphertext = (reader: ByteReader) => largeOf(reader, SNTRUP761_CIPHERTEXT_LENGTH, 'KEM ciphertext')

/** `P` key | `A` ciphertext key, each a two-byte length and bytes. */
export const kemParamsCodec: Codec<KemParams> = {
  encode(writer, kem) {
    if (kem.type === 'proposed') writer.literal('P').large(kem.publicKey)
    else writer.literal('A').large(kem.ciphertext).large(kem.publicKey)
  },
  decode(reader) {
    const at = reader.offset
    const tag = String.fromCharCode(reader.byte())
    if (tag === 'P') return { type: 'proposed', publicKey: readPublicKey(reader) }
    if (tag === 'A') {
      const ciphertext = readCiphertext(reader)
      return { type: 'accepted', ciphertext, publicKey: readPublicKey(reader) }
    }
    return reader.fail('expected P or A before KEM parameters', at)
  },
}

function readKeys(reader: ByteReader): Pick<E2eParams, 'key1' | 'key2'> {
  const key1 = dhKeyCodec.decode(reader)
  const at = reader.offset
  const key2 = dhKeyCodec.decode(reader)
  if (key1.algorithm !== key2.algorithm) reader.fail('key agreement keys of different algorithms', at)
  return { key1, key2 }
}

/** Version, two keys, and from version 3 the optional KEM part: 140, 141, 1,302 or 2,343 bytes with X448. */
export const e2eParamsCodec: Codec<E2eParams> = {
  encode(writer, { version, key1, key2, kem }) {
    writer.word16(version)
    dhKeyCodec.encode(writer, key1)
    dhKeyCodec.encode(writer, key2)
    if (version >= KEM_E2E_VERSION) writer.maybe(kem, kemParamsCodec.encode)
  },
  decode(reader) {
    const version = reader.word16()
    const keys = readKeys(reader)
    const kem = version >= KEM_E2E_VERSION ? reader.maybe(kemParamsCodec.decode) : undefined
    return { version, ...keys, ...(kem && { kem }) }
  },
}

/** Version range, two keys and the optional KEM part, whose byte is there in every version: `spec/agent.md §2.3`. */
export const e2eParamsUriCodec: Codec<E2eParamsUri> = {
  encode(writer, { versions, key1, key2, kem }) {
    versionRangeCodec.encode(writer, versions)
    dhKeyCodec.encode(writer, key1)
    dhKeyCodec.encode(writer, key2)
    writer.maybe(kem, kemParamsCodec.encode)
  },
  decode(reader) {
    const versions = versionRangeCodec.decode(reader)
    const keys = readKeys(reader)
    const kem = reader.maybe(kemParamsCodec.decode)
    return { versions, ...keys, ...(kem && { kem }) }
  },
}

function readKeyPair(reader: ByteReader): KemKeyPair {
  const publicKey = readPublicKey(reader)
  return { publicKey, secretKey: largeOf(reader, SNTRUP761_SECRET_KEY_LENGTH, 'KEM secret key') }
}

/** How the private half is stored: `P` public secret | `A` ciphertext, short shared secret, public secret. */
export const privateKemParamsCodec: Codec<PrivateKemParams> = {
  encode(writer, kem) {
    writer.literal(kem.type === 'proposed' ? 'P' : 'A')
    if (kem.type === 'accepted') writer.large(kem.ciphertext).shortString(kem.sharedSecret)
    writer.large(kem.keyPair.publicKey).large(kem.keyPair.secretKey)
  },
  decode(reader) {
    const at = reader.offset
    const tag = String.fromCharCode(reader.byte())
    if (tag === 'P') return { type: 'proposed', keyPair: readKeyPair(reader) }
    if (tag !== 'A') return reader.fail('expected P or A before private KEM parameters', at)
    const ciphertext = readCiphertext(reader)
    const secretAt = reader.offset
    const sharedSecret = reader.shortString()
    if (sharedSecret.length !== SNTRUP761_SHARED_SECRET_LENGTH) {
      reader.fail(`KEM shared secret of ${sharedSecret.length} bytes`, secretAt)
    }
    return { type: 'accepted', ciphertext, sharedSecret, keyPair: readKeyPair(reader) }
  },
}

/** The parameters for one version of the range. */
export function e2eParamsOfVersion({ versions: _, ...params }: E2eParamsUri, version: number): E2eParams {
  return { version, ...params }
}

/** The parameters for a range of versions. */
export function e2eParamsUriOf({ version: _, ...params }: E2eParams, versions: VersionRange): E2eParamsUri {
  return { versions, ...params }
}
