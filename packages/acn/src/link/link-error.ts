/**
 * Why a link did not carry an envelope:
 * - `CLOSED`: the link ended before the answer; the envelope may have arrived
 * - `TIMEOUT`: no answer in time; the envelope may have arrived
 * - `PROTOCOL`: the other side does not keep to the protocol
 */
export type LinkErrorCode = 'CLOSED' | 'TIMEOUT' | 'PROTOCOL'

/** A link failed. Never carries contents. */
export class LinkError extends Error {
  readonly code: LinkErrorCode

  constructor(code: LinkErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'LinkError'
    this.code = code
  }
}
