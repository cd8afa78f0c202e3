export { CryptoError, type CryptoErrorCode } from './crypto-error.ts'
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
