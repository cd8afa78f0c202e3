import { toBase64urlUnpadded } from '@parley/core/encoding'
import { readHost, type SmpServer } from '@parley/smp/protocol'
import { formatQuery, Query, type QueryEntries } from './query.ts'
import { readHosts } from './queue-uri-text.ts'
import { type ContactLinkType, contactTypeChar, contactTypeOf, type ShortLink } from './short-link.ts'
import { TextPart } from './text-part.ts'

const SIMPLEX = 'simplex:/'
const HTTPS = 'https://'

/** The text form: `spec/agent.md §2.4`. */
export function formatShortLink(link: ShortLink): string {
  const { server, scheme, linkKey } = link
  const [host, ...others] = server.hosts
  const head = scheme === 'https' ? `${HTTPS}${host}/` : SIMPLEX
  const id = link.mode === 'invitation' ? `${toBase64urlUnpadded(link.linkId)}/` : ''
  const query = formatQuery(serverEntries(server, scheme === 'https' ? others : server.hosts))
  return `${head}${typeChar(link)}#${id}${toBase64urlUnpadded(linkKey)}${query && `?${query}`}`
}

/**
 * Reads short links with both schemes. A link that names a host alone has a server without port and key hash.
 * @throws DecodeError
 */
export function parseShortLink(text: string): ShortLink {
  return readShortLink(new TextPart(text))
}

/** {@link parseShortLink} of a part of a larger text. */
export function readShortLink(part: TextPart): ShortLink {
  const { scheme, host, rest } = readAuthority(part)
  const [typePart, afterHash] = rest.cut('#') ?? rest.fail('short link without a key', rest.text.length)
  const contactType = readType(typePart)
  const [idsPart, queryPart] = afterHash.cut('?') ?? [afterHash, undefined]
  const server = readServer(host, queryPart, part)
  if (contactType) return { mode: 'contact', scheme, contactType, server, linkKey: idsPart.base64url() }
  const [linkId, linkKey] = idsPart.cut('/') ?? idsPart.fail('invitation link without an id')
  return { mode: 'invitation', scheme, server, linkId: linkId.base64url(), linkKey: linkKey.base64url() }
}

function typeChar(link: ShortLink): string {
  return link.mode === 'invitation' ? 'i' : contactTypeChar(link.contactType).toLowerCase()
}

function serverEntries({ port, keyHash }: SmpServer, hosts: readonly string[]): QueryEntries {
  const entries: Array<readonly [string, string]> = []
  if (hosts.length > 0) entries.push(['h', hosts.join(',')])
  if (port !== '') entries.push(['p', port])
  if (keyHash.length > 0) entries.push(['c', toBase64urlUnpadded(keyHash)])
  return entries
}

interface Authority {
  readonly scheme: ShortLink['scheme']
  readonly host?: string
  readonly rest: TextPart
}

function readAuthority(part: TextPart): Authority {
  if (part.text.startsWith(SIMPLEX)) return { scheme: 'simplex', rest: part.slice(SIMPLEX.length) }
  if (!part.text.startsWith(HTTPS)) return part.fail('not a short link')
  const [hostPart, rest] = part.slice(HTTPS.length).cut('/') ?? part.fail('not a short link', part.text.length)
  return { scheme: 'https', host: readHost(hostPart.text) ?? hostPart.fail('not a host'), rest }
}

/** Undefined for an invitation; contact types are read in either case. */
function readType(part: TextPart): ContactLinkType | undefined {
  const char = part.text.charAt(0)
  const after = part.text.slice(1)
  const type = contactTypeOf(char.toUpperCase())
  if ((after !== '' && after !== '/') || (char !== 'i' && !type)) part.fail('unknown type of a short link')
  return type
}

function readServer(host: string | undefined, queryPart: TextPart | undefined, link: TextPart): SmpServer {
  const query = queryPart && new Query(queryPart)
  const hostsPart = query?.get('h')
  const [first, ...rest] = [...(host === undefined ? [] : [host]), ...(hostsPart ? readHosts(hostsPart) : [])]
  if (first === undefined) return link.fail('short link without a server')
  const portPart = query?.get('p')
  const hashPart = query?.get('c')
  return {
    hosts: [first, ...rest],
    port: portPart ? readPort(portPart) : '',
    keyHash: hashPart ? hashPart.base64url() : new Uint8Array(),
  }
}

function readPort(part: TextPart): string {
  const port = Number(part.text)
  return /^\d+$/.test(part.text) && port <= 0xffff ? String(port) : part.fail('not a port')
}
