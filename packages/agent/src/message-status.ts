import type { Db } from './store/database.ts'
import { getMessageStatus, type MessageState, type SndStatusRecord, type StatusReason } from './store/snd-messages.ts'

export type { MessageState, StatusReason } from './store/snd-messages.ts'

/**
 * Where a sent message is: `pending → sent → received`, `waiting` in between, or `failed`. `sent` (stored by the
 * router) is final where no receipt comes. Kept for 30 days after the protocol is done with the message.
 */
export interface MessageStatus {
  readonly connId: string
  readonly msgId: number
  readonly state: MessageState
  /** Since when it is in this state. */
  readonly since: Date
  /** When the application sent it. */
  readonly createdAt: Date
  /** When the router stored it. */
  readonly sentAt?: Date
  /** When the agent tries next, of a message that waits. */
  readonly nextTryAt?: Date
  /** Why it waits (quota, network) or has failed. */
  readonly reason?: StatusReason
}

/** The status of a message of the application, undefined when there is none or it is forgotten. */
export function readMessageStatus(db: Db, connId: string, msgId: number): MessageStatus | undefined {
  const record = getMessageStatus(db, connId, msgId)
  return record && statusOfRecord(connId, msgId, record)
}

/** The public form of a stored status. */
export function statusOfRecord(connId: string, msgId: number, record: SndStatusRecord): MessageStatus {
  const { state, stateAt, createdAt, sentAt, nextTryAt, reason } = record
  return {
    connId,
    msgId,
    state,
    since: new Date(stateAt),
    createdAt: new Date(createdAt),
    ...(sentAt !== undefined && { sentAt: new Date(sentAt) }),
    ...(nextTryAt !== undefined && { nextTryAt: new Date(nextTryAt) }),
    ...(reason && { reason }),
  }
}
