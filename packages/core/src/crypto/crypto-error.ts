/** Names of the cryptographic failures that the protocols tell apart: `spec/pqdr.md §9`. */
export type CryptoErrorCode =
  | 'INVALID_KEY'
  | 'INVALID_SIGNATURE'
  | 'LARGE_MSG'
  | 'INVALID_MSG'
  | 'HEADER'
  | 'DECRYPT_AES'
  | 'DECRYPT_CB'
  | 'KEM'

/** A cryptographic operation on given input failed. Never carries keys or contents. */
export class CryptoError extends Error {
  readonly code: CryptoErrorCode

  constructor(code: CryptoErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CryptoError'
    this.code = code
  }
}
