import { signSessionKey } from '@parley/core/certificates'
import { CryptoError, dh, PrivateKey } from '@parley/core/crypto'
import { DecodeError, encode, equalBytes } from '@parley/core/encoding'
import { BlockCipher, type BlockConnection, type BlockSeal, paddedBlocks, TransportError } from '@parley/core/transport'
import { isCompatible } from '@parley/core/version'
import {
  type ClientHello,
  decodeClientHello,
  LEGACY_SMP_VERSIONS,
  SMP_GATES,
  SMP_VERSIONS,
  serverHelloCodec,
  serviceResponseCodec,
} from '../protocol/index.ts'
import type { RouterCertificates } from './options.ts'
import type { VerificationContext } from './verification.ts'

/** What both sides agreed on. */
export interface AgreedSession extends VerificationContext {
  readonly seal: BlockSeal
}

/** What of the router takes part in handshakes. */
export interface HandshakeIdentity {
  readonly certificates: RouterCertificates
  /** SHA-256 of the identity certificate, 32 bytes. */
  readonly fingerprint: Uint8Array
}

/**
 * The router's side of the handshake: `spec/smp.md §2.2`. Services are not offered yet: a client that presents one is
 * answered `HANDSHAKE BAD_SERVICE`, as it would be with a wrong certificate.
 * @throws TransportError for whatever the client did wrong; the connection is to be closed without a further block
 */
export async function agreeSession(
  connection: BlockConnection,
  { certificates, fingerprint }: HandshakeIdentity,
  signal: AbortSignal,
): Promise<AgreedSession> {
  const { sessionId } = connection
  const versions = connection.alpn === undefined ? LEGACY_SMP_VERSIONS : SMP_VERSIONS
  const key = versions.max >= SMP_GATES.authCommands ? PrivateKey.generate('x25519') : undefined
  const hello = encode(serverHelloCodec, {
    versions,
    sessionId,
    ...(key && {
      authentication: {
        certificates: [certificates.serverCertificate, certificates.identityCertificate],
        signedKey: signSessionKey(key.publicKey, certificates.serverKey),
      },
    }),
  })
  await connection.write(paddedBlocks.encrypt(hello))
  const block = await connection.read(signal)
  if (!block) throw new TransportError('HANDSHAKE', 'the client left', { handshake: 'PARSE' })
  const client = readClientHello(paddedBlocks.decrypt(block))
  if (!isCompatible(client.version, versions)) throw new TransportError('VERSION', `version ${client.version}`)
  if (!equalBytes(client.keyHash, fingerprint)) {
    throw new TransportError('HANDSHAKE', 'the client wants another router', { handshake: 'IDENTITY' })
  }
  if (client.service) {
    const error = { type: 'HANDSHAKE', error: 'BAD_SERVICE' } as const
    await connection.write(paddedBlocks.encrypt(encode(serviceResponseCodec, { type: 'error', error })))
    throw new TransportError('HANDSHAKE', 'services are not offered', { handshake: 'BAD_SERVICE' })
  }
  const sessionKey = client.version >= SMP_GATES.authCommands ? key : undefined
  return { version: client.version, sessionId, sessionKey, seal: blockSeal(sessionId, client, sessionKey) }
}

function readClientHello(content: Uint8Array): ClientHello {
  try {
    return decodeClientHello(content)
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause
    throw new TransportError('HANDSHAKE', 'the client hello is malformed', { handshake: 'PARSE', cause })
  }
}

/** Blocks are encrypted from version 11 when both sides gave a key, but never between routers: `spec/smp.md §2.3`. */
function blockSeal(
  sessionId: Uint8Array,
  { version, sessionKey: clientKey, proxyServer }: ClientHello,
  routerKey: PrivateKey<'x25519'> | undefined,
): BlockSeal {
  if (version < SMP_GATES.blockEncryption || proxyServer || !clientKey || !routerKey) return paddedBlocks
  try {
    return BlockCipher.create(sessionId, dh(routerKey, clientKey), 'server')
  } catch (cause) {
    if (!(cause instanceof CryptoError)) throw cause
    throw new TransportError('HANDSHAKE', "the client's key is not usable", { handshake: 'BAD_AUTH', cause })
  }
}
