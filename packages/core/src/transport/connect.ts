import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import { CertificateError, validateChain } from '../certificates/index.ts'
import type { BlockConnection } from './block-connection.ts'
import { NetworkError, reasonOf } from './errors.ts'
import { connectThroughSocks, type SocksRoute } from './socks.ts'
import { TlsBlockConnection } from './tls-block-connection.ts'
import {
  CLIENT_SECURE_OPTIONS,
  KEEP_ALIVE_IDLE,
  pemCredentials,
  TLS_PARAMETERS,
  type TlsCredentials,
} from './tls-parameters.ts'

export interface ConnectTlsOptions {
  /** Name or address; never sent as SNI. */
  readonly host: string
  readonly port: number
  /** SHA-256 of the router's identity certificate, 32 bytes. */
  readonly keyHash: Uint8Array
  /** ALPN protocols to offer, most preferred first; none: the extension is not sent. */
  readonly alpn?: readonly string[] | undefined
  /** Certificate to show, for services. */
  readonly clientCertificate?: TlsCredentials | undefined
  readonly socksProxy?: SocksRoute | undefined
  /** Time for everything from name resolution to the end of the TLS handshake, milliseconds. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

/**
 * Connects to a router and checks its certificate chain: `spec/smp.md §2.1`.
 * @throws NetworkError CONNECT, TLS, UNKNOWNCA or TIMEOUT; the signal's reason when it aborts
 */
export async function connectTls(options: ConnectTlsOptions): Promise<BlockConnection> {
  const { host, port, socksProxy, timeoutMs, signal } = options
  signal?.throwIfAborted()
  const attempt = new AbortController()
  const timer = setTimeout(
    () => attempt.abort(new NetworkError('TIMEOUT', `not connected within ${timeoutMs} ms`)),
    timeoutMs,
  )
  const abort = () => attempt.abort(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  try {
    const carrier = socksProxy && (await connectThroughSocks(socksProxy, { host, port }, attempt.signal))
    const socket = connect({
      ...(carrier ? { socket: carrier } : { host, port }),
      secureContext: secureContext(options.clientCertificate),
      // The chain is checked below; OpenSSL knows none of these identities.
      rejectUnauthorized: false,
      ...(options.alpn && { ALPNProtocols: [...options.alpn] }),
    })
    return await handshake(socket, options.keyHash, attempt.signal)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}

let plainContext: SecureContext | undefined

function secureContext(credentials: TlsCredentials | undefined): SecureContext {
  if (credentials) return newContext(credentials)
  plainContext ??= newContext()
  return plainContext
}

function newContext(credentials?: TlsCredentials): SecureContext {
  return createSecureContext({
    ...TLS_PARAMETERS,
    secureOptions: CLIENT_SECURE_OPTIONS,
    ...(credentials && pemCredentials(credentials)),
  })
}

function handshake(socket: TLSSocket, keyHash: Uint8Array, signal: AbortSignal): Promise<BlockConnection> {
  const { promise, resolve, reject } = Promise.withResolvers<BlockConnection>()
  let hasTcp = false
  const fail = (error: unknown) => {
    finish()
    // An error may still come while the socket goes down.
    socket.on('error', () => {})
    socket.destroy()
    reject(error)
  }
  const onConnect = () => {
    hasTcp = true
  }
  const onSecure = () => {
    finish()
    const connection = new TlsBlockConnection(socket, 'client')
    const refusal = checkChain(connection.peerCertificates, keyHash)
    if (refusal) {
      connection.destroy(refusal)
      reject(refusal)
    } else {
      resolve(connection)
    }
  }
  const onError = (cause: Error) => fail(connectError(cause, hasTcp))
  const onClose = () => fail(connectError(new Error('connection closed during the handshake'), hasTcp))
  const onAbort = () => fail(signal.reason)
  const finish = () => {
    socket.off('connect', onConnect).off('secureConnect', onSecure).off('error', onError).off('close', onClose)
    signal.removeEventListener('abort', onAbort)
  }
  socket.on('connect', onConnect).on('secureConnect', onSecure).on('error', onError).on('close', onClose)
  signal.addEventListener('abort', onAbort, { once: true })
  socket.setNoDelay(true)
  socket.setKeepAlive(true, KEEP_ALIVE_IDLE)
  return promise
}

/** Over a SOCKS connection the TCP part is done before, but its `connect` event is not seen here: TLS errors have codes. */
function connectError(cause: Error & { code?: string }, hasTcp: boolean): NetworkError {
  const isTls = hasTcp || cause.code?.startsWith('ERR_SSL') || cause.code === 'EPROTO'
  return new NetworkError(isTls ? 'TLS' : 'CONNECT', `${isTls ? 'TLS handshake' : 'connection'}: ${reasonOf(cause)}`, {
    cause,
  })
}

function checkChain(chain: readonly Uint8Array[], keyHash: Uint8Array): NetworkError | undefined {
  try {
    validateChain(chain, { keyHash })
    return undefined
  } catch (cause) {
    if (!(cause instanceof CertificateError)) {
      return new NetworkError('TLS', 'certificate chain cannot be read', { cause })
    }
    return new NetworkError(isUnknownCa(cause) ? 'UNKNOWNCA' : 'TLS', `certificate chain: ${cause.message}`, { cause })
  }
}

function isUnknownCa(error: CertificateError): boolean {
  return error.code === 'FINGERPRINT' || error.code === 'ISSUER' || error.code === 'SIGNATURE'
}
