import { isIPv6 } from 'node:net'

/** What a host of an address is, which decides how it is connected to: `spec/smp.md §1`, Hosts. */
export type HostKind = 'ipv4' | 'ipv6' | 'onion' | 'domain'

const IPV4_SHAPE = /^\d+\.\d+\.\d+\.\d+$/
const ONION = /^[a-z0-9]*\.onion$/
const DOMAIN = /^[^:#,;/ \n\r\t]+$/
const BARE_IPV6 = /^[0-9a-fA-F:.]+$/
const MAX_HOST_LENGTH = 255

function classify(host: string): HostKind | undefined {
  if (IPV4_SHAPE.test(host)) return host.split('.').every((part) => Number(part) <= 255) ? 'ipv4' : undefined
  if (BARE_IPV6.test(host) && isIPv6(host)) return 'ipv6'
  if (ONION.test(host)) return 'onion'
  if (host.endsWith('.onion') || !DOMAIN.test(host)) return undefined
  return 'domain'
}

function stripBrackets(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
}

/**
 * The kind of a host as {@link readHost} gives it.
 * @throws TypeError for text that is no host
 */
export function hostKind(host: string): HostKind {
  const kind = classify(host)
  if (kind === undefined) throw new TypeError('not a host')
  return kind
}

/** True for hosts that only the Tor network reaches. */
export function isOnionHost(host: string): boolean {
  return classify(host) === 'onion'
}

/**
 * The canonical text of a host: IPv4 without leading zeros, IPv6 compressed and without brackets, others unchanged;
 * undefined when the text is no host.
 */
export function readHost(text: string): string | undefined {
  const bracketed = text.startsWith('[')
  const host = bracketed ? stripBrackets(text) : text
  if (Buffer.byteLength(host, 'utf8') > MAX_HOST_LENGTH) return undefined
  const kind = classify(host)
  if (kind === undefined || (bracketed && kind !== 'ipv6')) return undefined
  if (kind === 'ipv4') return host.split('.').map(Number).join('.')
  if (kind !== 'ipv6') return host
  // URL compresses addresses but would turn an embedded dotted quad into hexadecimal, which the originals keep.
  return host.includes('.') ? host.toLowerCase() : stripBrackets(new URL(`http://[${host}]`).hostname)
}
