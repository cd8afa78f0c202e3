/**
 * Thrown by every decoder of this package family when bytes or text from outside do not have the expected form.
 * It is the only error a decoder may throw on malformed input.
 */
export class DecodeError extends Error {
  /** Position in the input (bytes, or characters for text forms) at which decoding failed. */
  readonly offset: number
  /** What was expected there, in words; never contains the input itself. */
  readonly reason: string

  constructor(reason: string, offset: number) {
    super(`${reason} at offset ${offset}`)
    this.name = 'DecodeError'
    this.reason = reason
    this.offset = offset
  }
}
