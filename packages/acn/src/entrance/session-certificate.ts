import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import {
  DER_TAG,
  der,
  derBitString,
  derObjectIdentifier,
  derSequence,
  derTime,
  extension,
  toPem,
} from '@parley/core/certificates'
import { type PeerKey, sessionPoint, signSessionPoint } from '../record/index.ts'

const OID = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  organizationName: '2.5.4.10',
  keyUsage: '2.5.29.15',
  extKeyUsage: '2.5.29.37',
  basicConstraints: '2.5.29.19',
  subjectKeyIdentifier: '2.5.29.14',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const

const ORGANIZATION = 'Acn Node'
/** PrintableString, as the Go node writes it. */
const PRINTABLE_STRING = 0x13
const YEAR_MS = 365 * 24 * 60 * 60 * 1000
/** digitalSignature, keyEncipherment, keyCertSign. */
const KEY_USAGE = Uint8Array.of(2, 0b1010_0100)

/** What a node shows at its delegate port and its mailbox: one for both, with a new key at every start. */
export interface SessionCertificate {
  /** DER. */
  readonly certificate: Uint8Array
  readonly certificatePem: string
  /** PKCS #8; in memory only. */
  readonly privateKeyPem: string
  /** The public key as the peer signs it, 65 bytes. */
  readonly point: Uint8Array
  /** The peer's DER signature over {@link point}: the first frame to a delegate and the answer of `/ssl_signature`. */
  readonly signature: Uint8Array
}

/**
 * A self-signed certificate of a new P-256 key and the peer's word for it: `spec/acn.md §8`. Valid for a year from `now`
 * on; it is its own authority, because clients take it as one.
 */
export function createSessionCertificate(peerKey: PeerKey, now: Date = new Date()): SessionCertificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const spki = publicKey.export({ format: 'der', type: 'spki' })
  const algorithm = derSequence(derObjectIdentifier(OID.ecdsaWithSha256))
  const attribute = derSequence(
    derObjectIdentifier(OID.organizationName),
    der(PRINTABLE_STRING, Buffer.from(ORGANIZATION, 'latin1')),
  )
  const name = derSequence(der(DER_TAG.set, attribute))
  const body = derSequence(
    der(DER_TAG.context(0), der(DER_TAG.integer, Uint8Array.of(2))),
    der(DER_TAG.integer, Uint8Array.of(1)),
    algorithm,
    name,
    derSequence(derTime(now), derTime(new Date(now.getTime() + YEAR_MS))),
    name,
    spki,
    der(DER_TAG.context(3), derSequence(...extensions(spki))),
  )
  const certificate = Uint8Array.from(derSequence(body, algorithm, derBitString(sign('sha256', body, privateKey))))
  const point = sessionPoint(certificate)
  return {
    certificate,
    certificatePem: toPem('CERTIFICATE', certificate),
    privateKeyPem: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    point,
    signature: signSessionPoint(peerKey, point),
  }
}

function extensions(spki: Uint8Array): Uint8Array[] {
  const usages = derSequence(derObjectIdentifier(OID.clientAuth), derObjectIdentifier(OID.serverAuth))
  // Strict verifiers want an authority to name its key.
  const keyIdentifier = createHash('sha256').update(spki).digest().subarray(0, 20)
  return [
    extension(OID.keyUsage, der(DER_TAG.bitString, KEY_USAGE), true),
    extension(OID.extKeyUsage, usages),
    extension(OID.basicConstraints, derSequence(der(DER_TAG.boolean, Uint8Array.of(0xff))), true),
    extension(OID.subjectKeyIdentifier, der(DER_TAG.octetString, keyIdentifier)),
  ]
}
