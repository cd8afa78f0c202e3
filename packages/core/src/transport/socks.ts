import { createHash } from 'node:crypto'
import { connect, isIP, type Socket } from 'node:net'
import { SocksClient } from 'socks'
import { DecodeError } from '../encoding/index.ts'
import { NetworkError, reasonOf } from './errors.ts'

const DEFAULT_HOST = '127.0.0.1'
const DEFAULT_PORT = 9050

/** User name and password at the proxy. */
export interface SocksCredentials {
  readonly username: string
  readonly password: string
}

/** Where the SOCKS5 proxy is and how to log in there. */
export interface SocksProxy {
  /** IPv4 or IPv6 address. */
  readonly host: string
  readonly port: number
  /**
   * `isolate`: credentials derived from the transport session, so that Tor keeps circuits apart (default);
   * `none`: no credentials; or those given.
   */
  readonly auth: 'isolate' | 'none' | SocksCredentials
}

/**
 * Reads `[user:password@|@][address][:port]`; the defaults are 127.0.0.1 and 9050, `@` alone means no credentials.
 * @throws DecodeError
 */
export function parseSocksProxy(text: string): SocksProxy {
  const match =
    /^(?:(?<username>[^:@]*):(?<password>[^@]*)@|(?<none>@))?(?<host>\[[^\]]*\]|[^:[\]]*)(?::(?<port>\d{1,5}))?$/.exec(
      text,
    )
  if (!match?.groups) throw new DecodeError('not a SOCKS proxy address', 0)
  const { username, password, none, host = '', port } = match.groups
  const address = host.startsWith('[') ? host.slice(1, -1) : host
  if (host !== '' && isIP(address) === 0) throw new DecodeError('SOCKS proxy host must be an IP address', 0)
  const portNumber = port === undefined ? DEFAULT_PORT : Number(port)
  if (portNumber < 1 || portNumber > 65535) throw new DecodeError('port of the SOCKS proxy is out of range', 0)
  const auth = username !== undefined && password !== undefined ? { username, password } : none ? 'none' : 'isolate'
  return { host: address || DEFAULT_HOST, port: portNumber, auth }
}

/** The text that {@link parseSocksProxy} reads. */
export function formatSocksProxy({ host, port, auth }: SocksProxy): string {
  const prefix = auth === 'isolate' ? '' : auth === 'none' ? '@' : `${auth.username}:${auth.password}@`
  return `${prefix}${isIP(host) === 6 ? `[${host}]` : host}:${port}`
}

/** Whom a connection belongs to: connections that differ in what is given get different circuits. */
export interface SocksIsolation {
  /** The application's user. */
  readonly userId: string | number
  /** Names the period between restarts of the network, for the modes session, server and entity. */
  readonly session?: string
  /** Text of the server's address, for the modes server and entity; needs `session`. */
  readonly server?: string
  /** Connection id, for the mode entity; needs `server`. */
  readonly entity?: string
}

/** Credentials that isolate: base64 of a SHA-256 as user name, no password. `spec/smp.md §9`, SOCKS isolation. */
export function isolationCredentials({ userId, session, server, entity }: SocksIsolation): SocksCredentials {
  let text = `${userId}`
  if (session !== undefined) text += `:${session}`
  if (server !== undefined) text += `@${server}`
  if (entity !== undefined) text += `/${entity}`
  return { username: createHash('sha256').update(text).digest('base64'), password: '' }
}

/** Credentials for this proxy, undefined for none. */
export function socksCredentials(proxy: SocksProxy, isolation?: SocksIsolation): SocksCredentials | undefined {
  if (proxy.auth === 'none') return undefined
  if (proxy.auth !== 'isolate') return proxy.auth
  return isolation && isolationCredentials(isolation)
}

/** A TCP connection to a host through a proxy; the proxy resolves the name. */
export interface SocksRoute {
  readonly proxy: { readonly host: string; readonly port: number }
  readonly credentials?: SocksCredentials | undefined
}

/**
 * Connects to `host:port` through the proxy.
 * @throws NetworkError CONNECT; the signal's reason when it aborts
 */
export async function connectThroughSocks(
  { proxy, credentials }: SocksRoute,
  destination: { readonly host: string; readonly port: number },
  signal: AbortSignal,
): Promise<Socket> {
  const socket = connect({ host: proxy.host, port: proxy.port, noDelay: true })
  const abort = () => socket.destroy()
  signal.addEventListener('abort', abort, { once: true })
  try {
    await connected(socket)
    await SocksClient.createConnection({
      command: 'connect',
      proxy: {
        ...proxy,
        type: 5,
        ...(credentials && { userId: credentials.username, password: credentials.password }),
      },
      destination: { ...destination },
      existing_socket: socket,
    })
    signal.throwIfAborted()
    return socket
  } catch (cause) {
    socket.destroy()
    signal.throwIfAborted()
    throw new NetworkError('CONNECT', `SOCKS proxy: ${reasonOf(cause)}`, { cause })
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

function connected(socket: Socket): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  socket.once('connect', () => resolve())
  socket.once('error', reject)
  socket.once('close', () => reject(new Error('connection closed')))
  return promise
}
