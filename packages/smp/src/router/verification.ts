import type { PrivateKey } from '@parley/core/crypto'
import { BLOCK_SIZE } from '@parley/core/transport'
import { type ReceivedCommand, type SessionContext, sendsSessionId, verifyAuthorization } from '../protocol/index.ts'
import type { AuthKey, SmpErrorType } from '../protocol/types.ts'
import type { LiveQueue } from './live-queue.ts'
import { isContactQueue } from './queue-changes.ts'
import type { QueueIdKind, QueueRecord } from './store.ts'

const MAX_SESSION_ID_LENGTH = 255

/** A connection's side of what commands are verified with. */
export interface VerificationContext extends SessionContext {
  /** X25519 key of the router in this connection; none below version 7. */
  readonly sessionKey: PrivateKey<'x25519'> | undefined
}

/** Which of a queue's ids a command is addressed with; undefined for commands that name no queue. */
export function queueIdKind({ message }: ReceivedCommand): QueueIdKind | undefined {
  switch (message.type) {
    case 'SUB':
    case 'KEY':
    case 'RKEY':
    case 'LSET':
    case 'LDEL':
    case 'NKEY':
    case 'NDEL':
    case 'GET':
    case 'ACK':
    case 'OFF':
    case 'DEL':
    case 'QUE':
      return 'recipient'
    case 'SKEY':
    case 'SEND':
      return 'sender'
    case 'LKEY':
    case 'LGET':
      return 'link'
    case 'NEW':
    case 'PING':
    case 'SUBS':
    case 'NSUB':
    case 'NSUBS':
    case 'PRXY':
    case 'PFWD':
    case 'RFWD':
      return undefined
  }
}

/**
 * Why a command is refused, undefined when it may be executed: `spec/smp.md §5.1`, authorisation order. Whether the
 * queue is missing, has no key or one of another kind, or the authorisation is wrong, takes one check of its kind.
 */
export function refusal(
  command: ReceivedCommand,
  queue: LiveQueue | undefined,
  session: VerificationContext,
): SmpErrorType | undefined {
  const isMissing = queueIdKind(command) !== undefined && !queue
  // Without a service session no command may carry the signature of one.
  if (command.authorization?.serviceSignature && !isMissing) return { type: 'SERVICE' }
  if (mayBeUnauthorised(command, queue)) return undefined
  const keys = queue || command.message.type === 'NEW' ? acceptedKeys(command, queue?.record) : []
  const isVerified = verifyAuthorization(command.authorization, keys, {
    authorized: authorizedBytes(command.body, session),
    corrId: command.corrId,
    sessionKey: session.sessionKey,
  })
  return isVerified ? undefined : { type: 'AUTH' }
}

/** Where {@link authorizedBytes} puts them: they are used up before the next command is looked at. */
const scratch = Buffer.allocUnsafeSlow(1 + MAX_SESSION_ID_LENGTH + BLOCK_SIZE)

/** What the authorisation of a command signs: `spec/smp.md §2.4`. Overwritten by the next call. */
function authorizedBytes(body: Uint8Array, { sessionId, version }: SessionContext): Uint8Array {
  if (sendsSessionId(version)) return body
  const bodyAt = 1 + sessionId.length
  scratch[0] = sessionId.length
  scratch.set(sessionId, 1)
  scratch.set(body, bodyAt)
  return scratch.subarray(0, bodyAt + body.length)
}

/** Commands that need no key, and messages to queues that are not secured yet. */
function mayBeUnauthorised({ message, authorization }: ReceivedCommand, queue: LiveQueue | undefined): boolean {
  switch (message.type) {
    case 'PING':
      return true
    case 'LGET':
      return queue !== undefined && isContactQueue(queue.record)
    case 'SEND':
      return queue !== undefined && !queue.record.sndKey && !authorization
    default:
      return false
  }
}

/** The keys of which one must have authorised the command; none when nobody may give it. */
function acceptedKeys({ message }: ReceivedCommand, record: QueueRecord | undefined): readonly AuthKey[] {
  switch (message.type) {
    case 'NEW':
      return [message.rcvAuthKey]
    case 'SEND':
      return record?.sndKey ? [record.sndKey] : []
    case 'SKEY':
    case 'LKEY': {
      const isAllowed = record?.mode === 'messaging' && (!record.sndKey || record.sndKey.equals(message.sndAuthKey))
      return isAllowed ? [message.sndAuthKey] : []
    }
    default:
      return record?.rcvKeys ?? []
  }
}
