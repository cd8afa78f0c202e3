import type { Db } from './database.ts'

/** A connection that is being joined: all that is needed to go on after a failure or a crash. */
export interface JoinRecord {
  readonly connId: string
  /** Encoded connection request of the initiator, or of the contact address. */
  readonly connectionRequest: Uint8Array
  /** What this application says about itself. */
  readonly info: Uint8Array
  /** The message to the peer, once made: sent again with the same bytes. */
  readonly envelope?: Uint8Array
  /** False after a failure that the application was told of: it calls join again. */
  readonly running: boolean
}

interface JoinRow {
  readonly conn_id: string
  readonly connection_request: Uint8Array
  readonly info: Uint8Array
  readonly envelope: Uint8Array | null
  readonly running: number
}

/** Records a join before its first network call. */
export function insertJoin(
  db: Db,
  { connId, connectionRequest, info }: Omit<JoinRecord, 'envelope' | 'running'>,
): void {
  db.run(
    'INSERT INTO conn_joins (conn_id, connection_request, info, running, created_at) VALUES (?, ?, ?, 1, ?)',
    connId,
    connectionRequest,
    info,
    Date.now(),
  )
}

/** The unfinished join of a connection. */
export function getJoin(db: Db, connId: string): JoinRecord | undefined {
  const row = db.get<JoinRow>('SELECT * FROM conn_joins WHERE conn_id = ?', connId)
  return row && recordOf(row)
}

/** Joins that a crash interrupted. */
export function listRunningJoins(db: Db): JoinRecord[] {
  return db.all<JoinRow>('SELECT * FROM conn_joins WHERE running = 1 ORDER BY created_at').map(recordOf)
}

/** An unfinished join with the same request, to repeat it with the same keys. */
export function findJoin(db: Db, connectionRequest: Uint8Array): JoinRecord | undefined {
  const sql = 'SELECT * FROM conn_joins WHERE connection_request = ? ORDER BY created_at DESC'
  const row = db.get<JoinRow>(sql, connectionRequest)
  return row && recordOf(row)
}

/** The application joins again; its information counts unless the message to the peer is made already. */
export function restartJoin(db: Db, connId: string, info: Uint8Array): void {
  db.run('UPDATE conn_joins SET running = 1, info = ? WHERE conn_id = ?', info, connId)
}

/** A failure of which the application was told: it joins again if it wants. */
export function pauseJoin(db: Db, connId: string): void {
  db.run('UPDATE conn_joins SET running = 0 WHERE conn_id = ?', connId)
}

/** Keeps the message to the peer before it is sent. */
export function setJoinEnvelope(db: Db, connId: string, envelope: Uint8Array): void {
  db.run('UPDATE conn_joins SET envelope = ? WHERE conn_id = ?', envelope, connId)
}

/** Forgets a finished join. */
export function removeJoin(db: Db, connId: string): void {
  db.run('DELETE FROM conn_joins WHERE conn_id = ?', connId)
}

function recordOf(row: JoinRow): JoinRecord {
  return {
    connId: row.conn_id,
    connectionRequest: row.connection_request,
    info: row.info,
    ...(row.envelope && { envelope: row.envelope }),
    running: row.running === 1,
  }
}
