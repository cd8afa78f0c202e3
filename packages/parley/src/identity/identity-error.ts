/**
 * What is wrong with an identity: `NAME` (not a name), `EXISTS`, `NOT_FOUND`, `AMBIGUOUS`, `PASSPHRASE` (missing or
 * wrong), `FORMAT` (a file that is none of those known, or damaged), `KEY` (not a private key of the ledger).
 */
export type LedgerIdentityErrorCode = 'NAME' | 'EXISTS' | 'NOT_FOUND' | 'AMBIGUOUS' | 'PASSPHRASE' | 'FORMAT' | 'KEY'

/** An identity cannot be made, read or unlocked. Never repeats what was read: it may be a key. */
export class LedgerIdentityError extends Error {
  readonly code: LedgerIdentityErrorCode

  constructor(code: LedgerIdentityErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'LedgerIdentityError'
    this.code = code
  }
}
