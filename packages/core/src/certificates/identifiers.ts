import type { SignatureAlgorithm } from '../crypto/index.ts'

/** Object identifiers of X.509: RFC 5280, RFC 8410. */
export const OID = {
  commonName: '2.5.4.3',
  organizationName: '2.5.4.10',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  certificatePolicies: '2.5.29.32',
  authorityKeyIdentifier: '2.5.29.35',
  extKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
} as const

const SIGNATURE_OID: Record<SignatureAlgorithm, string> = { ed25519: '1.3.101.112', ed448: '1.3.101.113' }

/** Identifier of a signature algorithm; also that of its keys. */
export function signatureOid(algorithm: SignatureAlgorithm): string {
  return SIGNATURE_OID[algorithm]
}
