import { publicKeyFromProtobuf, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import type { PeerId, PrivateKey } from '@libp2p/interface'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { DecodeError, equalBytes } from '@parley/core/encoding'
import { verifyPeerSignature } from '../../record/index.ts'
import { createHostCertificate, type HostCertificate, readPeerCertificate, signedBytes } from './certificate.ts'

/** Makes the certificate of a host with this key. */
export function certificateOf(privateKey: PrivateKey): Promise<HostCertificate> {
  const hostKey = publicKeyToProtobuf(privateKey.publicKey)
  return createHostCertificate(async (message) => ({ hostKey, signature: await privateKey.sign(message) }))
}

/**
 * The peer that a certificate (DER) belongs to.
 * @throws DecodeError when it proves nothing
 */
export async function peerOfCertificate(certificate: Uint8Array, now?: number): Promise<PeerId> {
  const { hostKey, signature, spki } = readPeerCertificate(certificate, now)
  const publicKey = readHostKey(hostKey)
  const message = signedBytes(spki)
  // Peers of the network have secp256k1 keys, which node:crypto verifies four times as fast as the library of libp2p.
  const valid =
    publicKey.type === 'secp256k1'
      ? verifyPeerSignature(publicKey.raw, message, signature)
      : await publicKey.verify(message, signature)
  if (!valid) throw new DecodeError('certificate is not signed by its host key', 0)
  return peerIdFromPublicKey(publicKey)
}

function readHostKey(hostKey: Uint8Array) {
  try {
    return publicKeyFromProtobuf(hostKey)
  } catch {
    throw new DecodeError('host key of a certificate', 0)
  }
}

/** True when both ids are of the same peer. */
export function isSamePeer(a: PeerId, b: PeerId): boolean {
  return equalBytes(a.toMultihash().bytes, b.toMultihash().bytes)
}
