import { createHash, randomBytes } from 'node:crypto'
import { type PrivateKey, type PublicKey, type SignatureAlgorithm, sign } from '../crypto/index.ts'
import { EncodeError } from '../encoding/index.ts'
import { der, derBitString, derObjectIdentifier, derSequence, TAG } from './der.ts'
import { OID, signatureOid } from './identifiers.ts'
import { derTime } from './time.ts'

const SERIAL_LENGTH = 20

/** What a certificate says. */
export interface CertificateFields {
  /** DER of the names. */
  readonly issuer: Uint8Array
  readonly subject: Uint8Array
  readonly publicKey: PublicKey<SignatureAlgorithm>
  readonly signingKey: PrivateKey<SignatureAlgorithm>
  readonly notBefore: Date
  readonly notAfter: Date
  /** DER. */
  readonly extensions: readonly Uint8Array[]
}

/** A version 3 certificate (RFC 5280 §4.1), signed; DER. */
export function issueCertificate({
  issuer,
  subject,
  publicKey,
  signingKey,
  notBefore,
  notAfter,
  extensions,
}: CertificateFields): Uint8Array {
  const algorithm = derSequence(derObjectIdentifier(signatureOid(signingKey.algorithm)))
  const body = derSequence(
    der(TAG.context(0), der(TAG.integer, Uint8Array.of(2))),
    der(TAG.integer, serialNumber()),
    algorithm,
    issuer,
    derSequence(derTime(notBefore), derTime(notAfter)),
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

/** DER of a name with one attribute at each level. */
export function distinguishedName(...attributes: [oid: string, value: string][]): Uint8Array {
  return derSequence(
    ...attributes.map(([oid, value]) => {
      if (value.length === 0) throw new EncodeError('name in a certificate is empty')
      return der(TAG.set, derSequence(derObjectIdentifier(oid), der(TAG.utf8String, Buffer.from(value, 'utf8'))))
    }),
  )
}

/** One extension; its value is DER. */
export function extension(oid: string, value: Uint8Array, critical = false): Uint8Array {
  const flag = critical ? [der(TAG.boolean, Uint8Array.of(0xff))] : []
  return derSequence(derObjectIdentifier(oid), ...flag, der(TAG.octetString, value))
}

/** RFC 5280 §4.2.1.2, method 1. SHA-1 only names the key here. */
function keyIdentifier(key: PublicKey): Uint8Array {
  return createHash('sha1').update(key.raw).digest()
}

/** Names the certificate's own key. */
export function subjectKeyIdentifier(key: PublicKey): Uint8Array {
  return extension(OID.subjectKeyIdentifier, der(TAG.octetString, keyIdentifier(key)))
}

/** Names the key that signs the certificate. */
export function authorityKeyIdentifier(key: PublicKey): Uint8Array {
  return extension(OID.authorityKeyIdentifier, derSequence(der(TAG.contextPrimitive(0), keyIdentifier(key))))
}
