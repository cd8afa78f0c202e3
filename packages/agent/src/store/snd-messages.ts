import type { AgentErrorJson } from '../agent-error-json.ts'
import type { Db } from './database.ts'
import { releaseBody } from './snd-bodies.ts'

/** Where a sent message is. `sent` is final where no receipt comes. */
export type MessageState = 'pending' | 'waiting' | 'sent' | 'received' | 'failed'

/** Why a message waits or has failed. */
export interface StatusReason {
  /** `quota` and `network` wait; `expired` and `error` are final. */
  readonly type: 'quota' | 'network' | 'expired' | 'error'
  readonly error: AgentErrorJson
}

/** A sent message. Content and key are there until it is delivered; the rest until its state is forgotten. */
export interface SndMessageRecord {
  readonly connId: string
  /** Id that the application sees. */
  readonly msgId: number
  /** Id in the sequence that the peer sees. */
  readonly sndMsgId: number
  /** Tag of the message: `spec/agent.md §3.3`. */
  readonly msgType: string
  /** Hash of the message before it. */
  readonly prevHash: Uint8Array
  /** SHA-256 of the agent message: receipts repeat it. */
  readonly hash: Uint8Array
  readonly bodyId?: number
  /** Encoded key that encrypts the body, made with the header. */
  readonly encryptKey?: Uint8Array
  /** Length that the ratchet pads the message to. */
  readonly paddedLength: number
  readonly notification: boolean
  readonly pq: boolean
  readonly createdAt: number
}

/** State of a sent message with its times, milliseconds since 1970. */
export interface SndStatusRecord {
  readonly state: MessageState
  /** Since when it is in this state. */
  readonly stateAt: number
  readonly nextTryAt?: number
  readonly reason?: StatusReason
  readonly sentAt?: number
  readonly createdAt: number
}

/** A message that is to be sent to a queue. */
export interface DeliveryRecord {
  readonly deliveryId: number
  readonly message: SndMessageRecord
  readonly status: SndStatusRecord
  /** Encoded AMessage, or the whole envelope of a confirmation. */
  readonly body: Uint8Array
  /** Interval of the last wait for quota, milliseconds. */
  readonly slowDelay?: number
  /** Interval of the last wait for the network. */
  readonly fastDelay?: number
}

interface SndMessageRow {
  readonly conn_id: string
  readonly msg_id: number
  readonly snd_msg_id: number
  readonly msg_type: string
  readonly prev_hash: Uint8Array
  readonly hash: Uint8Array
  readonly body_id: number | null
  readonly encrypt_key: Uint8Array | null
  readonly padded_length: number
  readonly notification: number
  readonly pq: number
  readonly state: MessageState
  readonly state_at: number
  readonly next_try_at: number | null
  readonly reason: string | null
  readonly sent_at: number | null
  readonly created_at: number
}

interface DeliveryRow extends SndMessageRow {
  readonly delivery_id: number
  readonly slow_delay: number | null
  readonly fast_delay: number | null
  readonly body: Uint8Array
}

/** Tag of messages of the application: the only ones whose state it can ask for. */
export const USER_MESSAGE = 'M'

/** Adds a message, pending. */
export function insertSndMessage(db: Db, record: SndMessageRecord): void {
  db.run(
    `INSERT INTO snd_messages (conn_id, msg_id, snd_msg_id, msg_type, prev_hash, hash, body_id, encrypt_key,
       padded_length, notification, pq, state, state_at, created_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 'pending', ?12, ?12)`,
    record.connId,
    record.msgId,
    record.sndMsgId,
    record.msgType,
    record.prevHash,
    record.hash,
    record.bodyId ?? null,
    record.encryptKey ?? null,
    record.paddedLength,
    Number(record.notification),
    Number(record.pq),
    record.createdAt,
  )
}

/** Queues a message for delivery. */
export function insertDelivery(db: Db, connId: string, msgId: number, sndQueueId: number): void {
  const sql = 'INSERT INTO snd_message_deliveries (conn_id, msg_id, snd_queue_id) VALUES (?, ?, ?)'
  db.run(sql, connId, msgId, sndQueueId)
}

/** The next message for a queue after `afterMsgId`, in the order of ids. */
export function nextDelivery(db: Db, sndQueueId: number, afterMsgId = 0): DeliveryRecord | undefined {
  const row = db.get<DeliveryRow>(
    `SELECT d.delivery_id, d.slow_delay, d.fast_delay, m.*, b.body
     FROM snd_message_deliveries d JOIN snd_messages m USING (conn_id, msg_id) JOIN snd_message_bodies b USING (body_id)
     WHERE d.snd_queue_id = ? AND d.msg_id > ? ORDER BY d.msg_id LIMIT 1`,
    sndQueueId,
    afterMsgId,
  )
  if (!row) return undefined
  return {
    deliveryId: row.delivery_id,
    message: messageOf(row),
    status: statusOf(row),
    body: row.body,
    ...(row.slow_delay !== null && { slowDelay: row.slow_delay }),
    ...(row.fast_delay !== null && { fastDelay: row.fast_delay }),
  }
}

/** True while the delivery is not finished. */
export function hasDelivery(db: Db, deliveryId: number): boolean {
  return db.get('SELECT 1 FROM snd_message_deliveries WHERE delivery_id = ?', deliveryId) !== undefined
}

/** Ids of queues that have messages to deliver. */
export function queuesWithDeliveries(db: Db, connId?: string): number[] {
  const where = connId === undefined ? '' : ' WHERE conn_id = ?'
  const sql = `SELECT DISTINCT snd_queue_id FROM snd_message_deliveries${where}`
  const parameters = connId === undefined ? [] : [connId]
  return db.all<{ snd_queue_id: number }>(sql, ...parameters).map((row) => row.snd_queue_id)
}

/** True while messages of the connection wait for delivery. */
export function hasDeliveries(db: Db, connId: string): boolean {
  return db.get('SELECT 1 FROM snd_message_deliveries WHERE conn_id = ? LIMIT 1', connId) !== undefined
}

/** Gives up all deliveries of a connection that is being deleted. */
export function removeDeliveries(db: Db, connId: string): void {
  db.run('DELETE FROM snd_message_deliveries WHERE conn_id = ?', connId)
}

/** True when a message with this tag waits for delivery. */
export function hasDeliveryOfType(db: Db, connId: string, msgType: string): boolean {
  const sql =
    'SELECT 1 FROM snd_message_deliveries JOIN snd_messages USING (conn_id, msg_id) WHERE conn_id = ? AND msg_type = ?'
  return db.get(sql, connId, msgType) !== undefined
}

/** Keeps the retry intervals of a delivery. */
export function setDeliveryDelays(
  db: Db,
  deliveryId: number,
  slow: number | undefined,
  fast: number | undefined,
): void {
  const sql = 'UPDATE snd_message_deliveries SET slow_delay = ?, fast_delay = ? WHERE delivery_id = ?'
  db.run(sql, slow ?? null, fast ?? null, deliveryId)
}

/**
 * Ends the delivery of a message to a queue. When it was the last one, the content goes, and for messages that are
 * not the application's everything.
 */
export function finishDelivery(db: Db, { deliveryId, message }: DeliveryRecord): void {
  const { connId, msgId, msgType, bodyId } = message
  db.run('DELETE FROM snd_message_deliveries WHERE delivery_id = ?', deliveryId)
  if (db.get('SELECT 1 FROM snd_message_deliveries WHERE conn_id = ? AND msg_id = ?', connId, msgId)) return
  if (msgType === USER_MESSAGE) {
    const sql = 'UPDATE snd_messages SET body_id = NULL, encrypt_key = NULL WHERE conn_id = ? AND msg_id = ?'
    db.run(sql, connId, msgId)
  } else {
    db.run('DELETE FROM snd_messages WHERE conn_id = ? AND msg_id = ?', connId, msgId)
  }
  if (bodyId !== undefined) releaseBody(db, bodyId)
}

/** A change of the state of a message. */
export interface StateChange {
  readonly state: MessageState
  readonly at: number
  readonly nextTryAt?: number
  readonly reason?: StatusReason
}

/** Records a new state; waiting again for the same reason keeps the time since when it waits. */
export function setMessageState(db: Db, connId: string, msgId: number, change: StateChange): void {
  const { state, at, nextTryAt, reason } = change
  db.run(
    `UPDATE snd_messages SET
       state_at = CASE WHEN state = ?3 AND state = 'waiting' THEN state_at ELSE ?4 END,
       sent_at = CASE WHEN ?3 = 'sent' THEN ?4 ELSE sent_at END,
       closed_at = CASE WHEN ?3 = 'failed' THEN ?4 ELSE closed_at END,
       state = ?3, next_try_at = ?5, reason = ?6
     WHERE conn_id = ?1 AND msg_id = ?2`,
    connId,
    msgId,
    state,
    at,
    nextTryAt ?? null,
    reason ? JSON.stringify(reason) : null,
  )
}

/** State of a message of the application. */
export function getMessageStatus(db: Db, connId: string, msgId: number): SndStatusRecord | undefined {
  const sql = 'SELECT * FROM snd_messages WHERE conn_id = ? AND msg_id = ? AND msg_type = ?'
  const row = db.get<SndMessageRow>(sql, connId, msgId, USER_MESSAGE)
  return row && statusOf(row)
}

/** The message that a receipt is for, by its id in the sequence that the peer sees. */
export function findSentMessage(
  db: Db,
  connId: string,
  sndMsgId: number,
): (SndMessageRecord & { readonly receiptStatus?: string; readonly state: MessageState }) | undefined {
  const row = db.get<SndMessageRow & { receipt_status: string | null }>(
    'SELECT * FROM snd_messages WHERE conn_id = ? AND snd_msg_id = ? AND msg_type = ?',
    connId,
    sndMsgId,
    USER_MESSAGE,
  )
  if (!row) return undefined
  const { receipt_status: receiptStatus } = row
  return { ...messageOf(row), state: row.state, ...(receiptStatus !== null && { receiptStatus }) }
}

/** Records the receipt of a message. */
export function setReceiptStatus(db: Db, connId: string, msgId: number, status: string): void {
  db.run('UPDATE snd_messages SET receipt_status = ? WHERE conn_id = ? AND msg_id = ?', status, connId, msgId)
}

/** The protocol is done with the message: its state is kept for some time longer. */
export function closeMessage(db: Db, connId: string, msgId: number, at: number): void {
  const sql = 'UPDATE snd_messages SET closed_at = ? WHERE conn_id = ? AND msg_id = ? AND closed_at IS NULL'
  db.run(sql, at, connId, msgId)
}

/** Closes delivered messages from before `createdBefore` for which no receipt came. */
export function closeOldMessages(db: Db, createdBefore: number, at: number): void {
  db.run(
    "UPDATE snd_messages SET closed_at = ? WHERE closed_at IS NULL AND created_at < ? AND state IN ('sent', 'received')",
    at,
    createdBefore,
  )
}

/** Forgets the states of messages closed before `time`; returns how many. */
export function removeClosedMessages(db: Db, time: number): number {
  return db.run('DELETE FROM snd_messages WHERE closed_at < ?', time)
}

/** Messages to the queue that wait behind the first one and were made before `createdBefore`, oldest first. */
export function expiredDeliveries(db: Db, sndQueueId: number, createdBefore: number): DeliveryRecord[] {
  const rows = db.all<Omit<DeliveryRow, 'body'>>(
    `SELECT d.delivery_id, d.slow_delay, d.fast_delay, m.*
     FROM snd_message_deliveries d JOIN snd_messages m USING (conn_id, msg_id)
     WHERE d.snd_queue_id = ? AND m.created_at < ? ORDER BY d.msg_id`,
    sndQueueId,
    createdBefore,
  )
  return rows.map((row) => ({
    deliveryId: row.delivery_id,
    message: messageOf(row),
    status: statusOf(row),
    body: new Uint8Array(),
  }))
}

function messageOf(row: SndMessageRow): SndMessageRecord {
  return {
    connId: row.conn_id,
    msgId: row.msg_id,
    sndMsgId: row.snd_msg_id,
    msgType: row.msg_type,
    prevHash: row.prev_hash,
    hash: row.hash,
    ...(row.body_id !== null && { bodyId: row.body_id }),
    ...(row.encrypt_key && { encryptKey: row.encrypt_key }),
    paddedLength: row.padded_length,
    notification: row.notification === 1,
    pq: row.pq === 1,
    createdAt: row.created_at,
  }
}

function statusOf(row: SndMessageRow): SndStatusRecord {
  return {
    state: row.state,
    stateAt: row.state_at,
    ...(row.next_try_at !== null && { nextTryAt: row.next_try_at }),
    ...(row.reason !== null && { reason: JSON.parse(row.reason) as StatusReason }),
    ...(row.sent_at !== null && { sentAt: row.sent_at }),
    createdAt: row.created_at,
  }
}
