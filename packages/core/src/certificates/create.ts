import { createHash, randomBytes } from 'node:crypto'
import { PrivateKey, type PublicKey, type SignatureAlgorithm, sign } from '../crypto/index.ts'
import { EncodeError } from '../encoding/index.ts'
import { readCertificate } from './certificate.ts'
import { der, derBitString, derObjectIdentifier, derSequence, TAG } from './der.ts'
import { OID, signatureOid } from './identifiers.ts'
import { derTime } from './time.ts'

/** How long certificates of routers are valid: `spec/smp.md §2.1`. */
const VALIDITY_DAYS = 999_999
const DAY_MS = 86_400_000
const SERIAL_LENGTH = 20

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
  const identityCertificate = certificate({
    issuer: name,
    subject: name,
    publicKey: identityKey.publicKey,
    signingKey: identityKey,
    now: options.now ?? new Date(),
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
  { commonName, now = new Date() }: ServerCertificateOptions,
): ServerCertificate {
  const serverKey = PrivateKey.generate(identityKey.algorithm)
  const serverCertificate = certificate({
    issuer: readCertificate(identityCertificate).subject,
    subject: distinguishedName([OID.commonName, commonName]),
    publicKey: serverKey.publicKey,
    signingKey: identityKey,
    now,
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

interface CertificateFields {
  readonly issuer: Uint8Array
  readonly subject: Uint8Array
  readonly publicKey: PublicKey<SignatureAlgorithm>
  readonly signingKey: PrivateKey<SignatureAlgorithm>
  readonly now: Date
  readonly extensions: readonly Uint8Array[]
}

/** RFC 5280 §4.1. */
function certificate({ issuer, subject, publicKey, signingKey, now, extensions }: CertificateFields): Uint8Array {
  const algorithm = derSequence(derObjectIdentifier(signatureOid(signingKey.algorithm)))
  const notAfter = new Date(now.getTime() + VALIDITY_DAYS * DAY_MS)
  const body = derSequence(
    der(TAG.context(0), der(TAG.integer, Uint8Array.of(2))),
    der(TAG.integer, serialNumber()),
    algorithm,
    issuer,
    derSequence(derTime(now), derTime(notAfter)),
    subject,
    publicKey.spki,
    der(TAG.context(3), derSequence(...extensions)),
  )
  return derSequence(body, algorithm, derBitString(sign(signingKey, body)))
}

/** A positive number of exactly 20 bytes. */
function serialNumber(): Uint8Array {
  const serial = randomBytes(SERIAL_LENGTH)
  serial[0] = ((serial[0] as number) & 0x3f) | 0x40
  return serial
}

function distinguishedName(...attributes: [oid: string, value: string][]): Uint8Array {
  return derSequence(
    ...attributes.map(([oid, value]) => {
      if (value.length === 0) throw new EncodeError('name in a certificate is empty')
      return der(TAG.set, derSequence(derObjectIdentifier(oid), der(TAG.utf8String, Buffer.from(value, 'utf8'))))
    }),
  )
}

function extension(oid: string, value: Uint8Array, critical = false): Uint8Array {
  const flag = critical ? [der(TAG.boolean, Uint8Array.of(0xff))] : []
  return derSequence(derObjectIdentifier(oid), ...flag, der(TAG.octetString, value))
}

/** RFC 5280 §4.2.1.2, method 1. SHA-1 only names the key here. */
function keyIdentifier(key: PublicKey): Uint8Array {
  return createHash('sha1').update(key.raw).digest()
}

function subjectKeyIdentifier(key: PublicKey): Uint8Array {
  return extension(OID.subjectKeyIdentifier, der(TAG.octetString, keyIdentifier(key)))
}

function authorityKeyIdentifier(key: PublicKey): Uint8Array {
  return extension(OID.authorityKeyIdentifier, derSequence(der(TAG.contextPrimitive(0), keyIdentifier(key))))
}
