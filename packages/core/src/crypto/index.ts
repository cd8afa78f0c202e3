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
