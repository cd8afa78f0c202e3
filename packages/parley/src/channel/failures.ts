import { AgentError } from '@parley/agent'

/** What is known of a failed call of the agent. */
export type Failure =
  /** It may go well later, with the same keys. */
  | 'later'
  /** It may go well later, but the connection is gone. */
  | 'anew'
  /** It will not go well. */
  | 'never'

/** Whether and how to try again to join or accept. */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof AgentError)) return 'never'
  const { errorType } = error
  switch (errorType.type) {
    case 'BROKER':
    case 'PROXY':
    case 'INACTIVE':
    case 'CRITICAL':
      return 'later'
    case 'SMP':
      // A contact address that is flooded will be read.
      return errorType.error.type === 'QUOTA' ? 'anew' : 'never'
    default:
      return 'never'
  }
}

/** True when the peer's queue does not exist any more, or accepts nothing from this side. */
export function isGone(error: AgentError): boolean {
  const { errorType } = error
  return errorType.type === 'SMP' && errorType.error.type === 'AUTH'
}

/**
 * True when the peer has encrypted something with keys that it had used before: it has come back with an older copy of its
 * store.
 */
export function isOfThePast({ errorType }: AgentError): boolean {
  if (errorType.type !== 'AGENT') return false
  const { error } = errorType
  if (error.type === 'A_DUPLICATE') return error.dropped === undefined
  return error.type === 'A_CRYPTO' && error.error.type === 'RATCHET_EARLIER'
}

/** True when the agent does not know what it is asked for. */
export function isNotFound(error: unknown): boolean {
  return error instanceof AgentError && error.errorType.type === 'CONN' && error.errorType.error === 'NOT_FOUND'
}

/** What is logged of a failure: names and codes. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown'
}
