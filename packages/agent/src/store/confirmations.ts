import type { Db } from './database.ts'

/** A confirmation that waits for, or has, the application's answer (CONF). */
export interface ConfirmationRecord {
  /** base64url of 12 random bytes. */
  readonly confirmationId: string
  readonly connId: string
  /** Encoded list of the sender's queues. */
  readonly replyQueues: Uint8Array
  /** What the peer's application says about itself. */
  readonly peerInfo: Uint8Array
  readonly pq: boolean
  readonly accepted: boolean
  /** What this application answered. */
  readonly ownInfo?: Uint8Array
}

interface ConfirmationRow {
  readonly confirmation_id: string
  readonly conn_id: string
  readonly reply_queues: Uint8Array
  readonly peer_info: Uint8Array
  readonly pq: number
  readonly accepted: number
  readonly own_info: Uint8Array | null
}

/** Adds a confirmation without an answer. */
export function insertConfirmation(db: Db, record: Omit<ConfirmationRecord, 'accepted' | 'ownInfo'>): void {
  db.run(
    `INSERT INTO conn_confirmations (confirmation_id, conn_id, reply_queues, peer_info, pq, created_at)
     VALUES (?, ?, ?, ?, ?, ?)`,
    record.confirmationId,
    record.connId,
    record.replyQueues,
    record.peerInfo,
    Number(record.pq),
    Date.now(),
  )
}

/** The confirmation with this id. */
export function getConfirmation(db: Db, confirmationId: string): ConfirmationRecord | undefined {
  const row = db.get<ConfirmationRow>('SELECT * FROM conn_confirmations WHERE confirmation_id = ?', confirmationId)
  return row && recordOf(row)
}

/** Confirmations that the application has not answered. */
export function openConfirmationsOf(db: Db, connId: string): ConfirmationRecord[] {
  const sql = 'SELECT * FROM conn_confirmations WHERE conn_id = ? AND accepted = 0 ORDER BY created_at'
  return db.all<ConfirmationRow>(sql, connId).map(recordOf)
}

/** Records the application's answer. */
export function acceptConfirmation(db: Db, confirmationId: string, ownInfo: Uint8Array): void {
  db.run('UPDATE conn_confirmations SET accepted = 1, own_info = ? WHERE confirmation_id = ?', ownInfo, confirmationId)
}

/** Removes the confirmations of a connection once it is established. */
export function removeConfirmations(db: Db, connId: string): void {
  db.run('DELETE FROM conn_confirmations WHERE conn_id = ?', connId)
}

function recordOf(row: ConfirmationRow): ConfirmationRecord {
  return {
    confirmationId: row.confirmation_id,
    connId: row.conn_id,
    replyQueues: row.reply_queues,
    peerInfo: row.peer_info,
    pq: row.pq === 1,
    accepted: row.accepted === 1,
    ...(row.own_info && { ownInfo: row.own_info }),
  }
}
