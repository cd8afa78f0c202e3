import { ed25519KeyCodec, type PublicKey } from '@parley/core/crypto'
import { ByteReader, type ByteWriter, type Codec, DecodeError, encode } from '@parley/core/encoding'
import { type VersionRange, versionRangeCodec } from '@parley/core/version'
import { type ConnectionRequest, connectionRequestCodec } from './connection-request.ts'
import { type ContactShortLink, shortLinkCodec } from './short-link.ts'

const SIGNATURE_LENGTH = 64
const LARGE_USER_DATA = 255

/** What a short link stands for; its hash is the link's key, so it never changes. */
export interface FixedLinkData {
  readonly agentVersions: VersionRange
  /** Signs this and, for invitations, the user data. */
  readonly rootKey: PublicKey<'ed25519'>
  readonly request: ConnectionRequest
  /** Id that the application gave the entity behind the link. */
  readonly linkEntityId?: Uint8Array
}

/** Another key that may sign a contact address's user data. */
export interface OwnerAuth {
  /** Unique in its list; the application's. */
  readonly ownerId: Uint8Array
  readonly ownerKey: PublicKey<'ed25519'>
  /** Of id and key (SPKI), by the root key or an earlier owner's: 64 bytes. */
  readonly signature: Uint8Array
}

/** User data of a one-time link. */
export interface InvitationUserData {
  readonly mode: 'invitation'
  readonly agentVersions: VersionRange
  readonly userData: Uint8Array
}

/** User data of a contact address. */
export interface ContactUserData {
  readonly mode: 'contact'
  readonly agentVersions: VersionRange
  /** Whether the request in the fixed data may be used to connect. */
  readonly direct: boolean
  readonly owners: readonly OwnerAuth[]
  /** Other addresses that receive requests for this one. */
  readonly relays: readonly ContactShortLink[]
  readonly userData: Uint8Array
}

/** The part of link data that its owner may change. */
export type LinkUserData = InvitationUserData | ContactUserData

/** Versions, root key, request, optional short id; what follows is left for later versions. */
export const fixedLinkDataCodec: Codec<FixedLinkData> = {
  encode(writer, { agentVersions, rootKey, request, linkEntityId }) {
    versionRangeCodec.encode(writer, agentVersions)
    ed25519KeyCodec.encode(writer, rootKey)
    connectionRequestCodec.encode(writer, request)
    if (linkEntityId) writer.shortString(linkEntityId)
  },
  decode(reader) {
    const agentVersions = versionRangeCodec.decode(reader)
    const rootKey = ed25519KeyCodec.decode(reader)
    const request = connectionRequestCodec.decode(reader)
    const linkEntityId = readOptionalId(reader)
    return { agentVersions, rootKey, request, ...(linkEntityId && { linkEntityId }) }
  },
}

/** A short string when the rest of the input starts with one; all the rest is consumed. */
function readOptionalId(reader: ByteReader): Uint8Array | undefined {
  const rest = reader.tail()
  const [length] = rest
  return length !== undefined && rest.length > length ? rest.subarray(1, 1 + length) : undefined
}

/** Bytes signed for an owner: its id and its key. */
export function ownerAuthorization(ownerId: Uint8Array, ownerKey: PublicKey<'ed25519'>): Uint8Array {
  return Buffer.concat([ownerId, ownerKey.spki])
}

/** Short string of short id, key, short signature; what follows inside is left for later versions. */
export const ownerAuthCodec: Codec<OwnerAuth> = {
  encode(writer, owner) {
    writer.shortString(encode(ownerAuthContentCodec, owner))
  },
  decode(reader) {
    const start = reader.offset + 1
    const content = reader.shortString()
    try {
      return ownerAuthContentCodec.decode(new ByteReader(content))
    } catch (error) {
      if (error instanceof DecodeError) return reader.fail(error.reason, start + error.offset)
      throw error
    }
  },
}

const ownerAuthContentCodec: Codec<OwnerAuth> = {
  encode(writer, { ownerId, ownerKey, signature }) {
    writer.shortString(ownerId)
    ed25519KeyCodec.encode(writer, ownerKey)
    writer.shortString(signature)
  },
  decode(reader) {
    const ownerId = reader.shortString()
    const ownerKey = ed25519KeyCodec.decode(reader)
    const at = reader.offset
    const signature = reader.shortString()
    if (signature.length !== SIGNATURE_LENGTH) reader.fail(`signature of ${signature.length} bytes`, at)
    return { ownerId, ownerKey, signature }
  },
}

/** One-byte length up to 254, or 255 and a two-byte length. */
function writeUserData(writer: ByteWriter, userData: Uint8Array): void {
  if (userData.length < LARGE_USER_DATA) writer.shortString(userData)
  else writer.byte(LARGE_USER_DATA).large(userData)
}

function readUserData(reader: ByteReader): Uint8Array {
  if (reader.peek() !== LARGE_USER_DATA) return reader.shortString()
  reader.byte()
  return reader.large()
}

function readRelay(reader: ByteReader): ContactShortLink {
  const at = reader.offset
  const link = shortLinkCodec.decode(reader)
  return link.mode === 'contact' ? link : reader.fail('relay is not a contact link', at)
}

/** `I` versions data | `C` versions direct owners relays data; what follows is left for later versions. */
export const linkUserDataCodec: Codec<LinkUserData> = {
  encode(writer, data) {
    writer.literal(data.mode === 'invitation' ? 'I' : 'C')
    versionRangeCodec.encode(writer, data.agentVersions)
    if (data.mode === 'contact') {
      writer.bool(data.direct)
      writer.list(data.owners, ownerAuthCodec.encode)
      writer.list(data.relays, shortLinkCodec.encode)
    }
    writeUserData(writer, data.userData)
  },
  decode(reader) {
    const at = reader.offset
    const tag = String.fromCharCode(reader.byte())
    if (tag !== 'I' && tag !== 'C') return reader.fail('expected I or C before user data', at)
    const agentVersions = versionRangeCodec.decode(reader)
    const data =
      tag === 'I'
        ? ({ mode: 'invitation', agentVersions, userData: readUserData(reader) } as const)
        : ({ mode: 'contact', agentVersions, ...readContactData(reader) } as const)
    reader.tail()
    return data
  },
}

function readContactData(reader: ByteReader): Omit<ContactUserData, 'mode' | 'agentVersions'> {
  const direct = reader.bool()
  const owners = reader.list(ownerAuthCodec.decode)
  const relays = reader.list(readRelay)
  return { direct, owners, relays, userData: readUserData(reader) }
}
