import { signSessionKey, validateChain, verifySignedKey } from '@parley/core/certificates'
import { dh, PrivateKey, sha256 } from '@parley/core/crypto'
import { DecodeError, encode, equalBytes } from '@parley/core/encoding'
import {
  BlockCipher,
  type BlockConnection,
  type BlockSeal,
  NetworkError,
  paddedBlocks,
  TransportError,
} from '@parley/core/transport'
import { agreeVersion, type VersionRange } from '@parley/core/version'
import {
  type CertifiedKey,
  clientHelloCodec,
  type DhKey,
  decodeServerHello,
  decodeServiceResponse,
  type EntityId,
  type ServerHello,
  type ServiceSigner,
  SMP_GATES,
} from '../protocol/index.ts'
import type { ServiceOptions } from './options.ts'

/** What client and router agreed: `spec/smp.md §2.2`. */
export interface SmpSession {
  readonly version: number
  /** 12 bytes (TLS 1.2) or 32 (TLS 1.3). */
  readonly sessionId: Uint8Array
  /** How blocks are sealed from now on. */
  readonly seal: BlockSeal
  /** The router's key for X25519 authenticators, from version 7. */
  readonly serverKey?: DhKey
  /** For proxies: X25519 secret of both session keys, 32 bytes. `spec/smp.md §6`, 4. */
  readonly proxySecret?: Uint8Array
  readonly service?: { readonly serviceId: EntityId; readonly signer: ServiceSigner }
}

export interface ClientHandshakeOptions {
  /** SHA-256 of the router's identity certificate, 32 bytes. */
  readonly keyHash: Uint8Array
  readonly versions: VersionRange
  readonly agreeSecret: boolean
  readonly proxyServer: boolean
  readonly service?: ServiceOptions | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * The client's side of the handshake on a connection whose certificate chain has been checked: `spec/smp.md §2.2`.
 * @throws TransportError SESSION, VERSION, HANDSHAKE or BLOCK; NetworkError when the connection ends
 */
export async function clientHandshake(
  connection: BlockConnection,
  options: ClientHandshakeOptions,
): Promise<SmpSession> {
  const { keyHash, proxyServer, signal } = options
  const { sessionId } = connection
  const hello = await receive(connection, decodeServerHello, signal)
  if (!equalBytes(hello.sessionId, sessionId)) throw new TransportError('SESSION', 'router names another session')
  const version = agreeVersion(ownVersions(options, hello), hello.versions)
  if (version === undefined) {
    throw new TransportError('VERSION', `router speaks ${hello.versions.min} to ${hello.versions.max}`)
  }
  const serverKey = version >= SMP_GATES.authCommands ? readServerKey(connection, hello, keyHash) : undefined
  const sessionKey = serverKey && options.agreeSecret ? PrivateKey.generate('x25519') : undefined
  const service = version >= SMP_GATES.service ? options.service && certify(options.service) : undefined
  const content = encode(clientHelloCodec, {
    version,
    keyHash,
    ...(sessionKey && { sessionKey: sessionKey.publicKey }),
    proxyServer,
    ...(service && { service: service.hello }),
  })
  await connection.write(paddedBlocks.encrypt(content))
  const serviceId = service && (await receiveServiceId(connection, signal))
  const secret = serverKey && sessionKey && dh(sessionKey, serverKey)
  const isEncrypted = secret && !proxyServer && version >= SMP_GATES.blockEncryption
  return {
    version,
    sessionId,
    seal: isEncrypted ? BlockCipher.create(sessionId, secret, 'client') : paddedBlocks,
    ...(serverKey && { serverKey }),
    ...(secret && proxyServer && { proxySecret: secret }),
    ...(service && serviceId && { service: { serviceId, signer: service.signer } }),
  }
}

/** A proxy keeps below block encryption with relays that cannot know it is a proxy: `spec/smp.md §2.2`. */
function ownVersions(
  { versions, proxyServer }: ClientHandshakeOptions,
  { versions: theirs }: ServerHello,
): VersionRange {
  if (!proxyServer || theirs.max >= SMP_GATES.proxyServer) return versions
  return { min: versions.min, max: Math.min(versions.max, SMP_GATES.deletedEvent) }
}

async function receive<T>(
  connection: BlockConnection,
  decode: (content: Uint8Array) => T,
  signal: AbortSignal | undefined,
): Promise<T> {
  const block = await connection.read(signal)
  if (!block) throw new NetworkError('FAILED', 'router closed the connection in the handshake')
  try {
    return decode(paddedBlocks.decrypt(block))
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause
    throw new TransportError('HANDSHAKE', `handshake of the router: ${cause.message}`, { cause, handshake: 'PARSE' })
  }
}

/** The router's session key, signed with the key of its TLS certificate. */
function readServerKey(connection: BlockConnection, { authentication }: ServerHello, keyHash: Uint8Array): DhKey {
  if (!authentication) throw badAuth('router sent no session key')
  try {
    // Checked when the connection was made, and remembered: this only looks up the leaf's key.
    const { leafKey } = validateChain(connection.peerCertificates, { keyHash })
    validateChain(authentication.certificates, { keyHash })
    const key = verifySignedKey(authentication.signedKey, leafKey)
    if (key.is('x25519')) return key
  } catch (cause) {
    throw badAuth('session key of the router is not signed as it must be', cause)
  }
  throw badAuth('session key of the router is not X25519')
}

function badAuth(message: string, cause?: unknown): TransportError {
  return new TransportError('HANDSHAKE', message, { cause, handshake: 'BAD_AUTH' })
}

/** A new session key of the service, signed by its certificate. */
function certify({ role, credentials: { certificates, key } }: ServiceOptions): {
  hello: CertifiedKey & { role: ServiceOptions['role'] }
  signer: ServiceSigner
} {
  const sessionKey = PrivateKey.generate('ed25519')
  // Identity certificate: the only one, or the second, whatever roots follow (`spec/smp.md §2.1`).
  const identity = certificates[1] ?? certificates[0]
  return {
    hello: { role, certificates, signedKey: signSessionKey(sessionKey.publicKey, key) },
    signer: { fingerprint: sha256(identity), sessionKey },
  }
}

async function receiveServiceId(connection: BlockConnection, signal: AbortSignal | undefined): Promise<EntityId> {
  const response = await receive(connection, decodeServiceResponse, signal)
  if (response.type === 'service') return new Uint8Array(response.serviceId)
  const { error } = response
  if (error.type !== 'HANDSHAKE') throw new TransportError(error.type, 'router refused the service')
  throw new TransportError('HANDSHAKE', 'router refused the service', { handshake: error.error })
}
