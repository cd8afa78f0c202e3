/** Why a handshake of the protocol failed: `spec/smp.md §4`, PROXY BROKER TRANSPORT HANDSHAKE. */
export type HandshakeErrorCode = 'PARSE' | 'IDENTITY' | 'BAD_AUTH' | 'BAD_SERVICE'

/** Wire names of transport failures: `spec/smp.md §4`. */
export type TransportErrorCode = 'BLOCK' | 'VERSION' | 'LARGE_MSG' | 'SESSION' | 'NO_AUTH' | 'HANDSHAKE'

/**
 * The peer broke the rules of blocks or of the handshake, or something does not fit them.
 * Never carries contents.
 */
export class TransportError extends Error {
  readonly code: TransportErrorCode
  /** Present exactly when `code` is HANDSHAKE. */
  readonly handshake: HandshakeErrorCode | undefined

  constructor(code: Exclude<TransportErrorCode, 'HANDSHAKE'>, message: string, options?: ErrorOptions)
  constructor(code: 'HANDSHAKE', message: string, options: ErrorOptions & { readonly handshake: HandshakeErrorCode })
  constructor(code: TransportErrorCode, message: string, options?: ErrorOptions & { handshake?: HandshakeErrorCode }) {
    super(message, options)
    this.name = 'TransportError'
    this.code = code
    this.handshake = options?.handshake
  }
}

/**
 * Wire names of network failures: `spec/smp.md §4`, PROXY BROKER NETWORK.
 * - CONNECT: no TCP connection (refused, unknown host, proxy says no)
 * - TLS: TLS handshake failed, or the certificate chain is malformed or expired
 * - UNKNOWNCA: the chain does not have the expected identity certificate, or is not signed by it
 * - TIMEOUT: not connected in time
 * - FAILED: an established connection broke or was closed
 * - HOST: the server has no host of the required kind
 */
export type NetworkErrorCode = 'CONNECT' | 'TLS' | 'UNKNOWNCA' | 'TIMEOUT' | 'FAILED' | 'HOST'

/** A connection could not be made or broke. */
export class NetworkError extends Error {
  readonly code: NetworkErrorCode

  constructor(code: NetworkErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'NetworkError'
    this.code = code
  }
}

/** The words of any thrown value, for the message of an error that wraps it. */
export function reasonOf(cause: unknown): string {
  // An AggregateError of several addresses tried has an empty message.
  if (cause instanceof AggregateError && cause.message === '') return cause.errors.map(reasonOf).join(', ')
  return cause instanceof Error ? cause.message : String(cause)
}
