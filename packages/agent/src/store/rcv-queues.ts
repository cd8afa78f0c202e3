import { PrivateKey, PublicKey } from '@parley/core/crypto'
import type { AuthKey, QueueMode, SmpServer } from '@parley/smp/protocol'
import type { Db } from './database.ts'
import type { QueueLinkRecord, QueueStatus, RcvQueueRecord } from './records.ts'
import { RowCache } from './row-cache.ts'
import { type ServerRow, serverIdOf, serverOfRow } from './servers.ts'

interface RcvQueueRow extends ServerRow {
  readonly rcv_queue_id: number
  readonly conn_id: string
  readonly rcv_id: Uint8Array
  readonly snd_id: Uint8Array
  readonly rcv_private_key: Uint8Array
  readonly rcv_dh_secret: Uint8Array
  readonly e2e_private_key: Uint8Array
  readonly e2e_dh_secret: Uint8Array | null
  readonly snd_key: Uint8Array | null
  readonly status: QueueStatus
  readonly client_version: number
  readonly queue_mode: QueueMode | null
  readonly is_primary: number
  readonly replaces_queue_id: number | null
  readonly link_id: Uint8Array | null
  readonly link_key: Uint8Array | null
  readonly link_private_key: Uint8Array | null
  readonly link_fixed_data: Uint8Array | null
  readonly delete_errors: number
  readonly deleted: number
}

/** Keys that authorise commands, imported. */
const rcvKeys = new RowCache<number, PrivateKey<'ed25519'>>()

const SELECT = 'SELECT q.*, s.hosts, s.port, s.key_hash FROM rcv_queues q JOIN servers s USING (server_id)'

/** What a new queue starts with. */
export type NewRcvQueue = Omit<RcvQueueRecord, 'rcvQueueId' | 'deleteErrors' | 'deleted'>

/** Adds a queue; returns it with its id. */
export function insertRcvQueue(db: Db, queue: NewRcvQueue): RcvQueueRecord {
  const row = db.get<{ rcv_queue_id: number }>(
    `INSERT INTO rcv_queues (conn_id, server_id, rcv_id, snd_id, rcv_private_key, rcv_dh_secret, e2e_private_key,
       e2e_dh_secret, snd_key, status, client_version, queue_mode, is_primary, replaces_queue_id,
       link_id, link_key, link_private_key, link_fixed_data, created_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING rcv_queue_id`,
    queue.connId,
    serverIdOf(db, queue.server),
    queue.rcvId,
    queue.sndId,
    queue.rcvPrivateKey.pkcs8,
    queue.rcvDhSecret,
    queue.e2ePrivateKey.pkcs8,
    queue.e2eDhSecret ?? null,
    queue.sndKey?.spki ?? null,
    queue.status,
    queue.clientVersion,
    queue.queueMode ?? null,
    Number(queue.isPrimary),
    queue.replacesQueueId ?? null,
    queue.link?.linkId ?? null,
    queue.link?.linkKey ?? null,
    queue.link?.privateKey.pkcs8 ?? null,
    queue.link?.fixedData ?? null,
    Date.now(),
  )
  return { ...queue, rcvQueueId: (row as { rcv_queue_id: number }).rcv_queue_id, deleteErrors: 0, deleted: false }
}

/** The queue with this id. */
export function getRcvQueue(db: Db, rcvQueueId: number): RcvQueueRecord | undefined {
  const row = db.get<RcvQueueRow>(`${SELECT} WHERE q.rcv_queue_id = ?`, rcvQueueId)
  return row && recordOf(db, row)
}

/** What names a queue here: looked up for each message. */
export type RcvQueueRef = Pick<RcvQueueRecord, 'rcvQueueId' | 'connId' | 'deleted'>

/** The queue with this id at the server: what a message names. */
export function findRcvQueue(db: Db, server: SmpServer, rcvId: Uint8Array): RcvQueueRef | undefined {
  const sql = `SELECT rcv_queue_id, conn_id, deleted FROM rcv_queues q JOIN servers s USING (server_id)
    WHERE s.hosts = ? AND s.port = ? AND s.key_hash = ? AND q.rcv_id = ?`
  type Row = Pick<RcvQueueRow, 'rcv_queue_id' | 'conn_id' | 'deleted'>
  const row = db.get<Row>(sql, server.hosts.join(','), server.port, server.keyHash, rcvId)
  return row && { rcvQueueId: row.rcv_queue_id, connId: row.conn_id, deleted: row.deleted === 1 }
}

/** Queues of a connection, the primary one first. */
export function rcvQueuesOf(db: Db, connId: string): RcvQueueRecord[] {
  const sql = `${SELECT} WHERE q.conn_id = ? ORDER BY q.is_primary DESC, q.rcv_queue_id`
  return db.all<RcvQueueRow>(sql, connId).map((row) => recordOf(db, row))
}

/** Columns of a queue that change. */
export interface RcvQueueChange {
  readonly status?: QueueStatus
  readonly e2eDhSecret?: Uint8Array
  readonly sndKey?: AuthKey
  readonly clientVersion?: number
  readonly isPrimary?: boolean
  readonly deleted?: boolean
  readonly deleteErrors?: number
  readonly link?: QueueLinkRecord | null
}

/** Sets the given columns. */
export function updateRcvQueue(db: Db, rcvQueueId: number, change: RcvQueueChange): void {
  const set = (column: string, value: string | number | Uint8Array | null) => {
    db.run(`UPDATE rcv_queues SET ${column} = ? WHERE rcv_queue_id = ?`, value, rcvQueueId)
  }
  if (change.status !== undefined) set('status', change.status)
  if (change.e2eDhSecret) set('e2e_dh_secret', change.e2eDhSecret)
  if (change.sndKey) set('snd_key', change.sndKey.spki)
  if (change.clientVersion !== undefined) set('client_version', change.clientVersion)
  if (change.isPrimary !== undefined) set('is_primary', Number(change.isPrimary))
  if (change.deleted !== undefined) set('deleted', Number(change.deleted))
  if (change.deleteErrors !== undefined) set('delete_errors', change.deleteErrors)
  if (change.link !== undefined) {
    set('link_id', change.link?.linkId ?? null)
    set('link_key', change.link?.linkKey ?? null)
    set('link_private_key', change.link?.privateKey.pkcs8 ?? null)
    set('link_fixed_data', change.link?.fixedData ?? null)
  }
}

/** Removes a queue that its router has deleted. */
export function removeRcvQueue(db: Db, rcvQueueId: number): void {
  db.run('DELETE FROM rcv_queues WHERE rcv_queue_id = ?', rcvQueueId)
}

function ed25519Of(der: Uint8Array): PrivateKey<'ed25519'> {
  return PrivateKey.fromPkcs8(der) as PrivateKey<'ed25519'>
}

function linkOf(row: RcvQueueRow): QueueLinkRecord | undefined {
  const { link_id: linkId, link_key: linkKey, link_private_key: privateKey, link_fixed_data: fixedData } = row
  if (!linkId || !linkKey || !privateKey || !fixedData) return undefined
  return { linkId, linkKey, privateKey: ed25519Of(privateKey), fixedData }
}

function recordOf(db: Db, row: RcvQueueRow): RcvQueueRecord {
  const link = linkOf(row)
  return {
    rcvQueueId: row.rcv_queue_id,
    connId: row.conn_id,
    server: serverOfRow(row),
    rcvId: row.rcv_id,
    sndId: row.snd_id,
    rcvPrivateKey: rcvKeys.get(db, row.rcv_queue_id, row.rcv_private_key, () => ed25519Of(row.rcv_private_key)),
    rcvDhSecret: row.rcv_dh_secret,
    e2ePrivateKey: PrivateKey.fromPkcs8(row.e2e_private_key) as PrivateKey<'x25519'>,
    ...(row.e2e_dh_secret && { e2eDhSecret: row.e2e_dh_secret }),
    ...(row.snd_key && { sndKey: PublicKey.fromSpki(row.snd_key) as AuthKey }),
    status: row.status,
    clientVersion: row.client_version,
    ...(row.queue_mode && { queueMode: row.queue_mode }),
    isPrimary: row.is_primary === 1,
    ...(row.replaces_queue_id !== null && { replacesQueueId: row.replaces_queue_id }),
    ...(link && { link }),
    deleteErrors: row.delete_errors,
    deleted: row.deleted === 1,
  }
}
