import { X509Certificate } from 'node:crypto'
import { type PublicKey, type SignatureAlgorithm, sha256, verify } from '../crypto/index.ts'
import { concatBytes, DecodeError, equalBytes, toHex } from '../encoding/index.ts'
import { type Certificate, fingerprint, readCertificate } from './certificate.ts'
import { CertificateError } from './certificate-error.ts'
import { signatureOid } from './identifiers.ts'

/** Certificates in a router's chain: leaf, identity and up to two above it. */
export const MIN_CHAIN = 2
export const MAX_CHAIN = 4

/** Chains kept as verified: the routers that a process talks to at one time. */
const CACHE_SIZE = 256

/** What {@link validateChain} compares besides the chain itself. */
export interface ChainOptions {
  /** SHA-256 of the expected identity certificate, 32 bytes; not compared when left out. */
  readonly keyHash?: Uint8Array
  /** The time at which the certificates must be valid; the present one when left out. */
  readonly now?: Date
}

/** A chain that is in order. */
export interface ValidChain {
  /** Key of the TLS certificate; it signs the session key, `spec/smp.md §2.2`. */
  readonly leafKey: PublicKey<SignatureAlgorithm>
  /** DER. */
  readonly identityCertificate: Uint8Array
  /** SHA-256 of the identity certificate, 32 bytes. */
  readonly identityFingerprint: Uint8Array
}

interface VerifiedChain extends ValidChain {
  readonly certificates: readonly Certificate[]
}

/** Chains whose links and signatures are verified, by their hash, oldest first. Dates and `keyHash` are not part of it. */
const verifiedChains = new Map<string, VerifiedChain>()

/**
 * Checks a router's certificates by `spec/smp.md §2.1`: the second is the identity, the last one the root; names,
 * signatures, authority flags, path lengths, critical extensions and dates of all. Host names are not compared.
 * @param chain DER, leaf first
 * @throws CertificateError
 */
export function validateChain(
  chain: readonly Uint8Array[],
  { keyHash, now = new Date() }: ChainOptions = {},
): ValidChain {
  if (chain.length < MIN_CHAIN || chain.length > MAX_CHAIN) {
    throw new CertificateError('CHAIN_LENGTH', `chain of ${chain.length} certificates`)
  }
  const verified = verifyOnce(chain, keyHash)
  checkIdentity(verified.identityFingerprint, keyHash)
  for (const certificate of verified.certificates) checkDates(certificate, now)
  const { leafKey, identityCertificate, identityFingerprint } = verified
  return { leafKey, identityCertificate, identityFingerprint }
}

/** Signatures of a chain are verified once: a client meets the same routers again and again. */
function verifyOnce(chain: readonly Uint8Array[], keyHash: Uint8Array | undefined): VerifiedChain {
  // Each hash has one length, so that no two chains have the same concatenation.
  const hashes = chain.map(fingerprint)
  const key = toHex(sha256(concatBytes(...hashes)))
  const known = verifiedChains.get(key)
  if (known) return known
  // Before anything is parsed: what a stranger sends is not worth more work than one hash.
  checkIdentity(hashes[1] as Uint8Array, keyHash)
  const verified = verifyChain(chain)
  const [oldest] = verifiedChains.keys()
  if (oldest !== undefined && verifiedChains.size >= CACHE_SIZE) verifiedChains.delete(oldest)
  verifiedChains.set(key, verified)
  return verified
}

function checkIdentity(identityFingerprint: Uint8Array, keyHash: Uint8Array | undefined): void {
  if (keyHash && !equalBytes(identityFingerprint, keyHash)) {
    throw new CertificateError('FINGERPRINT', 'identity certificate is not the expected one')
  }
}

function checkDates({ notBefore, notAfter }: Certificate, now: Date): void {
  if (now < notBefore) throw new CertificateError('NOT_YET_VALID', 'certificate is not valid yet')
  // The last second counts as a whole.
  if (now.getTime() >= notAfter.getTime() + 1000) throw new CertificateError('EXPIRED', 'certificate has expired')
}

function verifyChain(chain: readonly Uint8Array[]): VerifiedChain {
  // Copies, because the input is a view of a block and the result is kept.
  const certificates = chain.map((der) => read(new Uint8Array(der)))
  const [leaf, identity] = certificates as [Certificate, Certificate]
  const leafKey = signatureKey(leaf)
  if (!leafKey || leaf.version !== 3)
    throw new CertificateError('LEAF', 'leaf is not a signing certificate of version 3')
  for (const { unknownCritical } of certificates) {
    if (unknownCritical.length > 0) {
      throw new CertificateError('CRITICAL_EXTENSION', `critical extension ${unknownCritical[0]} is not understood`)
    }
  }
  let authoritiesBelow = 0
  for (const [i, certificate] of certificates.entries()) {
    if (i > 0) {
      checkAuthority(certificate, authoritiesBelow)
      if (!isSelfIssued(certificate)) authoritiesBelow++
    }
    const issuer = certificates[i + 1]
    if (issuer) checkIssued(certificate, issuer)
    else if (isSelfIssued(certificate)) checkSignature(certificate, certificate)
  }
  return {
    certificates,
    leafKey,
    identityCertificate: identity.der,
    identityFingerprint: fingerprint(identity.der),
  }
}

function read(der: Uint8Array): Certificate {
  try {
    return readCertificate(der)
  } catch (cause) {
    if (cause instanceof DecodeError) throw new CertificateError('MALFORMED', 'certificate cannot be read', { cause })
    throw cause
  }
}

/** RFC 5280 §6.1.4 (k) to (n). */
function checkAuthority(certificate: Certificate, authoritiesBelow: number): void {
  if (!certificate.isAuthority || !certificate.maySignCertificates) {
    throw new CertificateError('NOT_CA', 'issuer is not a certificate authority')
  }
  if (certificate.pathLength !== undefined && authoritiesBelow > certificate.pathLength) {
    throw new CertificateError('PATH_LENGTH', 'too many authorities in the chain')
  }
}

function isSelfIssued({ issuer, subject }: Certificate): boolean {
  return equalBytes(issuer, subject)
}

function checkIssued(certificate: Certificate, issuer: Certificate): void {
  if (!equalBytes(certificate.issuer, issuer.subject)) {
    throw new CertificateError('ISSUER', 'certificate was not issued by the next one')
  }
  checkSignature(certificate, issuer)
}

function checkSignature(certificate: Certificate, issuer: Certificate): void {
  if (!isSignedBy(certificate, issuer))
    throw new CertificateError('SIGNATURE', 'signature of a certificate is not valid')
}

function isSignedBy(certificate: Certificate, issuer: Certificate): boolean {
  const key = signatureKey(issuer)
  if (key) {
    return (
      certificate.signatureAlgorithm === signatureOid(key.algorithm) &&
      verify(key, certificate.signed, certificate.signature)
    )
  }
  // Authorities above the identity may have keys of other algorithms.
  try {
    return new X509Certificate(certificate.der).verify(new X509Certificate(issuer.der).publicKey)
  } catch {
    return false
  }
}

function signatureKey({ publicKey }: Certificate): PublicKey<SignatureAlgorithm> | undefined {
  if (publicKey?.is('ed25519') || publicKey?.is('ed448')) return publicKey as PublicKey<SignatureAlgorithm>
  return undefined
}
