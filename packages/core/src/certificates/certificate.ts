import { CryptoError, PublicKey, sha256 } from '../crypto/index.ts'
import { DecodeError, toHex } from '../encoding/index.ts'
import { DerReader, TAG } from './der.ts'
import { OID } from './identifiers.ts'
import { readTime } from './time.ts'

/** Bit of keyUsage (counted from the first) that allows to sign certificates. */
const KEY_CERT_SIGN = 5

/** Extensions whose meaning is known, so that they may be critical. */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  OID.basicConstraints,
  OID.keyUsage,
  OID.extKeyUsage,
  // Names are not compared: a router is known by the hash of its certificate, spec/smp.md §2.1.
  OID.subjectAltName,
  OID.certificatePolicies,
  OID.subjectKeyIdentifier,
  OID.authorityKeyIdentifier,
])

/** An X.509 certificate as far as validation looks at it. All bytes are views of `der`. */
export interface Certificate {
  readonly der: Uint8Array
  /** 1 to 3. */
  readonly version: number
  /** Hexadecimal. */
  readonly serialNumber: string
  /** DER of the names. */
  readonly issuer: Uint8Array
  readonly subject: Uint8Array
  /** Both inclusive, whole seconds. */
  readonly notBefore: Date
  readonly notAfter: Date
  /** DER of SubjectPublicKeyInfo. */
  readonly spki: Uint8Array
  /** The key when it is of one of the protocols' four algorithms. */
  readonly publicKey: PublicKey | undefined
  /** What the signature covers. */
  readonly signed: Uint8Array
  /** Dotted object identifier. */
  readonly signatureAlgorithm: string
  readonly signature: Uint8Array
  /** basicConstraints says that it is an authority. */
  readonly isAuthority: boolean
  /** Authorities that may stand between it and the leaf. */
  readonly pathLength: number | undefined
  /** False when keyUsage is there and does not allow to sign certificates. */
  readonly maySignCertificates: boolean
  /** Critical extensions that are not understood, dotted. */
  readonly unknownCritical: readonly string[]
}

type Extensions = Pick<Certificate, 'isAuthority' | 'pathLength' | 'maySignCertificates' | 'unknownCritical'>

/** SHA-256 of a certificate's DER, 32 bytes: the `keyHash` of a router's address is that of its identity certificate. */
export function fingerprint(certificate: Uint8Array): Uint8Array {
  return sha256(certificate)
}

/**
 * Reads an X.509 certificate; its signature is not looked at.
 * @throws DecodeError
 */
export function readCertificate(bytes: Uint8Array): Certificate {
  const outer = new DerReader(bytes)
  const reader = outer.enter(TAG.sequence)
  outer.expectEnd()
  const signed = reader.next(TAG.sequence)
  const signatureAlgorithm = readAlgorithm(reader)
  const signature = reader.bitStringBytes()
  reader.expectEnd()

  const body = DerReader.of(signed)
  const version = readVersion(body)
  const serialNumber = toHex(body.next(TAG.integer).content)
  if (readAlgorithm(body) !== signatureAlgorithm) body.fail('two different signature algorithms')
  const issuer = body.next(TAG.sequence).bytes
  const validity = body.enter(TAG.sequence)
  const notBefore = readTime(validity)
  const notAfter = readTime(validity)
  validity.expectEnd()
  const subject = body.next(TAG.sequence).bytes
  const spki = body.next(TAG.sequence).bytes
  body.optional(TAG.contextPrimitive(1))
  body.optional(TAG.contextPrimitive(2))
  const extensions = readExtensions(body)
  body.expectEnd()
  return {
    der: bytes,
    version,
    serialNumber,
    issuer,
    subject,
    notBefore,
    notAfter,
    spki,
    publicKey: readPublicKey(spki),
    signed: signed.bytes,
    signatureAlgorithm,
    signature,
    ...extensions,
  }
}

function readVersion(body: DerReader): number {
  const explicit = body.optional(TAG.context(0))
  if (!explicit) return 1
  const reader = DerReader.of(explicit)
  const version = reader.smallInteger() + 1
  reader.expectEnd()
  if (version > 3) reader.fail('version of a certificate')
  return version
}

/** Identifier of an algorithm; its parameters are left to whoever uses it. */
function readAlgorithm(reader: DerReader): string {
  return reader.enter(TAG.sequence).objectIdentifier()
}

function readPublicKey(spki: Uint8Array): PublicKey | undefined {
  try {
    return PublicKey.fromSpki(spki)
  } catch (error) {
    if (error instanceof CryptoError) return undefined
    throw error
  }
}

function readExtensions(body: DerReader): Extensions {
  const result = {
    isAuthority: false,
    pathLength: undefined as number | undefined,
    maySignCertificates: true,
    unknownCritical: [] as string[],
  }
  const explicit = body.optional(TAG.context(3))
  if (!explicit) return result
  const wrapper = DerReader.of(explicit)
  const list = wrapper.enter(TAG.sequence)
  wrapper.expectEnd()
  const seen = new Set<string>()
  while (!list.isAtEnd) {
    const extension = list.enter(TAG.sequence)
    const oid = extension.objectIdentifier()
    const critical = extension.isNext(TAG.boolean) && extension.boolean()
    const value = DerReader.of(extension.next(TAG.octetString))
    extension.expectEnd()
    if (seen.has(oid)) list.fail('extension twice')
    seen.add(oid)
    if (oid === OID.basicConstraints) Object.assign(result, readBasicConstraints(value))
    else if (oid === OID.keyUsage) result.maySignCertificates = readKeyCertSign(value)
    else if (critical && !UNDERSTOOD.has(oid)) result.unknownCritical.push(oid)
  }
  return result
}

function readBasicConstraints(value: DerReader): Pick<Extensions, 'isAuthority' | 'pathLength'> {
  const reader = value.enter(TAG.sequence)
  value.expectEnd()
  const isAuthority = reader.isNext(TAG.boolean) && reader.boolean()
  const pathLength = reader.isNext(TAG.integer) ? reader.smallInteger() : undefined
  reader.expectEnd()
  return { isAuthority, pathLength }
}

function readKeyCertSign(value: DerReader): boolean {
  const { content, contentOffset } = value.next(TAG.bitString)
  value.expectEnd()
  const [unused, first] = content
  if (unused === undefined || unused > 7) throw new DecodeError('not a bit string', contentOffset)
  return ((first ?? 0) & (0x80 >> KEY_CERT_SIGN)) !== 0
}
