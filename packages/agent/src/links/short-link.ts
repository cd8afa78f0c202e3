import { type ByteReader, type Codec, equalBytes } from '@parley/core/encoding'
import { type EntityId, type SmpServer, smpServerCodec } from '@parley/smp/protocol'
import { sameServerAddress } from './queue-address.ts'

/** What a contact short link leads to: a person's address, a channel, a group or a relay. */
export type ContactLinkType = 'contact' | 'channel' | 'group' | 'relay'

/** How a short link is written: as a page of its first host or with the application's scheme. */
export type ShortLinkScheme = 'https' | 'simplex'

interface ShortLinkBase {
  readonly scheme: ShortLinkScheme
  /** In a link of a preset server only the first host may be known; see {@link restoreShortLink}. */
  readonly server: SmpServer
  /** SHA3-256 of the fixed link data: 32 bytes. Decrypts and proves what the router keeps. */
  readonly linkKey: Uint8Array
}

/** One-time link; the router names it. */
export interface InvitationShortLink extends ShortLinkBase {
  readonly mode: 'invitation'
  /** 24 bytes. */
  readonly linkId: EntityId
}

/** Link of a contact address; its id comes from the key. */
export interface ContactShortLink extends ShortLinkBase {
  readonly mode: 'contact'
  readonly contactType: ContactLinkType
}

/** `spec/agent.md §2.4`. */
export type ShortLink = InvitationShortLink | ContactShortLink

const TYPE_CHARS: ReadonlyArray<readonly [string, ContactLinkType]> = [
  ['A', 'contact'],
  ['C', 'channel'],
  ['G', 'group'],
  ['R', 'relay'],
]

/** `A`, `C`, `G` or `R`. */
export function contactTypeChar(type: ContactLinkType): string {
  const entry = TYPE_CHARS.find(([, name]) => name === type)
  if (!entry) throw new TypeError('unknown contact link type')
  return entry[0]
}

/** The type of a character, or undefined. */
export function contactTypeOf(char: string): ContactLinkType | undefined {
  return TYPE_CHARS.find(([letter]) => letter === char)?.[1]
}

function readContactType(reader: ByteReader): ContactLinkType {
  const at = reader.offset
  return contactTypeOf(String.fromCharCode(reader.byte())) ?? reader.fail('unknown type of a contact link', at)
}

/** `I` server id key | `C` type server key: `spec/agent.md §2.3`. The scheme is not kept: `https` when read. */
export const shortLinkCodec: Codec<ShortLink> = {
  encode(writer, link) {
    if (link.mode === 'invitation') {
      writer.literal('I')
      smpServerCodec.encode(writer, link.server)
      writer.shortString(link.linkId)
    } else {
      writer.literal(`C${contactTypeChar(link.contactType)}`)
      smpServerCodec.encode(writer, link.server)
    }
    writer.shortString(link.linkKey)
  },
  decode(reader) {
    const at = reader.offset
    const tag = String.fromCharCode(reader.byte())
    if (tag === 'I') {
      const server = smpServerCodec.decode(reader)
      const linkId = reader.shortString()
      return { mode: 'invitation', scheme: 'https', server, linkId, linkKey: reader.shortString() }
    }
    if (tag !== 'C') return reader.fail('expected I or C before a short link', at)
    const contactType = readContactType(reader)
    const server = smpServerCodec.decode(reader)
    return { mode: 'contact', scheme: 'https', contactType, server, linkKey: reader.shortString() }
  },
}

/** True for a server of which only the first host is known. */
export function isHostOnly({ hosts, port, keyHash }: SmpServer): boolean {
  return hosts.length === 1 && port === '' && keyHash.length === 0
}

/**
 * Leaves only the first host when the server is one of the presets, which every application knows.
 * @param presets all preset servers, not those that a user configured
 */
export function shortenShortLink<L extends ShortLink>(link: L, presets: readonly SmpServer[]): L {
  const { server } = link
  if (!isPreset(server, presets)) return link
  return { ...link, server: { hosts: [server.hosts[0]], port: '', keyHash: new Uint8Array() } }
}

/** Puts the preset server back that {@link shortenShortLink} left out; other links stay as they are. */
export function restoreShortLink<L extends ShortLink>(link: L, presets: readonly SmpServer[]): L {
  if (!isHostOnly(link.server)) return link
  const preset = findPreset(link.server, presets)
  return preset ? { ...link, server: preset } : link
}

/** True when two contact links lead to the same address. */
export function sameContactLink(a: ContactShortLink, b: ContactShortLink): boolean {
  const sameServer = sameServerAddress(a.server, b.server)
  return a.contactType === b.contactType && sameServer && equalBytes(a.linkKey, b.linkKey)
}

function findPreset(server: SmpServer, presets: readonly SmpServer[]): SmpServer | undefined {
  return presets.find(({ hosts }) => hosts[0] === server.hosts[0])
}

function isPreset(server: SmpServer, presets: readonly SmpServer[]): boolean {
  const preset = findPreset(server, presets)
  if (!preset) return false
  const samePort =
    server.port === preset.port || (preset.port === '' && (server.port === '443' || server.port === '5223'))
  const sameHosts = server.hosts.every((host) => preset.hosts.includes(host))
  return sameHosts && samePort && equalBytes(server.keyHash, preset.keyHash)
}
