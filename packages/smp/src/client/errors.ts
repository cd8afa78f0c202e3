import { CryptoError, type CryptoErrorCode } from '@parley/core/crypto'
import { NetworkError, TransportError } from '@parley/core/transport'
import {
  type BrokerErrorType,
  formatSmpError,
  formatSmpServer,
  type NetworkErrorType,
  type SmpErrorType,
  type SmpServer,
  type TransportErrorType,
} from '../protocol/index.ts'

/** What can go wrong between a client and a router: `spec/smp.md §9`, errors. */
export type SmpClientErrorType =
  /** The router answered `ERR`. */
  | { readonly type: 'PROTOCOL'; readonly error: SmpErrorType }
  /** The router's answer cannot be read. */
  | { readonly type: 'RESPONSE'; readonly error: SmpErrorType }
  /** The router's answer does not fit the command, its entity, or any command; `detail` names its type. */
  | { readonly type: 'UNEXPECTED'; readonly detail: string }
  /** No answer in time; one that comes later is an event. */
  | { readonly type: 'TIMEOUT' }
  /** Not connected, or no longer: whether the router executed the command is unknown. */
  | { readonly type: 'NETWORK'; readonly error: NetworkErrorType }
  /** The server has no host of the required kind. */
  | { readonly type: 'INCOMPATIBLE_HOST' }
  /** A command for services in a session that is none. */
  | { readonly type: 'SERVICE_UNAVAILABLE' }
  /** The handshake failed, or the command does not fit a block. */
  | { readonly type: 'TRANSPORT'; readonly error: TransportErrorType }
  | { readonly type: 'CRYPTO'; readonly error: CryptoErrorCode }

export type SmpClientErrorCode = SmpClientErrorType['type']

/** A command or connection to a router failed. Never carries ids, keys or contents. */
export class SmpClientError extends Error {
  readonly reason: SmpClientErrorType
  readonly server: SmpServer

  constructor(server: SmpServer, reason: SmpClientErrorType, options?: ErrorOptions) {
    super(`${reasonText(reason)} (${server.hosts[0]})`, options)
    this.name = 'SmpClientError'
    this.reason = reason
    this.server = server
  }

  get code(): SmpClientErrorCode {
    return this.reason.type
  }

  /** The router's own error, when it is one. */
  get protocolError(): SmpErrorType | undefined {
    return this.reason.type === 'PROTOCOL' ? this.reason.error : undefined
  }

  /** True for failures that another try may not have: `spec/agent.md §9`, temporary errors. */
  get isTemporary(): boolean {
    return this.code === 'NETWORK' || this.code === 'TIMEOUT'
  }

  /**
   * The error as a proxy or an agent reports it for this server; undefined for PROTOCOL and CRYPTO, which they
   * report in other forms: `spec/agent.md §13`.
   */
  get brokerError(): BrokerErrorType | undefined {
    const { reason } = this
    switch (reason.type) {
      case 'RESPONSE':
        return { type: 'RESPONSE', detail: formatSmpError(reason.error) }
      case 'UNEXPECTED':
        return { type: 'UNEXPECTED', detail: reason.detail }
      case 'TIMEOUT':
        return { type: 'TIMEOUT' }
      case 'NETWORK':
        return { type: 'NETWORK', error: reason.error }
      case 'INCOMPATIBLE_HOST':
        return { type: 'HOST' }
      case 'SERVICE_UNAVAILABLE':
        return { type: 'NO_SERVICE' }
      case 'TRANSPORT':
        return { type: 'TRANSPORT', error: reason.error }
      default:
        return undefined
    }
  }

  toJSON(): { type: string; server: string; reason: SmpClientErrorType } {
    return { type: this.name, server: formatSmpServer(this.server), reason: this.reason }
  }
}

/**
 * The client's error for what the layers below throw.
 * @throws `error` itself when it is none of theirs (a fault of ours, or the reason of an aborted signal)
 */
export function toClientError(server: SmpServer, error: unknown): SmpClientError {
  if (error instanceof SmpClientError) return error
  if (error instanceof NetworkError) return new SmpClientError(server, networkReason(error), { cause: error })
  if (error instanceof TransportError) {
    return new SmpClientError(server, { type: 'TRANSPORT', error: transportReason(error) }, { cause: error })
  }
  if (error instanceof CryptoError) {
    return new SmpClientError(server, { type: 'CRYPTO', error: error.code }, { cause: error })
  }
  throw error
}

/** The connection is gone: what every command that waits for an answer gets. */
export function disconnected(server: SmpServer, cause?: Error): SmpClientError {
  return new SmpClientError(server, { type: 'NETWORK', error: { type: 'FAILED' } }, cause && { cause })
}

function networkReason(error: NetworkError): SmpClientErrorType {
  switch (error.code) {
    case 'HOST':
      return { type: 'INCOMPATIBLE_HOST' }
    case 'CONNECT':
    case 'TLS':
      return { type: 'NETWORK', error: { type: error.code, detail: error.message } }
    case 'UNKNOWNCA':
    case 'TIMEOUT':
    case 'FAILED':
      return { type: 'NETWORK', error: { type: error.code } }
  }
}

function transportReason(error: TransportError): TransportErrorType {
  if (error.code !== 'HANDSHAKE') return { type: error.code }
  return { type: 'HANDSHAKE', error: error.handshake ?? 'PARSE' }
}

function reasonText(reason: SmpClientErrorType): string {
  switch (reason.type) {
    case 'PROTOCOL':
    case 'RESPONSE':
      return `${reason.type} ${formatSmpError(reason.error)}`
    case 'UNEXPECTED':
      return `${reason.type} ${reason.detail}`
    case 'NETWORK':
      return `${reason.type} ${'detail' in reason.error ? `${reason.error.type} ${reason.error.detail}` : reason.error.type}`
    case 'TRANSPORT':
      return `${reason.type} ${'error' in reason.error ? `${reason.error.type} ${reason.error.error}` : reason.error.type}`
    case 'CRYPTO':
      return `${reason.type} ${reason.error}`
    default:
      return reason.type
  }
}
