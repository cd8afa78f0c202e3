import {
  CryptoError,
  type KeyAlgorithm,
  type PrivateKey,
  PublicKey,
  type SignatureAlgorithm,
  sign,
  verify,
} from '../crypto/index.ts'
import { DerReader, derBitString, derObjectIdentifier, derSequence, TAG } from './der.ts'
import { signatureOid } from './identifiers.ts'

/**
 * A public key signed by the key of a certificate, as handshakes carry it: X.509 `SIGNED` over `SEQUENCE { SPKI }`
 * (`spec/smp.md §0 S2`, §2.2). 122 bytes for an X25519 key and an Ed25519 signature, 173 with Ed448.
 */
export function signSessionKey(key: PublicKey<KeyAlgorithm>, leafKey: PrivateKey<SignatureAlgorithm>): Uint8Array {
  const object = derSequence(key.spki)
  const algorithm = derSequence(derObjectIdentifier(signatureOid(leafKey.algorithm)))
  return derSequence(object, algorithm, derBitString(sign(leafKey, object)))
}

/**
 * The key that {@link signSessionKey} signed.
 * @throws DecodeError when the bytes have another form; CryptoError INVALID_SIGNATURE when `leafKey` did not sign
 *   them, INVALID_KEY when what it signed is not a key of the protocol
 */
export function verifySignedKey(signed: Uint8Array, leafKey: PublicKey<SignatureAlgorithm>): PublicKey {
  const outer = new DerReader(signed)
  const reader = outer.enter(TAG.sequence)
  outer.expectEnd()
  const object = reader.next(TAG.sequence)
  const algorithm = reader.enter(TAG.sequence)
  const oid = algorithm.objectIdentifier()
  algorithm.expectEnd()
  const signature = reader.bitStringBytes()
  reader.expectEnd()
  const wrapped = DerReader.of(object)
  const spki = wrapped.next(TAG.sequence).bytes
  wrapped.expectEnd()
  if (oid !== signatureOid(leafKey.algorithm) || !verify(leafKey, object.bytes, signature)) {
    throw new CryptoError('INVALID_SIGNATURE', 'session key is not signed by the certificate')
  }
  return PublicKey.fromSpki(spki)
}
