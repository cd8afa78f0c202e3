import { isIP } from 'node:net'
import { DecodeError } from '@parley/core/encoding'
import { publicKeyOfPeerId } from './peer-id.ts'

/** How the host of a multiaddr is written. */
export type HostProtocol = 'dns4' | 'dns6' | 'dns' | 'ip4' | 'ip6'

/** Where a peer listens: `/dns4/<host>/tcp/<port>`, with `/p2p/<peer id>` when the peer is named. */
export interface PeerAddress {
  readonly protocol: HostProtocol
  readonly host: string
  /** 1 to 65535. */
  readonly port: number
  readonly peerId?: string
}

const HOST_PROTOCOLS: ReadonlySet<string> = new Set<HostProtocol>(['dns4', 'dns6', 'dns', 'ip4', 'ip6'])
const HOST_NAME = /^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?$/

/** The text form of a peer's address. */
export function formatPeerAddress({ protocol, host, port, peerId }: PeerAddress): string {
  return `/${protocol}/${host}/tcp/${port}${peerId === undefined ? '' : `/p2p/${peerId}`}`
}

/** The address that the network announces, whatever kind of host it is: always `/dns4/`, as the Go node has it. */
export function announcedAddress({ host, port }: HostPort, peerId: string): string {
  return formatPeerAddress({ protocol: 'dns4', host, port, peerId })
}

/**
 * Reads a multiaddr of the network; others (relayed, udp, …) are refused. `/ipfs/` is the older name of `/p2p/`.
 * @throws DecodeError
 */
export function parsePeerAddress(text: string): PeerAddress {
  const [empty, protocol = '', host = '', tcp, portText = '', p2p, peerId, ...rest] = text.split('/')
  if (empty !== '' || tcp !== 'tcp' || rest.length > 0) throw new DecodeError('not a TCP multiaddr', 0)
  if (!isHostProtocol(protocol) || !isHost(protocol, host)) throw new DecodeError('multiaddr without a host', 0)
  const address = { protocol, host, port: parsePort(portText) }
  if (p2p === undefined) return address
  if ((p2p !== 'p2p' && p2p !== 'ipfs') || peerId === undefined) throw new DecodeError('not a TCP multiaddr', 0)
  publicKeyOfPeerId(peerId)
  return { ...address, peerId }
}

/** A host and a port, as in `AEA_P2P_URI`. */
export interface HostPort {
  readonly host: string
  /** 0 to 65535; 0 where the system chooses. */
  readonly port: number
}

/**
 * Reads `host:port`; an IPv6 host may stand in brackets.
 * @throws DecodeError
 */
export function parseHostPort(text: string): HostPort {
  const colon = text.lastIndexOf(':')
  if (colon < 0) throw new DecodeError('host:port expected', 0)
  const bracketed = /^\[(.*)\]$/.exec(text.slice(0, colon))
  const host = bracketed?.[1] ?? text.slice(0, colon)
  const valid = bracketed ? isIP(host) === 6 : isIP(host) === 4 || HOST_NAME.test(host)
  if (!valid) throw new DecodeError('host:port without a host', 0)
  const portText = text.slice(colon + 1)
  return { host, port: portText === '0' ? 0 : parsePort(portText) }
}

function isHostProtocol(text: string): text is HostProtocol {
  return HOST_PROTOCOLS.has(text)
}

function isHost(protocol: HostProtocol, host: string): boolean {
  if (protocol === 'ip4') return isIP(host) === 4
  if (protocol === 'ip6') return isIP(host) === 6
  return HOST_NAME.test(host)
}

function parsePort(text: string): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0
  if (port < 1 || port > 65_535) throw new DecodeError('port expected', 0)
  return port
}
