import { PrivateKey, PublicKey } from '@parley/core/crypto'
import type { QueueMode, SmpServer } from '@parley/smp/protocol'
import type { Db } from './database.ts'
import type { QueueStatus, SndQueueRecord } from './records.ts'
import { RowCache } from './row-cache.ts'
import { type ServerRow, serverIdOf, serverOfRow } from './servers.ts'

interface SndQueueRow extends ServerRow {
  readonly snd_queue_id: number
  readonly conn_id: string
  readonly snd_id: Uint8Array
  readonly snd_private_key: Uint8Array
  readonly e2e_public_key: Uint8Array
  readonly e2e_dh_secret: Uint8Array
  readonly status: QueueStatus
  readonly client_version: number
  readonly queue_mode: QueueMode | null
  readonly is_primary: number
  readonly replaces_queue_id: number | null
}

/** Keys that authorise commands, imported. */
const sndKeys = new RowCache<number, PrivateKey<'ed25519'>>()

const SELECT = 'SELECT q.*, s.hosts, s.port, s.key_hash FROM snd_queues q JOIN servers s USING (server_id)'

/** What a new queue starts with. */
export type NewSndQueue = Omit<SndQueueRecord, 'sndQueueId'>

/** Adds a queue; returns it with its id. */
export function insertSndQueue(db: Db, queue: NewSndQueue): SndQueueRecord {
  const row = db.get<{ snd_queue_id: number }>(
    `INSERT INTO snd_queues (conn_id, server_id, snd_id, snd_private_key, e2e_public_key, e2e_dh_secret, status,
       client_version, queue_mode, is_primary, replaces_queue_id, created_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING snd_queue_id`,
    queue.connId,
    serverIdOf(db, queue.server),
    queue.sndId,
    queue.sndPrivateKey.pkcs8,
    queue.e2ePublicKey.spki,
    queue.e2eDhSecret,
    queue.status,
    queue.clientVersion,
    queue.queueMode ?? null,
    Number(queue.isPrimary),
    queue.replacesQueueId ?? null,
    Date.now(),
  )
  return { ...queue, sndQueueId: (row as { snd_queue_id: number }).snd_queue_id }
}

/** The queue with this id. */
export function getSndQueue(db: Db, sndQueueId: number): SndQueueRecord | undefined {
  const row = db.get<SndQueueRow>(`${SELECT} WHERE q.snd_queue_id = ?`, sndQueueId)
  return row && recordOf(db, row)
}

/** Queues of a connection, the primary one first. */
export function sndQueuesOf(db: Db, connId: string): SndQueueRecord[] {
  const sql = `${SELECT} WHERE q.conn_id = ? ORDER BY q.is_primary DESC, q.snd_queue_id`
  return db.all<SndQueueRow>(sql, connId).map((row) => recordOf(db, row))
}

/** Ids of the queues of a connection that its peer accepts messages in, the primary one first. */
export function sendableQueuesOf(db: Db, connId: string): number[] {
  const sql = `SELECT snd_queue_id FROM snd_queues WHERE conn_id = ?
      AND (status IN ('active', 'secured') OR (status = 'confirmed' AND queue_mode = 'messaging'))
    ORDER BY is_primary DESC, snd_queue_id`
  return db.all<{ snd_queue_id: number }>(sql, connId).map((row) => row.snd_queue_id)
}

/** A queue by its address: to find the connection that was made when a link was used before. */
export function findSndQueue(db: Db, server: SmpServer, sndId: Uint8Array): SndQueueRecord | undefined {
  const sql = `${SELECT} WHERE s.port = ? AND s.key_hash = ? AND q.snd_id = ?`
  const row = db.get<SndQueueRow>(sql, server.port, server.keyHash, sndId)
  return row && recordOf(db, row)
}

/** A queue by the key that secured it: to find the connection that was made when a one-time link was opened before. */
export function findSndQueueByKey(db: Db, { pkcs8 }: PrivateKey<'ed25519'>): SndQueueRecord | undefined {
  const row = db.get<SndQueueRow>(`${SELECT} WHERE q.snd_private_key = ?`, pkcs8)
  return row && recordOf(db, row)
}

/** Sets the status of a queue. */
export function setSndQueueStatus(db: Db, sndQueueId: number, status: QueueStatus): void {
  db.run('UPDATE snd_queues SET status = ? WHERE snd_queue_id = ?', status, sndQueueId)
}

function ed25519Of(der: Uint8Array): PrivateKey<'ed25519'> {
  return PrivateKey.fromPkcs8(der) as PrivateKey<'ed25519'>
}

function recordOf(db: Db, row: SndQueueRow): SndQueueRecord {
  return {
    sndQueueId: row.snd_queue_id,
    connId: row.conn_id,
    server: serverOfRow(row),
    sndId: row.snd_id,
    sndPrivateKey: sndKeys.get(db, row.snd_queue_id, row.snd_private_key, () => ed25519Of(row.snd_private_key)),
    e2ePublicKey: PublicKey.fromSpki(row.e2e_public_key) as PublicKey<'x25519'>,
    e2eDhSecret: row.e2e_dh_secret,
    status: row.status,
    clientVersion: row.client_version,
    ...(row.queue_mode && { queueMode: row.queue_mode }),
    isPrimary: row.is_primary === 1,
    ...(row.replaces_queue_id !== null && { replacesQueueId: row.replaces_queue_id }),
  }
}
