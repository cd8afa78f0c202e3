import { PrivateKey, type SignatureAlgorithm } from '../crypto/index.ts'
import { readCertificate } from './certificate.ts'
import { der, derObjectIdentifier, derSequence, TAG } from './der.ts'
import { OID } from './identifiers.ts'
import {
  authorityKeyIdentifier,
  distinguishedName,
  extension,
  issueCertificate,
  subjectKeyIdentifier,
} from './issue.ts'

/** How long certificates of routers are valid: `spec/smp.md §2.1`. */
const VALIDITY_DAYS = 999_999
const DAY_MS = 86_400_000

/** digitalSignature, nonRepudiation, keyAgreement; the last three bits are not used. */
const LEAF_KEY_USAGE = Uint8Array.of(3, 0b1100_1000)

/** A router's long-lived identity, which signs its server certificates and is best kept off line. */
export interface RouterIdentity {
  /** DER; its SHA-256 is the `keyHash` of the router's address. */
  readonly identityCertificate: Uint8Array
  readonly identityKey: PrivateKey<SignatureAlgorithm>
}

/** What a router shows in TLS, besides its identity certificate. */
export interface ServerCertificate {
  /** DER. */
  readonly serverCertificate: Uint8Array
  readonly serverKey: PrivateKey<SignatureAlgorithm>
}

/** For whom, and from when, a server certificate is made. */
export interface ServerCertificateOptions {
  /** Host name or address that the certificate names; clients do not compare it. */
  readonly commonName: string
  /** Start of validity, the present time when left out. */
  readonly now?: Date
}

export interface RouterCertificatesOptions extends ServerCertificateOptions {
  readonly algorithm: SignatureAlgorithm
}

/**
 * A new router identity and a server certificate signed by it, both of one algorithm, valid for 999,999 days:
 * `spec/smp.md §2.1`.
 * @throws EncodeError when the name is empty or the validity would end after the year 9999
 */
export function createRouterCertificates(options: RouterCertificatesOptions): RouterIdentity & ServerCertificate {
  const identityKey = PrivateKey.generate(options.algorithm)
  const name = distinguishedName([OID.commonName, 'SMP server CA'], [OID.organizationName, 'SimpleX'])
  const identityCertificate = issueCertificate({
    issuer: name,
    subject: name,
    publicKey: identityKey.publicKey,
    signingKey: identityKey,
    ...validity(options.now),
    extensions: [
      subjectKeyIdentifier(identityKey.publicKey),
      authorityKeyIdentifier(identityKey.publicKey),
      extension(OID.basicConstraints, derSequence(der(TAG.boolean, Uint8Array.of(0xff))), true),
    ],
  })
  const identity = { identityCertificate, identityKey }
  return { ...identity, ...createServerCertificate(identity, options) }
}

/**
 * A new server certificate and key of an existing identity, so that the router's address stays the same.
 * @throws DecodeError when the identity certificate cannot be read; EncodeError as above
 */
export function createServerCertificate(
  { identityCertificate, identityKey }: RouterIdentity,
  { commonName, now }: ServerCertificateOptions,
): ServerCertificate {
  const serverKey = PrivateKey.generate(identityKey.algorithm)
  const serverCertificate = issueCertificate({
    issuer: readCertificate(identityCertificate).subject,
    subject: distinguishedName([OID.commonName, commonName]),
    publicKey: serverKey.publicKey,
    signingKey: identityKey,
    ...validity(now),
    extensions: [
      extension(OID.basicConstraints, derSequence()),
      extension(OID.keyUsage, der(TAG.bitString, LEAF_KEY_USAGE)),
      extension(OID.extKeyUsage, derSequence(derObjectIdentifier(OID.serverAuth))),
      subjectKeyIdentifier(serverKey.publicKey),
      authorityKeyIdentifier(identityKey.publicKey),
    ],
  })
  return { serverCertificate, serverKey }
}

function validity(notBefore = new Date()) {
  return { notBefore, notAfter: new Date(notBefore.getTime() + VALIDITY_DAYS * DAY_MS) }
}
