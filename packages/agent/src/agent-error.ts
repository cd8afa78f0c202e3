import { CryptoError } from '@parley/core/crypto'
import type { BrokerErrorType, SmpErrorType } from '@parley/smp/protocol'
import { type AgentErrorJson, agentErrorToJson } from './agent-error-json.ts'
import { RatchetError } from './ratchet/ratchet-error.ts'

/** The call is not allowed or not possible as it was made: `spec/agent.md §13`. */
export type CommandErrorType = 'PROHIBITED' | 'SYNTAX' | 'NO_CONN' | 'SIZE' | 'LARGE'

/** The connection does not exist, exists already or is not in the needed state. */
export type ConnectionErrorType = 'NOT_FOUND' | 'DUPLICATE' | 'SIMPLEX' | 'NOT_ACCEPTED' | 'NOT_AVAILABLE'

/** Why a message could not be decrypted; `count` is how far its number is from the expected one. */
export type AgentCryptoError =
  | { readonly type: 'DECRYPT_AES' | 'DECRYPT_CB' | 'RATCHET_HEADER' | 'RATCHET_SYNC' }
  | { readonly type: 'RATCHET_EARLIER' | 'RATCHET_SKIPPED'; readonly count: number }

/** A message that was dropped after too many attempts to receive it. */
export interface DroppedMessage {
  readonly brokerTs: Date
  readonly attempts: number
}

/** Faults of what the other agent sent. */
export type PeerErrorType =
  | { readonly type: 'A_MESSAGE' | 'A_VERSION' }
  | { readonly type: 'A_PROHIBITED' | 'A_LINK' | 'A_QUEUE'; readonly detail: string }
  | { readonly type: 'A_CRYPTO'; readonly error: AgentCryptoError }
  | { readonly type: 'A_DUPLICATE'; readonly dropped?: DroppedMessage }

/** Errors between a client, its proxy and the relay behind it. */
export type ProxyClientErrorType =
  | { readonly type: 'PROTOCOL' | 'RESPONSE'; readonly error: SmpErrorType }
  | { readonly type: 'UNEXPECTED'; readonly detail: string }

/** Errors of files received and sent by the agent. */
export type FileErrorType =
  | { readonly type: 'NOT_APPROVED' | 'SIZE' | 'NO_FILE' }
  | { readonly type: 'REDIRECT' | 'FILE_IO'; readonly detail: string }

/** Every error that the agent reports, `spec/agent.md §13`. Server fields are addresses as text. */
export type AgentErrorType =
  | { readonly type: 'CMD'; readonly error: CommandErrorType; readonly context: string }
  | { readonly type: 'CONN'; readonly error: ConnectionErrorType; readonly context: string }
  | { readonly type: 'NO_USER' | 'INACTIVE' }
  | { readonly type: 'SMP' | 'NTF'; readonly server: string; readonly error: SmpErrorType }
  | { readonly type: 'PROXY'; readonly proxy: string; readonly relay: string; readonly error: ProxyClientErrorType }
  | { readonly type: 'BROKER'; readonly server: string; readonly error: BrokerErrorType }
  | { readonly type: 'AGENT'; readonly error: PeerErrorType }
  | { readonly type: 'FILE'; readonly error: FileErrorType }
  | { readonly type: 'NOTICE'; readonly server: string; readonly preset: boolean; readonly expiresAt?: Date }
  | { readonly type: 'INTERNAL'; readonly detail: string }
  | { readonly type: 'CRITICAL'; readonly offerRestart: boolean; readonly detail: string }

/** State of a connection's ratchet: `spec/agent.md §8`. */
export type RatchetSyncState = 'ok' | 'allowed' | 'required' | 'started' | 'agreed'

/** An error of the agent. `JSON.stringify` gives the tagged form of the original: `{"type":"CMD","cmdErr":…}`. */
export class AgentError extends Error {
  readonly errorType: AgentErrorType

  constructor(errorType: AgentErrorType, options?: ErrorOptions) {
    super(describe(errorType), options)
    this.name = 'AgentError'
    this.errorType = errorType
  }

  toJSON(): AgentErrorJson {
    return agentErrorToJson(this.errorType)
  }
}

/**
 * What an application is told of a failure in the ratchet or in a box: the table of `spec/pqdr.md §9`.
 * Anything that is neither a {@link RatchetError} nor a {@link CryptoError} is INTERNAL.
 */
export function agentErrorOfCrypto(error: unknown): AgentErrorType {
  if (error instanceof RatchetError) return ofRatchet(error)
  if (!(error instanceof CryptoError))
    return { type: 'INTERNAL', detail: error instanceof Error ? error.name : 'unknown' }
  switch (error.code) {
    case 'LARGE_MSG':
      return { type: 'CMD', error: 'LARGE', context: 'encrypt' }
    case 'HEADER':
      return { type: 'AGENT', error: { type: 'A_MESSAGE' } }
    case 'DECRYPT_AES':
    case 'DECRYPT_CB':
      return { type: 'AGENT', error: { type: 'A_CRYPTO', error: { type: error.code } } }
    default:
      return { type: 'INTERNAL', detail: error.message }
  }
}

/** The ratchet state that a decryption error puts a connection into: `spec/agent.md §8`. */
export function ratchetSyncStateAfter(error: AgentCryptoError): 'allowed' | 'required' {
  switch (error.type) {
    case 'DECRYPT_AES':
    case 'DECRYPT_CB':
    case 'RATCHET_EARLIER':
      return 'allowed'
    case 'RATCHET_HEADER':
    case 'RATCHET_SKIPPED':
    case 'RATCHET_SYNC':
      return 'required'
  }
}

function ofRatchet({ reason }: RatchetError): AgentErrorType {
  switch (reason.code) {
    case 'DUPLICATE':
      return { type: 'AGENT', error: { type: 'A_DUPLICATE' } }
    case 'SYNTAX':
      return { type: 'AGENT', error: { type: 'A_MESSAGE' } }
    case 'HEADER':
      return ofPeerCrypto({ type: 'RATCHET_HEADER' })
    case 'EARLIER':
      return ofPeerCrypto({ type: 'RATCHET_EARLIER', count: reason.count })
    case 'TOO_MANY_SKIPPED':
      return ofPeerCrypto({ type: 'RATCHET_SKIPPED', count: reason.count })
    case 'DECRYPT_AES':
      return ofPeerCrypto({ type: 'DECRYPT_AES' })
    case 'LARGE_MSG':
      return { type: 'CMD', error: 'LARGE', context: 'encrypt' }
    case 'STATE':
    case 'KEM_STATE':
      return { type: 'INTERNAL', detail: `ratchet ${reason.code}` }
  }
}

function ofPeerCrypto(error: AgentCryptoError): AgentErrorType {
  return { type: 'AGENT', error: { type: 'A_CRYPTO', error } }
}

/** Names and codes only: never contents. */
function describe(error: AgentErrorType): string {
  const inner = 'error' in error ? (typeof error.error === 'string' ? error.error : error.error.type) : undefined
  const detail = 'context' in error ? error.context : 'detail' in error ? error.detail : undefined
  return [error.type, inner, detail].filter((part) => part !== undefined && part !== '').join(' ')
}
