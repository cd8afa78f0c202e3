import type { SmpServer } from '@parley/smp/protocol'
import type { Db } from './database.ts'

/** Columns of a joined server, as the queries of queues select them. */
export interface ServerRow {
  readonly hosts: string
  readonly port: string
  readonly key_hash: Uint8Array
}

/** The id of the server's row, made when there is none. */
export function serverIdOf(db: Db, { hosts, port, keyHash }: SmpServer): number {
  const key = [hosts.join(','), port, keyHash] as const
  const find = 'SELECT server_id FROM servers WHERE hosts = ? AND port = ? AND key_hash = ?'
  const row = db.get<{ server_id: number }>(find, ...key)
  if (row) return row.server_id
  const insert = 'INSERT INTO servers (hosts, port, key_hash) VALUES (?, ?, ?) RETURNING server_id'
  return (db.get<{ server_id: number }>(insert, ...key) as { server_id: number }).server_id
}

/** The server of a row. */
export function serverOfRow({ hosts, port, key_hash }: ServerRow): SmpServer {
  const [first, ...rest] = hosts.split(',') as [string, ...string[]]
  return { hosts: [first, ...rest], port, keyHash: key_hash }
}
