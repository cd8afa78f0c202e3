import { type DhAlgorithm, dhKeyCodec, type PublicKey } from '@parley/core/crypto'
import type { ByteReader, ByteWriter, Codec } from '@parley/core/encoding'
import { KEM_E2E_VERSION, type KemParams, kemParamsCodec } from './params.ts'

const IV_LENGTH = 16
const TAG_LENGTH = 16
/** Encrypted headers are longer than this, so a first byte below it is the high byte of a two-byte length. */
const ONE_BYTE_LENGTH_MIN = 32

/** Padded lengths of a header without and with room for KEM keys: `spec/pqdr.md §5`. */
export const PADDED_HEADER_LENGTH = 88
export const PADDED_KEM_HEADER_LENGTH = 2310

/** Length that the header is padded to, in bytes, its two length bytes included. */
export function paddedHeaderLength(version: number, supportKem: boolean): number {
  return supportKem && version >= KEM_E2E_VERSION ? PADDED_KEM_HEADER_LENGTH : PADDED_HEADER_LENGTH
}

/** Header of a ratchet message, before encryption. */
export interface MessageHeader {
  /** Highest version that the sender supports; the current one is outside the encryption. */
  readonly maxVersion: number
  readonly dhKey: PublicKey<DhAlgorithm>
  readonly kem?: KemParams
  /** Messages in the sender's previous chain (PN). */
  readonly previousSndCount: number
  /** Number of the message in its chain (Ns). */
  readonly number: number
}

/** What a header's layout depends on: the version outside its encryption. */
export interface HeaderContext {
  readonly version: number
}

/** Version, key, from version 3 the optional KEM part, PN, Ns: `spec/pqdr.md §5`. */
export const messageHeaderCodec: Codec<MessageHeader, HeaderContext> = {
  encode(writer, header, { version }) {
    writer.word16(header.maxVersion)
    dhKeyCodec.encode(writer, header.dhKey)
    if (version >= KEM_E2E_VERSION) writer.maybe(header.kem, kemParamsCodec.encode)
    writer.word32(header.previousSndCount).word32(header.number)
  },
  decode(reader, { version }) {
    const maxVersion = reader.word16()
    const dhKey = dhKeyCodec.decode(reader)
    const kem = version >= KEM_E2E_VERSION ? reader.maybe(kemParamsCodec.decode) : undefined
    const previousSndCount = reader.word32()
    return { maxVersion, dhKey, ...(kem && { kem }), previousSndCount, number: reader.word32() }
  },
}

/** A header as it is sent. */
export interface EncryptedHeader {
  /** The sender's current version. */
  readonly version: number
  /** 16 bytes. */
  readonly iv: Uint8Array
  /** 16 bytes. */
  readonly tag: Uint8Array
  readonly body: Uint8Array
}

/** Version, IV, tag and body with a length prefix: 123, 124 or 2,346 bytes. */
export const encryptedHeaderCodec: Codec<EncryptedHeader> = {
  encode(writer, { version, iv, tag, body }) {
    writer.word16(version).bytes(iv).bytes(tag)
    writePrefixed(writer, version, body)
  },
  decode(reader) {
    const version = reader.word16()
    const iv = reader.bytes(IV_LENGTH)
    const tag = reader.bytes(TAG_LENGTH)
    return { version, iv, tag, body: readPrefixed(reader) }
  },
}

/** A ratchet message as it is sent; `header` is an encoded {@link EncryptedHeader}, part of the body's AD. */
export interface EncryptedMessage {
  readonly header: Uint8Array
  /** 16 bytes. */
  readonly tag: Uint8Array
  readonly body: Uint8Array
}

/** Header with a length prefix of the version's size, tag, body. */
export const encryptedMessageCodec: Codec<EncryptedMessage, HeaderContext> = {
  encode(writer, { header, tag, body }, { version }) {
    writePrefixed(writer, version, header)
    writer.bytes(tag).bytes(body)
  },
  decode(reader) {
    const header = readPrefixed(reader)
    const tag = reader.bytes(TAG_LENGTH)
    return { header, tag, body: reader.tail() }
  },
}

/** Two-byte length from version 3, one byte before. */
function writePrefixed(writer: ByteWriter, version: number, bytes: Uint8Array): void {
  if (version >= KEM_E2E_VERSION) writer.large(bytes)
  else writer.shortString(bytes)
}

/** Either length, told apart by the first byte, so that a version may rise within one message. */
function readPrefixed(reader: ByteReader): Uint8Array {
  const first = reader.peek()
  if (first === undefined) return reader.fail('expected a length')
  return first < ONE_BYTE_LENGTH_MIN ? reader.large() : reader.shortString()
}
