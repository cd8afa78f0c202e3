/** What went wrong with a connection between an agent and its node. */
export type ConnectionErrorCode =
  /** No connection could be made: refused, no route, unknown host. */
  | 'CONNECT'
  /** The TLS handshake failed. */
  | 'TLS'
  /** The node could not prove that it is the configured peer. */
  | 'UNTRUSTED'
  /** The node does not take the agent: its status is the cause. */
  | 'REFUSED'
  /** Nothing came in time: a handshake, an answer, the rest of a frame. */
  | 'TIMEOUT'
  /** The other end does not read what is written. */
  | 'STALLED'
  /** A frame that is too long or does not belong here. */
  | 'FRAME'
  /** Too many connections. */
  | 'LIMIT'
  /** It has ended. */
  | 'CLOSED'

/** A connection between an agent and its node could not be made or has ended. Holds no addresses of agents, no contents. */
export class AcnConnectionError extends Error {
  readonly code: ConnectionErrorCode

  constructor(code: ConnectionErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'AcnConnectionError'
    this.code = code
  }
}

/** The error itself when it is one of these, otherwise one of this code with it as cause. */
export function connectionError(code: ConnectionErrorCode, cause: unknown): AcnConnectionError {
  if (cause instanceof AcnConnectionError) return cause
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new AcnConnectionError(code, `${code.toLowerCase()}: ${reason}`, { cause })
}
