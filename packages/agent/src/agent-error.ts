import { CryptoError } from '@parley/core/crypto'
import { type AgentErrorJson, agentErrorToJson } from './agent-error-json.ts'
import type { AgentCryptoError, AgentErrorType } from './agent-error-type.ts'
import { RatchetError } from './ratchet/ratchet-error.ts'

export type * from './agent-error-type.ts'

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
    case 'INVALID_MSG':
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
