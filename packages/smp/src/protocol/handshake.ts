import { x25519KeyCodec } from '@parley/core/crypto'
import { ByteReader, type Codec } from '@parley/core/encoding'
import { type VersionRange, versionRangeCodec } from '@parley/core/version'
import { transportErrorCodec } from './errors.ts'
import { readCertificates, writeCertificates } from './fields.ts'
import type { DhKey, EntityId, TransportErrorType } from './types.ts'
import { SMP_GATES } from './versions.ts'

/** Length byte of the SPKI of X25519; nothing that may stand in a client hello in its place begins so. */
const X25519_SPKI_LENGTH = 44

/** A certificate chain and a session key signed with the key of its leaf. */
export interface CertifiedKey {
  /** DER, leaf first. */
  readonly certificates: readonly [Uint8Array, ...Uint8Array[]]
  /** DER of SIGNED: 122 bytes for X25519 signed with Ed25519: `spec/smp.md §2.2`, S2. */
  readonly signedKey: Uint8Array
}

/** First block, from the router: `spec/smp.md §2.2`. */
export interface ServerHello {
  readonly versions: VersionRange
  /** 12 bytes (TLS 1.2) or 32 (TLS 1.3). */
  readonly sessionId: Uint8Array
  /** From version 7: certificates and the signed X25519 session key. */
  readonly authentication?: CertifiedKey
}

/** `messaging` for clients of queues, `notifier` for notification routers, `proxy` for proxies. */
export type ServiceRole = 'messaging' | 'notifier' | 'proxy'

/** Second block, from the client: `spec/smp.md §2.2`. */
export interface ClientHello {
  readonly version: number
  /** 32 bytes: SHA-256 of the identity certificate that the client expects. */
  readonly keyHash: Uint8Array
  /** From version 7; without it blocks are not encrypted. */
  readonly sessionKey?: DhKey
  /** From version 14; false when not sent. */
  readonly proxyServer: boolean
  /** From version 16; its signed key is Ed25519. */
  readonly service?: CertifiedKey & { readonly role: ServiceRole }
}

/** Third block, from the router, only when the client hello has a service: `spec/smp.md §2.2`. */
export type ServiceResponse =
  | { readonly type: 'service'; readonly serviceId: EntityId }
  | { readonly type: 'error'; readonly error: TransportErrorType }

const ROLE_TAGS: { readonly [R in ServiceRole]: number } = { messaging: 0x4d, notifier: 0x4e, proxy: 0x50 }
const ROLES = Object.keys(ROLE_TAGS) as ServiceRole[]

const certifiedKeyCodec: Codec<CertifiedKey> = {
  encode(writer, { certificates, signedKey }) {
    writeCertificates(writer, certificates)
    writer.large(signedKey)
  },
  decode(reader) {
    return { certificates: readCertificates(reader), signedKey: reader.large() }
  },
}

const serviceRoleCodec: Codec<ServiceRole> = {
  encode(writer, role) {
    writer.byte(ROLE_TAGS[role])
  },
  decode(reader) {
    const at = reader.offset
    const tag = reader.byte()
    return ROLES.find((role) => ROLE_TAGS[role] === tag) ?? reader.fail('not a service role', at)
  },
}

export const serverHelloCodec: Codec<ServerHello> = {
  encode(writer, { versions, sessionId, authentication }) {
    versionRangeCodec.encode(writer, versions)
    writer.shortString(sessionId)
    if (authentication && versions.max >= SMP_GATES.authCommands) certifiedKeyCodec.encode(writer, authentication)
  },
  decode(reader) {
    const versions = versionRangeCodec.decode(reader)
    const sessionId = reader.shortString()
    if (versions.max < SMP_GATES.authCommands || reader.remaining === 0) return { versions, sessionId }
    return { versions, sessionId, authentication: certifiedKeyCodec.decode(reader) }
  },
}

export const clientHelloCodec: Codec<ClientHello> = {
  encode(writer, { version, keyHash, sessionKey, proxyServer, service }) {
    writer.word16(version).shortString(keyHash)
    // An absent key has no mark of its own: the next field follows directly.
    if (sessionKey && version >= SMP_GATES.authCommands) x25519KeyCodec.encode(writer, sessionKey)
    if (version >= SMP_GATES.proxyServer) writer.bool(proxyServer)
    if (version >= SMP_GATES.service) {
      writer.maybe(service, (w, value) => {
        serviceRoleCodec.encode(w, value.role)
        certifiedKeyCodec.encode(w, value)
      })
    }
  },
  decode(reader) {
    const version = reader.word16()
    const keyHash = reader.shortString()
    const hasKey = version >= SMP_GATES.authCommands && reader.peek() === X25519_SPKI_LENGTH
    const sessionKey = hasKey ? x25519KeyCodec.decode(reader) : undefined
    const proxyServer = version >= SMP_GATES.proxyServer && reader.bool()
    const service =
      version >= SMP_GATES.service
        ? reader.maybe((r) => ({ role: serviceRoleCodec.decode(r), ...certifiedKeyCodec.decode(r) }))
        : undefined
    return { version, keyHash, ...(sessionKey && { sessionKey }), proxyServer, ...(service && { service }) }
  },
}

export const serviceResponseCodec: Codec<ServiceResponse> = {
  encode(writer, response) {
    if (response.type === 'service') writer.literal('R').shortString(response.serviceId)
    else transportErrorCodec.encode(writer.literal('E'), response.error)
  },
  decode(reader) {
    const at = reader.offset
    const tag = reader.byte()
    if (tag === 0x52) return { type: 'service', serviceId: reader.shortString() }
    if (tag === 0x45) return { type: 'error', error: transportErrorCodec.decode(reader) }
    return reader.fail('expected R or E', at)
  },
}

/** Reads a server hello; later versions may append fields, so trailing bytes are ignored. @throws DecodeError */
export function decodeServerHello(content: Uint8Array): ServerHello {
  return serverHelloCodec.decode(new ByteReader(content))
}

/** Reads a client hello; trailing bytes are ignored. @throws DecodeError */
export function decodeClientHello(content: Uint8Array): ClientHello {
  return clientHelloCodec.decode(new ByteReader(content))
}

/** Reads a service response; trailing bytes are ignored. @throws DecodeError */
export function decodeServiceResponse(content: Uint8Array): ServiceResponse {
  return serviceResponseCodec.decode(new ByteReader(content))
}
