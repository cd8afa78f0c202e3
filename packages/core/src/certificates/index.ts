export { type Certificate, fingerprint, readCertificate } from './certificate.ts'
export { CertificateError, type CertificateErrorCode } from './certificate-error.ts'
export { type ChainOptions, MAX_CHAIN, MIN_CHAIN, type ValidChain, validateChain } from './chain.ts'
export {
  createRouterCertificates,
  createServerCertificate,
  type RouterCertificatesOptions,
  type RouterIdentity,
  type ServerCertificate,
  type ServerCertificateOptions,
} from './create.ts'
export {
  DerReader,
  type DerValue,
  der,
  derBitString,
  derObjectIdentifier,
  derSequence,
  TAG as DER_TAG,
} from './der.ts'
export { distinguishedName, extension } from './issue.ts'
export { fromPem, type PemLabel, toPem } from './pem.ts'
export { signSessionKey, verifySignedKey } from './signed-key.ts'
export { derTime } from './time.ts'
