import { connect, createSecureContext, type SecureContext, TLSSocket } from 'node:tls'
import {
  type ConnectionEncrypter,
  InvalidCryptoExchangeError,
  type MessageStream,
  type PeerId,
  type PrivateKey,
  type SecureConnectionOptions,
  type SecuredConnection,
  type StreamMuxerFactory,
  serviceCapabilities,
  UnexpectedPeerError,
} from '@libp2p/interface'
import { certificateOf, isSamePeer, peerOfCertificate } from './peer-identity.ts'
import { type BytesObserver, SecuredStream } from './secured-stream.ts'
import { StreamDuplex } from './stream-duplex.ts'
import type { StreamObserver } from './stream-observer.ts'

/** Said in ALPN by those who negotiate the muxer afterwards. */
const NO_EARLY_MUXER = 'libp2p'
/** When the caller sets no limit. */
const HANDSHAKE_TIMEOUT = 10_000

/** What the encrypter takes from the host. */
export interface TlsComponents {
  readonly privateKey: PrivateKey
  readonly upgrader: { getStreamMuxers(): Map<string, StreamMuxerFactory> }
}

/**
 * libp2p TLS 1.0.0 over node:tls: TLS 1.3, both sides show a self-signed certificate that proves their host key, and
 * the muxer is chosen in ALPN. The certificate is made once for the life of the host.
 */
export class TlsEncrypter implements ConnectionEncrypter {
  readonly protocol = '/tls/1.0.0'
  readonly [Symbol.toStringTag] = '@parley/acn-tls'
  readonly [serviceCapabilities]: string[] = ['@libp2p/connection-encryption']
  readonly #components: TlsComponents
  readonly #observe: StreamObserver | undefined
  #context: Promise<SecureContext> | undefined
  /** Connections that were observed. */
  #observed = 0

  constructor(components: TlsComponents, observe?: StreamObserver) {
    this.#components = components
    this.#observe = observe
  }

  secureInbound(stream: MessageStream, options?: SecureConnectionOptions): Promise<SecuredConnection> {
    return this.#secure(stream, true, options)
  }

  secureOutbound(stream: MessageStream, options?: SecureConnectionOptions): Promise<SecuredConnection> {
    return this.#secure(stream, false, options)
  }

  async #secure(
    stream: MessageStream,
    isServer: boolean,
    options: SecureConnectionOptions = {},
  ): Promise<SecuredConnection> {
    const { signal = AbortSignal.timeout(HANDSHAKE_TIMEOUT), remotePeer: expected } = options
    const secureContext = await this.#secureContext()
    signal.throwIfAborted()
    const muxers = options.skipStreamMuxerNegotiation ? undefined : this.#components.upgrader.getStreamMuxers()
    const duplex = new StreamDuplex(stream)
    const socket = openSocket(duplex, isServer, {
      secureContext,
      requestCert: true,
      // Nobody vouches for these certificates but themselves: checked below.
      rejectUnauthorized: false,
      ALPNProtocols: [...(muxers?.keys() ?? []), NO_EARLY_MUXER],
    })
    // A failing carrier must end the handshake at once; errors are seen by who waits for the next event, if any.
    duplex.on('error', (error) => socket.destroy(error))
    socket.on('error', () => {})
    try {
      await handshakeOf(socket, isServer, signal)
      const remotePeer = await verifyPeer(socket, expected)
      const streamMuxer = earlyMuxer(socket, muxers)
      const connection = new SecuredStream(stream, socket, this.#observerOf(remotePeer))
      return { connection, remotePeer, ...(streamMuxer && { streamMuxer }) }
    } catch (error) {
      socket.destroy()
      stream.abort(error as Error)
      throw error
    }
  }

  #observerOf(remotePeer: PeerId): BytesObserver | undefined {
    const observe = this.#observe
    if (!observe) return undefined
    const connection = ++this.#observed
    const peerId = remotePeer.toString()
    return (direction, bytes) => observe({ connection, peerId, direction, bytes })
  }

  #secureContext(): Promise<SecureContext> {
    this.#context ??= certificateOf(this.#components.privateKey).then((certificate) =>
      createSecureContext({ ...certificate, minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' }),
    )
    return this.#context
  }
}

interface SocketOptions {
  readonly secureContext: SecureContext
  readonly requestCert: boolean
  readonly rejectUnauthorized: boolean
  readonly ALPNProtocols: string[]
}

function openSocket(duplex: StreamDuplex, isServer: boolean, options: SocketOptions): TLSSocket {
  return isServer ? new TLSSocket(duplex, { ...options, isServer }) : connect({ ...options, socket: duplex })
}

/** Waits for the handshake; a socket whose carrier ends before may close without any error. */
async function handshakeOf(socket: TLSSocket, isServer: boolean, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const onClose = () => reject(new InvalidCryptoExchangeError('connection ended in the handshake'))
  const onAbort = () => reject(signal.reason)
  socket.once(isServer ? 'secure' : 'secureConnect', resolve)
  socket.once('error', reject)
  socket.once('end', onClose)
  socket.once('close', onClose)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    await promise
  } finally {
    socket.off('error', reject)
    socket.off('end', onClose)
    socket.off('close', onClose)
    signal.removeEventListener('abort', onAbort)
  }
}

async function verifyPeer(socket: TLSSocket, expected: PeerId | undefined): Promise<PeerId> {
  const certificate = socket.getPeerX509Certificate()
  if (!certificate) throw new InvalidCryptoExchangeError('peer shows no certificate')
  const peer = await peerOfCertificate(certificate.raw)
  if (expected && !isSamePeer(expected, peer)) throw new UnexpectedPeerError('certificate of another peer')
  return peer
}

/** Undefined when the muxer is still to be negotiated, as older peers do it. */
function earlyMuxer(
  socket: TLSSocket,
  muxers: Map<string, StreamMuxerFactory> | undefined,
): StreamMuxerFactory | undefined {
  const { alpnProtocol } = socket
  return typeof alpnProtocol === 'string' ? muxers?.get(alpnProtocol) : undefined
}

/** The encrypter, for libp2p's `connectionEncrypters`. @param observe is told of all bytes, for tests and demonstrations */
export function tls(observe?: StreamObserver): (components: TlsComponents) => ConnectionEncrypter {
  return (components) => new TlsEncrypter(components, observe)
}
