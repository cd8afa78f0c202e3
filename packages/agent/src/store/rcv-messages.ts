import type { Db } from './database.ts'

/** A received message that the application has yet to acknowledge, or whose acknowledgement is under way. */
export interface RcvMessageRecord {
  readonly connId: string
  /** Id that the application sees. */
  readonly msgId: number
  readonly rcvQueueId: number
  /** Id given by the router, 24 bytes. */
  readonly brokerId: Uint8Array
  /** When the router got it, milliseconds since 1970. */
  readonly brokerTs: number
  /** Id in the sender's sequence. */
  readonly externalSndId: bigint
  /** SHA-256 of the agent message. */
  readonly hash: Uint8Array
  /** JSON of the integrity. */
  readonly integrity: string
  /** The sender's notification flag. */
  readonly notification: boolean
  /** Tag of the message: `M` or `V`. */
  readonly msgType: string
  /** Encoded AMessage, until it is acknowledged. */
  readonly body?: Uint8Array
  readonly pq: boolean
  /** The application has acknowledged it. */
  readonly userAck: boolean
  /** How often the router has delivered it. */
  readonly attempts: number
  /** When it was delivered first, milliseconds since 1970. */
  readonly receivedAt: number
}

interface RcvMessageRow {
  readonly conn_id: string
  readonly msg_id: number
  readonly rcv_queue_id: number
  readonly broker_id: Uint8Array
  readonly broker_ts: number
  readonly external_snd_id: string
  readonly hash: Uint8Array
  readonly integrity: string
  readonly notification: number
  readonly msg_type: string
  readonly body: Uint8Array | null
  readonly pq: number
  readonly user_ack: number
  readonly attempts: number
  readonly received_at: number
}

/** Adds a message delivered for the first time. */
export function insertRcvMessage(db: Db, record: Omit<RcvMessageRecord, 'userAck' | 'attempts'>): void {
  db.run(
    `INSERT INTO rcv_messages (conn_id, msg_id, rcv_queue_id, broker_id, broker_ts, external_snd_id, hash, integrity,
       notification, msg_type, body, pq, received_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    record.connId,
    record.msgId,
    record.rcvQueueId,
    record.brokerId,
    record.brokerTs,
    record.externalSndId.toString(),
    record.hash,
    record.integrity,
    Number(record.notification),
    record.msgType,
    record.body ?? null,
    Number(record.pq),
    record.receivedAt,
  )
}

/** The message with this id. */
export function getRcvMessage(db: Db, connId: string, msgId: number): RcvMessageRecord | undefined {
  const row = db.get<RcvMessageRow>('SELECT * FROM rcv_messages WHERE conn_id = ? AND msg_id = ?', connId, msgId)
  return row && recordOf(row)
}

/** The message that the router delivers again. */
export function findRcvMessage(db: Db, rcvQueueId: number, brokerId: Uint8Array): RcvMessageRecord | undefined {
  const sql = 'SELECT * FROM rcv_messages WHERE rcv_queue_id = ? AND broker_id = ?'
  const row = db.get<RcvMessageRow>(sql, rcvQueueId, brokerId)
  return row && recordOf(row)
}

/** Counts one more delivery. */
export function countAttempt(db: Db, connId: string, msgId: number): void {
  db.run('UPDATE rcv_messages SET attempts = attempts + 1 WHERE conn_id = ? AND msg_id = ?', connId, msgId)
}

/** The application has acknowledged the message: its content is forgotten. */
export function acknowledge(db: Db, connId: string, msgId: number): void {
  db.run('UPDATE rcv_messages SET user_ack = 1, body = NULL WHERE conn_id = ? AND msg_id = ?', connId, msgId)
}

/** The router has deleted the message. */
export function removeRcvMessage(db: Db, rcvQueueId: number, brokerId: Uint8Array): void {
  db.run('DELETE FROM rcv_messages WHERE rcv_queue_id = ? AND broker_id = ?', rcvQueueId, brokerId)
}

function recordOf(row: RcvMessageRow): RcvMessageRecord {
  return {
    connId: row.conn_id,
    msgId: row.msg_id,
    rcvQueueId: row.rcv_queue_id,
    brokerId: row.broker_id,
    brokerTs: row.broker_ts,
    externalSndId: BigInt(row.external_snd_id),
    hash: row.hash,
    integrity: row.integrity,
    notification: row.notification === 1,
    msgType: row.msg_type,
    ...(row.body && { body: row.body }),
    pq: row.pq === 1,
    userAck: row.user_ack === 1,
    attempts: row.attempts,
    receivedAt: row.received_at,
  }
}
