import { createHash, generateKeyPairSync, type KeyObject, sign, X509Certificate } from 'node:crypto'
import {
  DER_TAG,
  DerReader,
  der,
  derBitString,
  derObjectIdentifier,
  derSequence,
  derTime,
  distinguishedName,
  extension,
  toPem,
} from '@parley/core/certificates'
import { concatBytes, DecodeError } from '@parley/core/encoding'

/** The extension by which libp2p binds a certificate to a host key: libp2p TLS 1.0.0, "libp2p Public Key Extension". */
const LIBP2P_EXTENSION = '1.3.6.1.4.1.53594.1.1'
const SIGNED_PREFIX = Buffer.from('libp2p-tls-handshake:', 'latin1')
const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2'
const COMMON_NAME = '2.5.4.3'
const SERIAL_BYTES = 16
const HOUR = 3_600_000
/** As long as a process lives, and more; each start makes a new one. */
const LIFETIME = 10 * 365 * 24 * HOUR
/** No certificate of the network is longer than some hundred bytes. */
const MAX_CERTIFICATE = 16 * 1024

/** What the libp2p extension of a certificate says. */
export interface HostKeyProof {
  /** libp2p's protobuf of the host's public key. */
  readonly hostKey: Uint8Array
  /** By the host key over {@link signedBytes}. */
  readonly signature: Uint8Array
}

/** A certificate for TLS connections between peers, with its key, both PEM. */
export interface HostCertificate {
  readonly cert: string
  readonly key: string
}

/** What the host key signs: a fixed text and the certificate's public key (DER of its SubjectPublicKeyInfo). */
export function signedBytes(spki: Uint8Array): Uint8Array {
  return concatBytes(SIGNED_PREFIX, spki)
}

/**
 * Makes a self-signed P-256 certificate that carries the proof of the host key. The extension is not critical: the
 * Go library of older peers refuses critical extensions that its X.509 verifier does not know, the newer takes both.
 * @param prove signs with the host key what it is given, and names that key
 */
export async function createHostCertificate(
  prove: (message: Uint8Array) => Promise<HostKeyProof>,
  now = Date.now(),
): Promise<HostCertificate> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const spki = publicKey.export({ format: 'der', type: 'spki' })
  const { hostKey, signature } = await prove(signedBytes(spki))
  const proof = derSequence(der(DER_TAG.octetString, hostKey), der(DER_TAG.octetString, signature))
  const cert = issue(spki, privateKey, extension(LIBP2P_EXTENSION, proof), now)
  return { cert: toPem('CERTIFICATE', cert), key: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString() }
}

function issue(spki: Uint8Array, privateKey: KeyObject, libp2pExtension: Uint8Array, now: number): Uint8Array {
  const algorithm = derSequence(derObjectIdentifier(ECDSA_WITH_SHA256))
  const serial = createHash('sha256').update(spki).digest().subarray(0, SERIAL_BYTES)
  // Positive, and without leading zeros.
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  const name = distinguishedName([COMMON_NAME, 'libp2p'])
  const body = derSequence(
    der(DER_TAG.context(0), der(DER_TAG.integer, Uint8Array.of(2))),
    der(DER_TAG.integer, serial),
    algorithm,
    name,
    derSequence(derTime(new Date(now - HOUR)), derTime(new Date(now + LIFETIME))),
    name,
    spki,
    der(DER_TAG.context(3), derSequence(libp2pExtension)),
  )
  return derSequence(body, algorithm, derBitString(sign('sha256', body, privateKey)))
}

/** The public key of a certificate and the proof of the host key in it. */
export interface PeerCertificate extends HostKeyProof {
  /** DER. */
  readonly spki: Uint8Array
}

/**
 * Reads a peer's certificate and checks what it says by itself: it is self-signed, valid at `now`, has the libp2p
 * extension once and no critical extension besides. The host key's signature is still to be verified.
 * @throws DecodeError
 */
export function readPeerCertificate(bytes: Uint8Array, now = Date.now()): PeerCertificate {
  if (bytes.length > MAX_CERTIFICATE) throw new DecodeError('certificate too long', 0)
  const proof = readProof(findExtension(bytes))
  const certificate = parse(bytes)
  if (now < certificate.validFromDate.getTime() || now > certificate.validToDate.getTime()) {
    throw new DecodeError('certificate is not valid at this time', 0)
  }
  return { ...proof, spki: selfSignedKey(certificate) }
}

function parse(bytes: Uint8Array): X509Certificate {
  try {
    return new X509Certificate(bytes)
  } catch {
    throw new DecodeError('not a certificate', 0)
  }
}

function selfSignedKey(certificate: X509Certificate): Uint8Array {
  try {
    const { publicKey } = certificate
    if (certificate.verify(publicKey)) return publicKey.export({ format: 'der', type: 'spki' })
  } catch {
    // A key of a kind that OpenSSL does not know: not verified either.
  }
  throw new DecodeError('certificate is not self-signed', 0)
}

/** The content of the libp2p extension. */
function findExtension(certificate: Uint8Array): Uint8Array {
  const body = new DerReader(certificate).enter(DER_TAG.sequence).enter(DER_TAG.sequence)
  let found: Uint8Array | undefined
  while (!body.isAtEnd) {
    if (!body.isNext(DER_TAG.context(3))) {
      body.next()
      continue
    }
    const extensions = body.enter(DER_TAG.context(3)).enter(DER_TAG.sequence)
    while (!extensions.isAtEnd) {
      const item = extensions.enter(DER_TAG.sequence)
      const id = item.objectIdentifier()
      const critical = item.isNext(DER_TAG.boolean) && item.boolean()
      const { content } = item.next(DER_TAG.octetString)
      if (id !== LIBP2P_EXTENSION) {
        if (critical) throw new DecodeError('unknown critical extension', 0)
        continue
      }
      if (found) throw new DecodeError('two libp2p extensions', 0)
      found = content
    }
  }
  if (!found) throw new DecodeError('no libp2p extension', 0)
  return found
}

function readProof(content: Uint8Array): HostKeyProof {
  const reader = new DerReader(content)
  const signed = reader.enter(DER_TAG.sequence)
  reader.expectEnd()
  const hostKey = signed.next(DER_TAG.octetString).content
  const signature = signed.next(DER_TAG.octetString).content
  signed.expectEnd()
  return { hostKey, signature }
}
