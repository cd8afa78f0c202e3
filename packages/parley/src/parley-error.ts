/** Why a call of {@link Parley} came to nothing. */
export type ParleyErrorCode =
  /** The address has no contact card that could be found. */
  | 'NOT_FOUND'
  /** There is a card, but no channel came to be in time. */
  | 'NO_CHANNEL'
  /** The node took the envelope and could not send or keep it. */
  | 'REFUSED'
  /** It is closed. */
  | 'CLOSED'

/** A call that came to nothing. */
export class ParleyError extends Error {
  readonly code: ParleyErrorCode

  constructor(code: ParleyErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ParleyError'
    this.code = code
  }
}
