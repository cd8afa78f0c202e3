import {
  type BlockConnection,
  chooseHost,
  connectTls,
  NetworkError,
  SMP_ALPN,
  type SocksRoute,
  socksCredentials,
  usesSocks,
} from '@parley/core/transport'
import { SMP_VERSIONS, type SmpServer, smpServerPort } from '../protocol/index.ts'
import { clientHandshake, type SmpSession } from './handshake.ts'
import { CONNECT_TIMEOUTS, type NetworkOptions, type SmpClientOptions } from './options.ts'

/** Where SMP is offered on web servers: `spec/smp.md §9.3`. */
const WEB_PORT = 443
const WEB_ALPN = ['http/1.1']

/** A connection with its handshake done. */
export interface OpenSession {
  readonly connection: BlockConnection
  readonly session: SmpSession
}

/**
 * Connects to one of the server's hosts and does both handshakes, all within the connect timeout.
 * @throws NetworkError; TransportError; the signal's reason when it aborts
 */
export async function openSession(server: SmpServer, options: SmpClientOptions): Promise<OpenSession> {
  const { network = {}, service, signal } = options
  const timeoutMs = (options.connectTimeouts ?? CONNECT_TIMEOUTS)[options.mode ?? 'background']
  const deadline = performance.now() + timeoutMs
  const host = chooseHost(server.hosts, {
    hostMode: network.hostMode,
    requiredHostMode: network.requiredHostMode,
    viaSocks: network.socksProxy !== undefined,
  })
  const isWeb = network.webPort === true && server.port === ''
  const alpn = isWeb ? WEB_ALPN : (options.alpn ?? SMP_ALPN)
  const connection = await connectTls({
    host,
    port: isWeb ? WEB_PORT : smpServerPort(server),
    keyHash: server.keyHash,
    alpn: alpn.length > 0 ? alpn : undefined,
    clientCertificate: service?.credentials,
    socksProxy: socksRoute(host, network),
    timeoutMs,
    signal,
  })
  const timer = setTimeout(
    () => connection.destroy(new NetworkError('TIMEOUT', `no handshake within ${timeoutMs} ms`)),
    deadline - performance.now(),
  )
  try {
    const session = await clientHandshake(connection, {
      keyHash: server.keyHash,
      versions: options.versions ?? SMP_VERSIONS,
      agreeSecret: options.agreeSecret ?? true,
      proxyServer: options.proxyServer ?? false,
      service,
      signal,
    })
    return { connection, session }
  } catch (error) {
    connection.destroy()
    throw error
  } finally {
    clearTimeout(timer)
  }
}

function socksRoute(host: string, { socksProxy, socksMode, isolation }: NetworkOptions): SocksRoute | undefined {
  if (!socksProxy || !usesSocks(host, socksMode)) return undefined
  return { proxy: socksProxy, credentials: socksCredentials(socksProxy, isolation) }
}
