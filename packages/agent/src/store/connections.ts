import type { RatchetSyncState } from '../agent-error.ts'
import type { Db } from './database.ts'
import type { ConnectionMode, ConnectionRecord } from './records.ts'
import { releaseBody } from './snd-bodies.ts'

interface ConnectionRow {
  readonly conn_id: string
  readonly mode: ConnectionMode
  readonly agent_version: number
  readonly pq_support: number
  readonly last_msg_id: number
  readonly last_snd_msg_id: number
  /** Decimal: it may not fit a number. */
  readonly last_external_snd_msg_id: string
  readonly last_rcv_msg_hash: Uint8Array
  readonly last_snd_msg_hash: Uint8Array
  readonly ratchet_sync_state: RatchetSyncState
  readonly connected_at: number | null
  readonly suspended_at: number | null
  readonly deleted_at: number | null
  readonly delete_wait_until: number | null
  readonly created_at: number
}

/** What a new connection starts with. */
export type NewConnection = Pick<ConnectionRecord, 'connId' | 'mode' | 'agentVersion' | 'pqSupport' | 'createdAt'>

/** Adds a connection without queues. */
export function insertConnection(db: Db, { connId, mode, agentVersion, pqSupport, createdAt }: NewConnection): void {
  db.run(
    'INSERT INTO connections (conn_id, mode, agent_version, pq_support, created_at) VALUES (?, ?, ?, ?, ?)',
    connId,
    mode,
    agentVersion,
    Number(pqSupport),
    createdAt,
  )
}

/** The connection, also a deleted one whose queues are not yet deleted. */
export function getConnection(db: Db, connId: string): ConnectionRecord | undefined {
  const row = db.get<ConnectionRow>('SELECT * FROM connections WHERE conn_id = ?', connId)
  return row && recordOf(row)
}

/** All connections that the application has not deleted, oldest first. */
export function listConnections(db: Db): ConnectionRecord[] {
  return db.all<ConnectionRow>('SELECT * FROM connections WHERE deleted_at IS NULL ORDER BY created_at').map(recordOf)
}

/** Connections whose deletion is not finished. */
export function listDeletedConnections(db: Db): ConnectionRecord[] {
  return db.all<ConnectionRow>('SELECT * FROM connections WHERE deleted_at IS NOT NULL').map(recordOf)
}

/** Removes the connection and everything that belongs to it. */
export function removeConnection(db: Db, connId: string): void {
  const bodies = 'SELECT DISTINCT body_id FROM snd_messages WHERE conn_id = ? AND body_id IS NOT NULL'
  const rows = db.all<{ body_id: number }>(bodies, connId)
  db.run('DELETE FROM connections WHERE conn_id = ?', connId)
  for (const { body_id } of rows) releaseBody(db, body_id)
}

/** Connections that a crash left before their first queue was made: nobody was told of them. */
export function removeUnfinishedConnections(db: Db): void {
  db.run(
    `DELETE FROM connections WHERE deleted_at IS NULL
       AND conn_id NOT IN (SELECT conn_id FROM rcv_queues) AND conn_id NOT IN (SELECT conn_id FROM snd_queues)
       AND conn_id NOT IN (SELECT conn_id FROM conn_joins)`,
  )
}

/** Columns of a connection that change by themselves. */
export interface ConnectionChange {
  readonly agentVersion?: number
  readonly pqSupport?: boolean
  readonly ratchetSyncState?: RatchetSyncState
  readonly connectedAt?: number
  readonly suspendedAt?: number | null
  readonly deletedAt?: number
  readonly deleteWaitUntil?: number | null
}

const CHANGES = {
  agentVersion: 'agent_version',
  pqSupport: 'pq_support',
  ratchetSyncState: 'ratchet_sync_state',
  connectedAt: 'connected_at',
  suspendedAt: 'suspended_at',
  deletedAt: 'deleted_at',
  deleteWaitUntil: 'delete_wait_until',
} as const satisfies Record<keyof ConnectionChange, string>

/** Sets the given columns. */
export function updateConnection(db: Db, connId: string, change: ConnectionChange): void {
  for (const [field, value] of Object.entries(change)) {
    const column = CHANGES[field as keyof ConnectionChange]
    const stored = typeof value === 'boolean' ? Number(value) : value
    db.run(`UPDATE connections SET ${column} = ? WHERE conn_id = ?`, stored, connId)
  }
}

/** Takes the next id of the sequence that the application sees. */
export function takeMsgId(db: Db, connId: string): number {
  const sql = 'UPDATE connections SET last_msg_id = last_msg_id + 1 WHERE conn_id = ? RETURNING last_msg_id'
  return (db.get<{ last_msg_id: number }>(sql, connId) as { last_msg_id: number }).last_msg_id
}

/** Records the last message of the peer's sequence. */
export function setLastReceived(db: Db, connId: string, externalSndMsgId: bigint, hash: Uint8Array): void {
  db.run(
    'UPDATE connections SET last_external_snd_msg_id = ?, last_rcv_msg_hash = ? WHERE conn_id = ?',
    externalSndMsgId.toString(),
    hash,
    connId,
  )
}

/** Records the last message of our sequence. */
export function setLastSent(db: Db, connId: string, sndMsgId: number, hash: Uint8Array): void {
  db.run('UPDATE connections SET last_snd_msg_id = ?, last_snd_msg_hash = ? WHERE conn_id = ?', sndMsgId, hash, connId)
}

function recordOf(row: ConnectionRow): ConnectionRecord {
  return {
    connId: row.conn_id,
    mode: row.mode,
    agentVersion: row.agent_version,
    pqSupport: row.pq_support === 1,
    lastMsgId: row.last_msg_id,
    lastSndMsgId: row.last_snd_msg_id,
    lastExternalSndMsgId: BigInt(row.last_external_snd_msg_id),
    lastRcvMsgHash: row.last_rcv_msg_hash,
    lastSndMsgHash: row.last_snd_msg_hash,
    ratchetSyncState: row.ratchet_sync_state,
    ...(row.connected_at !== null && { connectedAt: row.connected_at }),
    ...(row.suspended_at !== null && { suspendedAt: row.suspended_at }),
    ...(row.deleted_at !== null && { deletedAt: row.deleted_at }),
    ...(row.delete_wait_until !== null && { deleteWaitUntil: row.delete_wait_until }),
    createdAt: row.created_at,
  }
}
