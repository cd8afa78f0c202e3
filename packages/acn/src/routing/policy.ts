import { AcnStatusError, STATUS, type StatusBody, statusName } from '../protocol/index.ts'
import type { NotDeliveredReason } from '../store/index.ts'

/** What is done with an envelope after an attempt to deliver it. */
export type Action =
  | { readonly type: 'delivered'; readonly by?: 'carrier' | 'gone' }
  /** Tried again after a while, by a fresh look-up when `reresolve`; `limit` attempts in all when it is given. */
  | { readonly type: 'retry'; readonly reresolve: boolean; readonly limit?: number; readonly status?: number }
  /** Given up, and told. */
  | { readonly type: 'give-up'; readonly reason: NotDeliveredReason; readonly status: number }

/** Attempts at a peer that fails for reasons of its own. */
export const MAX_FAILED_ATTEMPTS = 10
/** Attempts at a peer that takes the envelope and never answers: each may have delivered it. */
export const MAX_UNANSWERED_ATTEMPTS = 5
/** Times an agent is given an envelope that it never answers. */
export const MAX_DELIVERIES = 3
/** Times an agent's session may end while it has an envelope, before that envelope is taken for the reason. */
export const MAX_INTERRUPTIONS = 20

/**
 * What follows from the status that a peer answered an envelope with: the one place where that is decided.
 *
 * | status | action |
 * |---|---|
 * | SUCCESS | delivered |
 * | ERROR_UNKNOWN_AGENT_ADDRESS, ERROR_AGENT_NOT_READY | resolve again, retry until the envelope expires |
 * | ERROR_GENERIC, unknown numbers | retry, {@link MAX_FAILED_ATTEMPTS} in all |
 * | all others: the envelope or its record will not get better | give up: refused |
 */
export function actionForPeerStatus({ code }: Pick<StatusBody, 'code'>): Action {
  switch (code) {
    case STATUS.SUCCESS:
      return { type: 'delivered' }
    case STATUS.ERROR_UNKNOWN_AGENT_ADDRESS:
    case STATUS.ERROR_AGENT_NOT_READY:
      return { type: 'retry', reresolve: true, status: code }
    case STATUS.ERROR_UNSUPPORTED_VERSION:
    case STATUS.ERROR_UNEXPECTED_PAYLOAD:
    case STATUS.ERROR_DECODE:
    case STATUS.ERROR_WRONG_AGENT_ADDRESS:
    case STATUS.ERROR_WRONG_PUBLIC_KEY:
    case STATUS.ERROR_INVALID_PROOF:
    case STATUS.ERROR_UNSUPPORTED_LEDGER:
      return { type: 'give-up', reason: 'refused', status: code }
    default:
      return { type: 'retry', reresolve: true, limit: MAX_FAILED_ATTEMPTS, status: code }
  }
}

/** What follows from an attempt at a peer that ended without a status. */
export function actionForPeerFailure(error: unknown): Action {
  if (error instanceof AcnStatusError) return actionForPeerStatus(error)
  if (isTimeout(error)) return { type: 'retry', reresolve: true, limit: MAX_UNANSWERED_ATTEMPTS }
  return { type: 'retry', reresolve: true }
}

/** What follows from the status that an agent answered an envelope with. An error is its final word. */
export function actionForAgentStatus({ code }: StatusBody): Action {
  return code === STATUS.SUCCESS ? { type: 'delivered' } : { type: 'give-up', reason: 'refused', status: code }
}

/** Milliseconds until the next attempt, after so many that failed. Doubles from 200 ms; at most 5 s while it is fresh. */
export function retryDelay(attempts: number, age: number): number {
  const longest = age < 5 * 60_000 ? 5_000 : 30_000
  return Math.min(longest, 100 * 2 ** Math.min(attempts, 16))
}

/** Words for the log and the trace, without contents or texts of others. */
export function describeFailure(error: unknown): string {
  if (error instanceof AcnStatusError) return `answered with status ${statusName(error.code) ?? error.code}`
  if (isTimeout(error)) return 'no answer in time'
  if (!(error instanceof Error)) return 'failed'
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name
  return `peer cannot be reached (${code})`
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'TIMEOUT'
}
