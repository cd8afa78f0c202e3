import { CryptoError } from '@parley/core/crypto'
import { DecodeError } from '@parley/core/encoding'
import { SmpClientError } from '@parley/smp/client'
import { formatSmpServer } from '@parley/smp/protocol'
import { AgentError, agentErrorOfCrypto } from './agent-error.ts'
import { RatchetError } from './ratchet/index.ts'
import { StoreError } from './store/store-error.ts'

/** The agent's error for what the layers below throw: `spec/agent.md §13`. */
export function toAgentError(error: unknown): AgentError {
  if (error instanceof AgentError) return error
  if (error instanceof SmpClientError) return ofClient(error)
  if (error instanceof StoreError) {
    return new AgentError({ type: 'CRITICAL', offerRestart: true, detail: `store ${error.code}` }, { cause: error })
  }
  return internalError(error)
}

/** A fault of this program: names only, the message may hold anything. */
function internalError(error: unknown): AgentError {
  const detail = error instanceof Error ? error.name : 'unknown'
  return new AgentError({ type: 'INTERNAL', detail }, { cause: error })
}

function ofClient(error: SmpClientError): AgentError {
  const server = formatSmpServer(error.server)
  const { protocolError, brokerError } = error
  if (protocolError) return new AgentError({ type: 'SMP', server, error: protocolError }, { cause: error })
  if (brokerError) return new AgentError({ type: 'BROKER', server, error: brokerError }, { cause: error })
  return internalError(error)
}

/** True for failures that another try may not have: `spec/agent.md §9`, temporary errors. */
export function isTemporary({ errorType }: AgentError): boolean {
  switch (errorType.type) {
    case 'BROKER':
      return errorType.error.type === 'NETWORK' || errorType.error.type === 'TIMEOUT'
    case 'PROXY':
      return errorType.error.type === 'PROTOCOL' && isTemporaryProxyError(errorType.error.error)
    case 'INACTIVE':
      return true
    case 'CRITICAL':
      return errorType.offerRestart
    default:
      return false
  }
}

/** True for failures of the router's address: tried again, but the application is told: `spec/agent.md §9`. */
export function isHostError({ errorType }: AgentError): boolean {
  if (errorType.type !== 'BROKER') return false
  const { error } = errorType
  return error.type === 'HOST' || (error.type === 'TRANSPORT' && error.error.type === 'VERSION')
}

/** True when the router refused the command with this error. */
export function isSmpError({ errorType }: AgentError, type: string): boolean {
  return errorType.type === 'SMP' && errorType.error.type === type
}

/** A connection is not in the state that a call needs. */
export function connError(
  error: 'NOT_FOUND' | 'DUPLICATE' | 'SIMPLEX' | 'NOT_ACCEPTED' | 'NOT_AVAILABLE',
  context: string,
): AgentError {
  return new AgentError({ type: 'CONN', error, context })
}

/** A call is not allowed as it was made. */
export function commandError(
  error: 'PROHIBITED' | 'SYNTAX' | 'NO_CONN' | 'SIZE' | 'LARGE',
  context: string,
): AgentError {
  return new AgentError({ type: 'CMD', error, context })
}

/** The peer sent something that is not allowed in the connection's state. */
export function prohibited(detail: string): AgentError {
  return new AgentError({ type: 'AGENT', error: { type: 'A_PROHIBITED', detail } })
}

/** The peer speaks versions that this agent does not. */
export function versionError(): AgentError {
  return new AgentError({ type: 'AGENT', error: { type: 'A_VERSION' } })
}

/** The peer sent something that does not parse. */
export function messageError(cause?: unknown): AgentError {
  return new AgentError({ type: 'AGENT', error: { type: 'A_MESSAGE' } }, { cause })
}

/**
 * Reads bytes of the peer.
 * @throws AgentError A_MESSAGE instead of DecodeError
 */
export function readPeer<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof DecodeError) throw messageError(error)
    throw error
  }
}

function isTemporaryProxyError(error: { readonly type: string; readonly error?: unknown }): boolean {
  if (error.type !== 'PROXY') return false
  const proxyError = error.error as { readonly type: string; readonly error?: { readonly type: string } }
  if (proxyError.type === 'NO_SESSION') return true
  return proxyError.type === 'BROKER' && ['NETWORK', 'TIMEOUT'].includes(proxyError.error?.type ?? '')
}

/**
 * Runs a step of the ratchet.
 * @throws AgentError in place of RatchetError and CryptoError: `spec/pqdr.md §9`
 */
export function toCryptoAgentError<T>(step: () => T): T {
  try {
    return step()
  } catch (error) {
    if (!(error instanceof RatchetError || error instanceof CryptoError)) throw error
    throw new AgentError(agentErrorOfCrypto(error), { cause: error })
  }
}
