import { sha256 } from '@parley/core/crypto'
import { decode, encode } from '@parley/core/encoding'
import type { AgentContext } from '../agent-context.ts'
import { AgentError, agentErrorOfCrypto, ratchetSyncStateAfter } from '../agent-error.ts'
import { messageError, prohibited, readPeer } from '../client-errors.ts'
import type { Effects } from '../effects.ts'
import type { AgentEventOf } from '../events.ts'
import { checkMsgIntegrity, type MsgIntegrity } from '../integrity.ts'
import { receiveInApplication } from '../message-receiver.ts'
import {
  type AgentEnvelope,
  type AgentMessage,
  type AMessage,
  agentMessageCodec,
  aMessageCodec,
  raisedAgentVersion,
} from '../protocol/index.ts'
import type { RatchetError } from '../ratchet/index.ts'
import { setLastReceived, takeMsgId, updateConnection } from '../store/connections.ts'
import type { Db } from '../store/database.ts'
import { hasEncryptedHash, insertEncryptedHash } from '../store/dedup.ts'
import { countAttempt, findRcvMessage, insertRcvMessage, type RcvMessageRecord } from '../store/rcv-messages.ts'
import type { ConnectionRecord } from '../store/records.ts'
import { ackByAgent, ackByUser } from './ack.ts'
import { type Decrypted, decryptForUpdate } from './decrypt.ts'
import { receiveHello } from './hello.ts'
import { receiptsEvent, recordReceipts } from './receipts.ts'
import { receiveContinue } from './receive-continue.ts'
import type { Received } from './received.ts'

const USER_MESSAGE = 'M'
const RECEIPT = 'V'

/** A message inside the ratchet: `spec/agent.md §3.3`. */
type NumberedMessage = Extract<AgentMessage, { type: 'message' }>

/** A message encrypted with the double ratchet: everything but the handshake. */
export async function receiveAgentMessage(
  context: AgentContext,
  received: Received,
  { agentVersion, encAgentMessage }: Extract<AgentEnvelope, { type: 'message' }>,
  effects: Effects,
): Promise<void> {
  const { connId } = received.connection
  if (await receiveAgain(context, received, effects)) return
  const encryptedHash = sha256(encAgentMessage)
  await decryptForUpdate(context, connId, encAgentMessage, (db, connection, decrypted) => {
    raiseVersion(context, db, connection, agentVersion)
    if (!decrypted.ok) return receiveUndecrypted(db, connection, received, encryptedHash, decrypted.error, effects)
    insertEncryptedHash(db, connId, encryptedHash)
    resetRatchetSync(db, connection, effects)
    const message = tryNumbered(decrypted.body)
    if (message instanceof AgentError) {
      effects.emit({ event: 'ERR', connId, error: message })
      ackByAgent(db, received.ref, effects)
      return
    }
    receiveNumbered(context, db, connection, received, { message, decrypted }, effects)
  })
}

/**
 * The router delivers a message again that the application has not acknowledged, or whose acknowledgement did not
 * reach it: `spec/agent.md §4`, Duplicates.
 */
async function receiveAgain({ store, config }: AgentContext, { ref }: Received, effects: Effects): Promise<boolean> {
  const known = store.read((db) => findRcvMessage(db, ref.rcvQueueId, ref.brokerId))
  if (!known) return false
  await store.lockConnForUpdate(ref.connId, (db) => {
    if (known.userAck) return ackByUser(db, ref, effects)
    const attempts = known.attempts + 1
    countAttempt(db, known.connId, known.msgId)
    const age = config.now() - known.receivedAt
    if (attempts < config.receiveAttempts || age < config.receiveAttemptsAge) {
      effects.emit(messageEvent(db, known))
      return
    }
    const dropped = { brokerTs: new Date(known.brokerTs), attempts }
    const error = new AgentError({ type: 'AGENT', error: { type: 'A_DUPLICATE', dropped } })
    effects.emit({ event: 'ERR', connId: known.connId, error })
    ackByUser(db, ref, effects)
  })
  return true
}

/** A message that the ratchet does not decrypt: `spec/agent.md §8`. Its repetition is no news. */
function receiveUndecrypted(
  db: Db,
  { connId, ratchetSyncState }: ConnectionRecord,
  { ref }: Received,
  encryptedHash: Uint8Array,
  ratchetError: RatchetError,
  effects: Effects,
): void {
  ackByAgent(db, ref, effects)
  if (hasEncryptedHash(db, connId, encryptedHash)) return
  insertEncryptedHash(db, connId, encryptedHash)
  const errorType = agentErrorOfCrypto(ratchetError)
  const error = new AgentError(errorType)
  if (errorType.type !== 'AGENT' || errorType.error.type !== 'A_CRYPTO') {
    effects.emit({ event: 'ERR', connId, error })
    return
  }
  if (ratchetSyncState === 'started' || ratchetSyncState === 'agreed') return
  const state = ratchetSyncStateAfter(errorType.error.error)
  updateConnection(db, connId, { ratchetSyncState: state })
  effects.emit({ event: 'RSYNC', connId, state, error })
}

/** A decrypted message shows that the ratchets are in step. */
function resetRatchetSync(db: Db, { connId, ratchetSyncState }: ConnectionRecord, effects: Effects): void {
  if (ratchetSyncState === 'ok' || ratchetSyncState === 'started') return
  updateConnection(db, connId, { ratchetSyncState: 'ok' })
  effects.emit({ event: 'RSYNC', connId, state: 'ok' })
}

function raiseVersion({ config }: AgentContext, db: Db, connection: ConnectionRecord, received: number): void {
  const agentVersion = raisedAgentVersion(connection.agentVersion, received, config.agentVersions)
  if (agentVersion !== connection.agentVersion) updateConnection(db, connection.connId, { agentVersion })
}

function tryNumbered(body: Uint8Array): NumberedMessage | AgentError {
  try {
    const message = readPeer(() => decode(agentMessageCodec, body))
    return message.type === 'message' ? message : prohibited(`${message.type} in a message`)
  } catch (error) {
    return error instanceof AgentError ? error : messageError(error)
  }
}

interface NumberedContent {
  readonly message: NumberedMessage
  readonly decrypted: Extract<Decrypted, { ok: true }>
}

function receiveNumbered(
  context: AgentContext,
  db: Db,
  connection: ConnectionRecord,
  received: Received,
  { message, decrypted }: NumberedContent,
  effects: Effects,
): void {
  const { connId } = connection
  const integrity = checkMsgIntegrity(
    { msgId: connection.lastExternalSndMsgId, hash: connection.lastRcvMsgHash },
    { msgId: message.msgId, hash: message.prevMsgHash },
  )
  const hash = sha256(decrypted.body)
  setLastReceived(db, connId, message.msgId, hash)
  const content = message.message
  const forUser: UserContent = { message, content, hash, integrity, pq: decrypted.pq }
  switch (content.type) {
    case 'A_MSG':
      receiveForUser(context, db, received, forUser, effects)
      return
    case 'A_RCVD':
      if (!recordReceipts(db, context.config, connId, content.receipts, effects)) break
      receiveForUser(context, db, received, forUser, effects)
      return
    case 'HELLO':
      receiveHello(context.config, db, received, decrypted.pq, effects)
      break
    case 'A_QCONT':
      receiveContinue(db, connId, content.queue, effects)
      break
    default:
      effects.emit({ event: 'ERR', connId, error: prohibited(`${content.type} is not supported`) })
  }
  ackByAgent(db, received.ref, effects)
}

interface UserContent {
  readonly message: NumberedMessage
  readonly content: AMessage
  readonly hash: Uint8Array
  readonly integrity: MsgIntegrity
  readonly pq: boolean
}

/** Gives the message to the application, or keeps it until it acknowledges it: the router keeps it as long. */
function receiveForUser(
  context: AgentContext,
  db: Db,
  { ref, brokerTs, notification }: Received,
  { message, content, hash, integrity, pq }: UserContent,
  effects: Effects,
): void {
  if (content.type === 'A_MSG') {
    const { connId } = ref
    const received = { connId, integrity, body: content.body, pq, brokerTs: new Date(brokerTs), notification }
    if (receiveInApplication(context, db, received, effects)) {
      ackByAgent(db, ref, effects)
      return
    }
  }
  const record: Omit<RcvMessageRecord, 'userAck' | 'attempts'> = {
    ...ref,
    msgId: takeMsgId(db, ref.connId),
    brokerTs,
    externalSndId: message.msgId,
    hash,
    integrity: JSON.stringify(integrity),
    notification,
    msgType: content.type === 'A_MSG' ? USER_MESSAGE : RECEIPT,
    body: encode(aMessageCodec, content),
    pq,
    receivedAt: context.config.now(),
  }
  insertRcvMessage(db, record)
  effects.emit(messageEvent(db, record))
}

/** The event of a message that waits for its acknowledgement. */
export function messageEvent(
  db: Db,
  record: Omit<RcvMessageRecord, 'userAck' | 'attempts'>,
): AgentEventOf<'MSG' | 'RCVD'> {
  const { connId, msgId, body, pq, notification } = record
  const integrity = JSON.parse(record.integrity) as MsgIntegrity
  const brokerTs = new Date(record.brokerTs)
  const content = decode(aMessageCodec, body ?? new Uint8Array())
  if (content.type === 'A_RCVD') return receiptsEvent(db, { connId, msgId, integrity, brokerTs }, content.receipts)
  const message = content.type === 'A_MSG' ? content.body : new Uint8Array()
  // The body is a view of the received block: it must not live as long as the application keeps it.
  return { event: 'MSG', connId, msgId, integrity, body: Uint8Array.from(message), pq, brokerTs, notification }
}
