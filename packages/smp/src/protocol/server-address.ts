import { DecodeError, EncodeError, fromBase64url, toBase64url } from '@parley/core/encoding'
import { isPassword } from './fields.ts'
import { hostKind, readHost } from './host.ts'
import { isPort } from './server-codec.ts'
import type { SmpServer, SmpServerWithAuth } from './types.ts'

/** Port of SMP routers whose address names none: `spec/smp.md §1`. */
export const DEFAULT_SMP_PORT = 5223

/** The protocols whose routers have addresses of this form. */
export type ServerScheme = 'smp' | 'xftp' | 'ntf'

const ADDRESS = /^(smp|xftp|ntf):\/\/([A-Za-z0-9_-]+=*)(?::([^@]+))?@(.+)$/s
// Bare IPv6 addresses take every colon, as in the originals; a port can only follow brackets.
const HOST = /\[[^\]]*\]|[0-9a-fA-F]*:[0-9a-fA-F:]*:[0-9a-fA-F:.]*|[^:#,;/ \n\r\t]+/y

function readHosts(text: string, start: number): { hosts: [string, ...string[]]; end: number } {
  const hosts: string[] = []
  let at = start
  do {
    if (hosts.length > 0) at++
    HOST.lastIndex = at
    const match = HOST.exec(text)
    const host = match ? readHost(match[0]) : undefined
    if (match === null || host === undefined) throw new DecodeError('not a host', at)
    hosts.push(host)
    at += match[0].length
  } while (text[at] === ',')
  const [first, ...rest] = hosts
  if (first === undefined) throw new DecodeError('address without a host', at)
  return { hosts: [first, ...rest], end: at }
}

function readPort(text: string, at: number): string {
  if (at === text.length) return ''
  const port = text.slice(at + 1)
  if (text[at] !== ':' || port === '' || !isPort(port)) throw new DecodeError('not a port', at)
  return String(Number(port))
}

/**
 * Reads `<scheme>://<base64url keyhash>[:<password>]@host[,host...][:port]`: `spec/smp.md §1`.
 * @throws DecodeError with the offset in characters
 */
export function parseServerAddress(text: string): SmpServerWithAuth & { readonly scheme: ServerScheme } {
  const match = ADDRESS.exec(text)
  if (!match) throw new DecodeError('not a server address', 0)
  const [, scheme = '', hash = '', password, authority = ''] = match
  const keyHash = fromBase64url(hash, scheme.length + 3)
  const hostsAt = text.length - authority.length
  if (password !== undefined && !isPassword(password)) {
    throw new DecodeError('password has characters that are not allowed', hostsAt - password.length - 1)
  }
  const { hosts, end } = readHosts(text, hostsAt)
  const server: SmpServer = { hosts, port: readPort(text, end), keyHash }
  return { scheme: scheme as ServerScheme, server, ...(password !== undefined && { password }) }
}

/**
 * Writes what {@link parseServerAddress} reads. IPv6 hosts stand in brackets, so that a port can follow; both the
 * originals and this parser read them. `bareIpv6` leaves them out, as the originals print.
 */
export function formatServerAddress(
  scheme: ServerScheme,
  { server, password }: SmpServerWithAuth,
  { bareIpv6 = false }: { readonly bareIpv6?: boolean } = {},
): string {
  if (password !== undefined && (password === '' || !isPassword(password))) {
    throw new EncodeError('password has characters that are not allowed')
  }
  const hosts = server.hosts.map((host) => (!bareIpv6 && hostKind(host) === 'ipv6' ? `[${host}]` : host))
  const credentials = password === undefined ? '' : `:${password}`
  const port = server.port === '' ? '' : `:${server.port}`
  return `${scheme}://${toBase64url(server.keyHash)}${credentials}@${hosts.join(',')}${port}`
}

/**
 * Reads the address of an SMP router: `spec/smp.md §1`.
 * @throws DecodeError also for routers of other protocols
 */
export function parseSmpServer(text: string): SmpServerWithAuth {
  const { scheme, ...address } = parseServerAddress(text)
  if (scheme !== 'smp') throw new DecodeError('not the address of an SMP router', 0)
  return address
}

/** The address of an SMP router, with the password when given. */
export function formatSmpServer(server: SmpServer, password?: string): string {
  return formatServerAddress('smp', { server, ...(password !== undefined && { password }) })
}

/** The port to connect to: the one of the address or the default. */
export function smpServerPort(server: SmpServer): number {
  return server.port === '' ? DEFAULT_SMP_PORT : Number(server.port)
}
