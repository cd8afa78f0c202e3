import { decode } from '@parley/core/encoding'
import { type AgentContext, applyEffects } from '../agent-context.ts'
import { AgentError } from '../agent-error.ts'
import { commandError, connError } from '../client-errors.ts'
import { Effects } from '../effects.ts'
import { AGENT_GATES, aMessageCodec } from '../protocol/index.ts'
import { requireConnection } from '../store/agent-store.ts'
import type { Db } from '../store/database.ts'
import { acknowledge, getRcvMessage, type RcvMessageRecord } from '../store/rcv-messages.ts'
import type { ConnectionRecord } from '../store/records.ts'
import { closeMessage, findSentMessage, getMessageStatus } from '../store/snd-messages.ts'
import { sendableQueuesOf } from '../store/snd-queues.ts'
import { ackByUser } from './ack.ts'
import { enqueueMessage, SharedBody } from './enqueue.ts'

/** A message of the application. */
export interface MessageToSend {
  readonly connId: string
  /** At most 15,795 bytes, or 13,573 once post-quantum encryption was on: `spec/agent.md §3.4`. */
  readonly body: Uint8Array
  /** True turns post-quantum encryption on, false off. Default: as the connection has it. */
  readonly pq?: boolean | undefined
  /** Ask for a notification of the recipient. Default true. */
  readonly notification?: boolean | undefined
}

/** A message that was accepted. */
export interface SentMessage {
  readonly msgId: number
  /** It is encrypted with a post-quantum secret. */
  readonly pq: boolean
}

/**
 * Accepts messages: when this resolves they are on disk and will be sent, also after a crash. All are stored in one
 * transaction; a body that is the same array in several messages is stored once.
 * @returns for each message its id or why it was refused, in the order given
 */
export async function sendMessages(
  context: AgentContext,
  messages: readonly MessageToSend[],
): Promise<(SentMessage | AgentError)[]> {
  const effects = new Effects()
  const results = await context.store.transaction((db) => storeMessages(context, db, messages, effects))
  applyEffects(context, effects)
  return results
}

/** {@link sendMessages} in a transaction of somebody else. A message that is refused has changed nothing. */
export function storeMessages(
  { config }: AgentContext,
  db: Db,
  messages: readonly MessageToSend[],
  effects: Effects,
): (SentMessage | AgentError)[] {
  const bodies = new Map<Uint8Array, SharedBody>()
  const bodyOf = (bytes: Uint8Array) => {
    const body = bodies.get(bytes) ?? new SharedBody({ type: 'A_MSG', body: bytes })
    bodies.set(bytes, body)
    return body
  }
  return messages.map(({ connId, body, pq, notification = true }) => {
    try {
      // Read anew for each message: the one before may be of the same connection.
      const connection = requireConnection(db, connId)
      const queues = queuesToSend(db, connection)
      return enqueueMessage(db, config, connection, queues, { body: bodyOf(body), pq, notification }, effects)
    } catch (error) {
      // Refused before anything was written.
      if (error instanceof AgentError) return error
      throw error
    }
  })
}

/**
 * @throws AgentError CONN SIMPLEX while there is nothing to send to; CMD PROHIBITED while the ratchets are out of step
 */
function queuesToSend(db: Db, { connId, mode, ratchetSyncState }: ConnectionRecord) {
  const queues = sendableQueuesOf(db, connId)
  if (mode === 'contact' || queues.length === 0) throw connError('SIMPLEX', 'send')
  if (isSyncPending(ratchetSyncState)) throw commandError('PROHIBITED', 'send during ratchet synchronisation')
  return queues
}

function isSyncPending(state: ConnectionRecord['ratchetSyncState']): boolean {
  return state === 'required' || state === 'started' || state === 'agreed'
}

/** How a message is acknowledged. */
export interface AckOptions {
  /** Tell the sender that it was received. Only for messages, not for receipts. Default false. */
  readonly receipt?: boolean | undefined
  /** Sent with the receipt. */
  readonly receiptInfo?: Uint8Array | undefined
}

/**
 * The application has processed a message or a receipt: its content is forgotten, the router is told in the
 * background (also after a crash) and delivers the next one. Repeating it does nothing.
 * @throws AgentError CONN NOT_FOUND for an unknown message; CMD PROHIBITED for a receipt of a receipt
 */
export async function ackMessage(
  context: AgentContext,
  connId: string,
  msgId: number,
  { receipt = false, receiptInfo = new Uint8Array() }: AckOptions,
): Promise<void> {
  const effects = new Effects()
  const acknowledged = (db: Db, connection: ConnectionRecord) => {
    const message = getRcvMessage(db, connId, msgId)
    if (!message) {
      if (wasAcknowledged(db, connection, msgId)) return
      throw connError('NOT_FOUND', 'message')
    }
    if (message.userAck) return
    const isReceipt = message.msgType !== 'M'
    if (receipt && isReceipt) throw commandError('PROHIBITED', 'receipt of a receipt')
    if (receipt) enqueueReceipt(context, db, connection, message, receiptInfo, effects)
    if (isReceipt) closeReceived(context, db, message)
    acknowledge(db, connId, msgId)
    ackByUser(db, message, effects)
  }
  await context.store.lockConnForUpdate(connId, acknowledged)
  applyEffects(context, effects)
}

/** True for ids of the past that are not a sent message's: the record goes when the router has the acknowledgement. */
function wasAcknowledged(db: Db, { connId, lastMsgId }: ConnectionRecord, msgId: number): boolean {
  return msgId >= 1 && msgId <= lastMsgId && getMessageStatus(db, connId, msgId) === undefined
}

/** Receipts that the peer cannot read, or that cannot be sent now, are left out: `spec/agent.md §6`. */
function enqueueReceipt(
  { config }: AgentContext,
  db: Db,
  connection: ConnectionRecord,
  { externalSndId, hash }: RcvMessageRecord,
  info: Uint8Array,
  effects: Effects,
): void {
  const { connId, agentVersion, ratchetSyncState } = connection
  const queues = sendableQueuesOf(db, connId)
  if (agentVersion < AGENT_GATES.receipts || queues.length === 0 || isSyncPending(ratchetSyncState)) return
  const body = new SharedBody({ type: 'A_RCVD', receipts: [{ msgId: externalSndId, msgHash: hash, info }] })
  enqueueMessage(db, config, connection, queues, { body, notification: false }, effects)
}

/** The application knows of the receipt: the protocol is done with the messages that it is for. */
function closeReceived({ config }: AgentContext, db: Db, { connId, body }: RcvMessageRecord): void {
  const content = body && decode(aMessageCodec, body)
  if (content?.type !== 'A_RCVD') return
  for (const { msgId } of content.receipts) {
    const sent = findSentMessage(db, connId, Number(msgId))
    if (sent?.receiptStatus === 'ok') closeMessage(db, connId, sent.msgId, config.now())
  }
}
