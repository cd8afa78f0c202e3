/** Why a chain of certificates was refused. */
export type CertificateErrorCode =
  /** Not two to four certificates: `spec/smp.md §2.1`. */
  | 'CHAIN_LENGTH'
  /** A certificate is not well-formed X.509. */
  | 'MALFORMED'
  /** The identity certificate is not the one whose hash was given. */
  | 'FINGERPRINT'
  | 'NOT_YET_VALID'
  | 'EXPIRED'
  /** Issuer and subject names do not link up. */
  | 'ISSUER'
  | 'SIGNATURE'
  /** An issuer is not a certificate authority. */
  | 'NOT_CA'
  | 'PATH_LENGTH'
  /** A critical extension is not understood. */
  | 'CRITICAL_EXTENSION'
  /** The leaf's key is neither Ed25519 nor Ed448, or it is not a version 3 certificate. */
  | 'LEAF'

/** A chain of certificates was refused. */
export class CertificateError extends Error {
  readonly code: CertificateErrorCode

  constructor(code: CertificateErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CertificateError'
    this.code = code
  }
}
