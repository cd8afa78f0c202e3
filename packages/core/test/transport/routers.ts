import { createRouterCertificates, fingerprint } from '@parley/core/certificates'
import type { ServerCertificates } from '@parley/core/transport'

/** Certificates of a router and the hash by which clients know it. */
export interface TestRouter {
  readonly certificates: ServerCertificates
  readonly keyHash: Uint8Array
}

/** A router's identity on loopback; `now` moves the validity of its certificates. */
export function makeRouter(algorithm: 'ed25519' | 'ed448', now?: Date): TestRouter {
  const certificates = createRouterCertificates({ algorithm, commonName: 'localhost', ...(now && { now }) })
  return { certificates, keyHash: fingerprint(certificates.identityCertificate) }
}
