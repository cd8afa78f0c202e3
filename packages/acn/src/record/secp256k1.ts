import { createECDH, createPublicKey, type ECDH, hash, verify as verifyNatively } from 'node:crypto'
import { secp256k1 } from '@noble/curves/secp256k1.js'

/** Length of a private key. */
export const SECP256K1_PRIVATE_KEY_LENGTH = 32
/** Length of r‖s. */
export const SECP256K1_SIGNATURE_LENGTH = 64

/** SubjectPublicKeyInfo of a compressed secp256k1 key, up to the key itself. */
const SPKI_PREFIX = Buffer.from('3036301006072a8648ce3d020106052b8104000a032200', 'hex')

/**
 * The compressed public key (33 bytes) of a private key (32 bytes).
 * @throws RangeError when the bytes are no private key; never holds them
 */
export function secp256k1PublicKey(privateKey: Uint8Array): Uint8Array {
  return new Uint8Array(ecdhOf(privateKey).getPublicKey(null, 'compressed'))
}

function ecdhOf(privateKey: Uint8Array): ECDH {
  const ecdh = createECDH('secp256k1')
  try {
    if (privateKey.length !== SECP256K1_PRIVATE_KEY_LENGTH) throw new RangeError('length')
    ecdh.setPrivateKey(privateKey)
    return ecdh
  } catch {
    throw new RangeError('privateKey must be a secp256k1 private key of 32 bytes')
  }
}

/**
 * The secret (32 bytes) that a private key shares with the owner of a compressed public key (33 bytes): X of their
 * common point. Undefined when the public key is none.
 * @throws RangeError when the private key is none
 */
export function sharedSecret(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
  const ecdh = ecdhOf(privateKey)
  try {
    return new Uint8Array(ecdh.computeSecret(publicKey))
  } catch {
    return undefined
  }
}

/** How a signature is written: 64 bytes r‖s, or a DER sequence of both. */
export type SignatureForm = 'compact' | 'der'

/** ECDSA over SHA-256 of `message`: deterministic (RFC 6979), low S. */
export function signSha256(privateKey: Uint8Array, message: Uint8Array, form: SignatureForm): Uint8Array {
  return secp256k1.sign(hash('sha256', message, 'buffer'), privateKey, { prehash: false, lowS: true, format: form })
}

/**
 * Whether the signature over SHA-256 of `message` is the key's; low and high S. Never throws: keys that are not on the
 * curve and signatures of other lengths or forms have signed nothing. In node:crypto, where one takes 0.28 ms
 * against 1.1 ms in JavaScript.
 */
export function verifySha256(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
  form: SignatureForm,
): boolean {
  if (form === 'compact' && signature.length !== SECP256K1_SIGNATURE_LENGTH) return false
  try {
    const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' })
    return verifyNatively('sha256', message, { key, dsaEncoding: form === 'der' ? 'der' : 'ieee-p1363' }, signature)
  } catch {
    return false
  }
}

/**
 * A signature over a hash (32 bytes) from which the key can be recovered: r‖s, and the recovery bit (0 or 1).
 * Deterministic (RFC 6979), low S.
 */
export function signRecoverable(privateKey: Uint8Array, hash: Uint8Array): { signature: Uint8Array; bit: number } {
  const [bit = 0, ...signature] = secp256k1.sign(hash, privateKey, { prehash: false, lowS: true, format: 'recovered' })
  return { signature: Uint8Array.from(signature), bit }
}

/**
 * The public key, 64 bytes X‖Y, that made a signature (64 bytes r‖s, low or high S) over a hash (32 bytes);
 * undefined when no key has.
 */
export function recoverPublicKey(hash: Uint8Array, signature: Uint8Array, bit: number): Uint8Array | undefined {
  if (signature.length !== SECP256K1_SIGNATURE_LENGTH) return undefined
  try {
    const recovered = Uint8Array.of(bit, ...signature)
    const point = secp256k1.Signature.fromBytes(recovered, 'recovered').recoverPublicKey(hash)
    return point.toBytes(false).subarray(1)
  } catch {
    return undefined
  }
}

/** X‖Y, 64 bytes, of a compressed key (33 bytes) that is on the curve. */
export function uncompressed(publicKey: Uint8Array): Uint8Array {
  return secp256k1.Point.fromBytes(publicKey).toBytes(false).subarray(1)
}
