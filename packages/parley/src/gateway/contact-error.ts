/** Why a contact could not be renewed. */
export type ContactErrorCode =
  /** No agent of this node has the address. */
  | 'UNKNOWN'
  /** The agent has no contact yet: it is being made. */
  | 'NOT_READY'
  /** The card in force is signed by the ledger key, which is not here: what this node could say would not count. */
  | 'LEDGER_KEY'
  /** The router, or the disk, did not do it. */
  | 'FAILED'

/** A contact was not renewed: the one before is in force. */
export class ContactError extends Error {
  readonly code: ContactErrorCode

  constructor(code: ContactErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ContactError'
    this.code = code
  }
}
