import { constants, X509Certificate } from 'node:crypto'
import type { SecureContextOptions } from 'node:tls'
import type { PrivateKey, SignatureAlgorithm } from '../crypto/index.ts'

/** A certificate chain and the private key of its leaf. */
export interface TlsCredentials {
  /** DER, leaf first, in the order to send. */
  readonly certificates: readonly [Uint8Array, ...Uint8Array[]]
  readonly key: PrivateKey<SignatureAlgorithm>
}

/** ALPN protocols of routers, most preferred first: `spec/smp.md §2.1`. */
export const ROUTER_ALPN: readonly string[] = ['smp/1', 'h2', 'http/1.1']

/** ALPN protocols that clients of SMP offer: `spec/smp.md §2.1`. */
export const SMP_ALPN: readonly string[] = ['smp/1']

/** Time for the TLS handshake at a router, milliseconds: `spec/smp.md §2.1`. */
export const TLS_SETUP_TIMEOUT = 60_000

/** Silence after which TCP keep-alive starts at a client, milliseconds: `spec/smp.md §2.1`. */
export const KEEP_ALIVE_IDLE = 30_000

/**
 * Exactly what the originals negotiate: `spec/smp.md §2.1`. `ca: []` because chains are checked against the
 * fingerprint in the server's address, never against the system's roots (which would also be loaded for nothing).
 */
export const TLS_PARAMETERS = {
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: 'TLS_CHACHA20_POLY1305_SHA256:ECDHE-ECDSA-CHACHA20-POLY1305',
  sigalgs: 'ed448:ed25519',
  ecdhCurve: 'X448:X25519',
  ca: [],
} satisfies SecureContextOptions

/**
 * The original's server does not send renegotiation_info, which OpenSSL 3 refuses in TLS 1.2 unless told otherwise;
 * renegotiation itself stays off: `spec/smp.md §2.1`.
 */
export const CLIENT_SECURE_OPTIONS =
  constants.SSL_OP_LEGACY_SERVER_CONNECT | constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_TICKET

export const SERVER_SECURE_OPTIONS =
  constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_TICKET | constants.SSL_OP_CIPHER_SERVER_PREFERENCE

/** Credentials in the form that node:tls takes. */
export function pemCredentials({ certificates, key }: TlsCredentials): { cert: string; key: string } {
  return {
    cert: certificates.map((der) => new X509Certificate(der).toString()).join(''),
    key: key.keyObject.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}
