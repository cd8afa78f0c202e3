import type { AddressInfo, Socket } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import type { PrivateKey, SignatureAlgorithm } from '../crypto/index.ts'
import type { BlockConnection } from './block-connection.ts'
import { NetworkError } from './errors.ts'
import { TlsBlockConnection } from './tls-block-connection.ts'
import {
  pemCredentials,
  ROUTER_ALPN,
  SERVER_SECURE_OPTIONS,
  TLS_PARAMETERS,
  TLS_SETUP_TIMEOUT,
} from './tls-parameters.ts'

/** Length of the kernel's queue of connections to accept: `spec/smp.md §2.1`. */
const BACKLOG = 1024

/** What a router shows to its clients. */
export interface ServerCertificates {
  /** DER; its SHA-256 is the fingerprint in the address. */
  readonly identityCertificate: Uint8Array
  /** DER, signed by the identity. */
  readonly serverCertificate: Uint8Array
  readonly serverKey: PrivateKey<SignatureAlgorithm>
}

export interface ListenTlsOptions {
  /** Address to listen on. Default: all, IPv6 and IPv4. */
  readonly host?: string | undefined
  /** 0 for any free port. */
  readonly port: number
  readonly certificates: ServerCertificates
  /** ALPN protocols in order of preference. Default {@link ROUTER_ALPN}. */
  readonly alpn?: readonly string[] | undefined
  /** Called once for each connection that has finished TLS. When it throws or rejects the connection is ended. */
  readonly onConnection: (connection: BlockConnection) => void | Promise<void>
  /** Told about connections that fail before that, and about what `onConnection` throws; for counting and logs. */
  readonly onError?: ((error: Error) => void) | undefined
  /** Time for the TLS handshake, milliseconds. Default {@link TLS_SETUP_TIMEOUT}. */
  readonly setupTimeoutMs?: number | undefined
  /** TCP connections at a time, including those in the handshake; further ones are closed at once. */
  readonly maxConnections?: number | undefined
}

/** A listening router port. */
export interface TlsListener {
  /** Address that the system chose or was given. */
  readonly address: string
  readonly port: number
  /** Number of TCP connections, including those in the handshake. */
  readonly connectionCount: number
  /** Stops listening and ends all connections at once. */
  close(): Promise<void>
}

/**
 * Listens for TLS connections of clients: `spec/smp.md §2.1`. Nothing that a client does makes it stop.
 * @throws NetworkError CONNECT when the port cannot be opened
 */
export async function listenTls(options: ListenTlsOptions): Promise<TlsListener> {
  const { identityCertificate, serverCertificate, serverKey } = options.certificates
  const preferences = options.alpn ?? ROUTER_ALPN
  const server = createServer({
    ...TLS_PARAMETERS,
    ...pemCredentials({ certificates: [serverCertificate, identityCertificate], key: serverKey }),
    secureOptions: SERVER_SECURE_OPTIONS,
    // Not ALPNProtocols, of which every connection would keep a copy that holds on to a pool of 64 KiB.
    ALPNCallback: ({ protocols }) => preferences.find((protocol) => protocols.includes(protocol)),
    handshakeTimeout: options.setupTimeoutMs ?? TLS_SETUP_TIMEOUT,
    noDelay: true,
    // Certificates of services are self-signed and are checked in the protocol's handshake.
    requestCert: true,
    rejectUnauthorized: false,
  })
  if (options.maxConnections !== undefined) server.maxConnections = options.maxConnections
  const sockets = trackSockets(server)
  const report = options.onError ?? (() => {})
  server.on('tlsClientError', (cause, socket) => {
    // Without a listener an error while the socket goes down would end the process.
    socket.on('error', () => {})
    socket.destroy()
    report(new NetworkError('TLS', `TLS handshake: ${cause.message}`, { cause }))
  })
  server.on('secureConnection', (socket) => serve(socket, options.onConnection, report))
  const { address, port } = await listen(server, options)
  // After the start an error means that accepting failed, for instance for want of file descriptors.
  server.on('error', report)
  return {
    address,
    port,
    get connectionCount() {
      return sockets.size
    },
    async close() {
      const { promise, resolve } = Promise.withResolvers<void>()
      server.close(() => resolve())
      for (const socket of sockets) socket.destroy()
      await promise
    },
  }
}

/** The TCP sockets that are open: the server itself does not tell which. */
function trackSockets(server: Server): Set<Socket> {
  const sockets = new Set<Socket>()
  function forget(this: Socket) {
    sockets.delete(this)
  }
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', forget)
  })
  return sockets
}

function serve(
  socket: TLSSocket,
  onConnection: ListenTlsOptions['onConnection'],
  report: (error: Error) => void,
): void {
  const connection = new TlsBlockConnection(socket, 'server')
  const fail = (reason: unknown) => {
    const error = reason instanceof Error ? reason : new Error(String(reason))
    connection.destroy(error)
    report(error)
  }
  try {
    onConnection(connection)?.catch(fail)
  } catch (error) {
    fail(error)
  }
}

function listen(server: Server, { host, port }: ListenTlsOptions): Promise<AddressInfo> {
  const { promise, resolve, reject } = Promise.withResolvers<AddressInfo>()
  const fail = (cause: Error) => reject(new NetworkError('CONNECT', `cannot listen: ${cause.message}`, { cause }))
  server.once('error', fail)
  server.listen({ port, backlog: BACKLOG, ...(host !== undefined && { host }) }, () => {
    server.off('error', fail)
    resolve(server.address() as AddressInfo)
  })
  return promise
}
