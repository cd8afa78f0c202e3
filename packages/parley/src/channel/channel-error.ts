/** Why a call of {@link Channels} failed. */
export type ChannelErrorCode = 'NO_PEER' | 'NO_CONTACT' | 'UNKNOWN_LOCAL' | 'LARGE' | 'CLOSED'

/** Thrown by the calls of channels. */
export class ChannelError extends Error {
  readonly code: ChannelErrorCode

  constructor(code: ChannelErrorCode, message: string) {
    super(message)
    this.name = 'ChannelError'
    this.code = code
  }
}
