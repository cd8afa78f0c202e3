export {
  AEAD_IV_LENGTH,
  AEAD_KEY_LENGTH,
  AEAD_TAG_LENGTH,
  decryptAead,
  decryptAeadNoPad,
  encryptAead,
  encryptAeadNoPad,
  type SealedAead,
} from './aead.ts'
export {
  AUTHENTICATOR_LENGTH,
  authenticate,
  BOX_KEY_LENGTH,
  BoxKey,
  cbNonce,
  NONCE_LENGTH,
  openBox,
  openBoxNoPad,
  reverseNonce,
  sealBox,
  sealBoxNoPad,
  verifyAuthenticator,
} from './box.ts'
export { CryptoError, type CryptoErrorCode } from './crypto-error.ts'
export { sha3_256, sha3_384, sha256, sha512 } from './hash.ts'
export { hkdfSha512 } from './hkdf.ts'
export { KemKeyPairPool, type KemKeyPairPoolOptions } from './kem-key-pair-pool.ts'
export {
  authKeyCodec,
  type DhAlgorithm,
  dh,
  dhKeyCodec,
  ed25519KeyCodec,
  type KeyAlgorithm,
  PrivateKey,
  PublicKey,
  publicKeyCodec,
  type SignatureAlgorithm,
  sign,
  verify,
  x25519KeyCodec,
} from './keys.ts'
export { BOX_TAG_LENGTH } from './secretbox.ts'
export {
  type KemEncapsulation,
  type KemKeyPair,
  loadSntrup761,
  SNTRUP761_CIPHERTEXT_LENGTH,
  SNTRUP761_PUBLIC_KEY_LENGTH,
  SNTRUP761_SECRET_KEY_LENGTH,
  SNTRUP761_SHARED_SECRET_LENGTH,
  type Sntrup761,
} from './sntrup761.ts'
