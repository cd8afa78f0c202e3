import { X509Certificate } from 'node:crypto'
import { DecodeError } from '@parley/core/encoding'
import { type PeerKey, verifyPeerSignature } from './peer-key.ts'

/** Length of an uncompressed point of P-256. */
export const SESSION_POINT_LENGTH = 65

const UNCOMPRESSED = 0x04

/**
 * The public key of a session certificate (DER), as the peer signs it: the uncompressed point, 65 bytes.
 * @throws DecodeError when it is not the certificate of a P-256 key
 */
export function sessionPoint(certificate: Uint8Array): Uint8Array {
  const { kty, crv, x, y } = readJwk(certificate)
  if (kty !== 'EC' || crv !== 'P-256' || x === undefined || y === undefined) {
    throw new DecodeError('certificate is not of a P-256 key', 0)
  }
  return Uint8Array.of(UNCOMPRESSED, ...Buffer.from(x, 'base64url'), ...Buffer.from(y, 'base64url'))
}

function readJwk(certificate: Uint8Array) {
  try {
    return new X509Certificate(certificate).publicKey.export({ format: 'jwk' })
  } catch {
    throw new DecodeError('not a certificate', 0)
  }
}

/**
 * The peer's word for the certificate of its delegate and mailbox services: a DER signature (70 to 72 bytes) over the
 * point of the certificate's key. `spec/acn.md §8`.
 * @param point 65 bytes, see {@link sessionPoint}
 */
export function signSessionPoint(peerKey: PeerKey, point: Uint8Array): Uint8Array {
  if (point.length !== SESSION_POINT_LENGTH || point[0] !== UNCOMPRESSED) {
    throw new TypeError('point must be an uncompressed point of 65 bytes')
  }
  return peerKey.sign(point)
}

/**
 * Whether the peer with this public key (33 bytes) stands for the session certificate (DER). Never throws: what cannot
 * be read is not signed.
 */
export function verifySessionCertificate(
  peerPublicKey: Uint8Array,
  certificate: Uint8Array,
  signature: Uint8Array,
): boolean {
  try {
    return verifyPeerSignature(peerPublicKey, sessionPoint(certificate), signature)
  } catch (error) {
    if (error instanceof DecodeError) return false
    throw error
  }
}
