import type { Db } from '../../store/index.ts'
import type { Assembly, ChannelRole } from '../protocol/index.ts'

/**
 * How far a link is: `opening` until the agent says CON, `connected` until the peer has proven who it is, `open`,
 * `closing` when all that is left is to delete the connection.
 */
export type LinkState = 'opening' | 'connected' | 'open' | 'closing'

/** A connection that is, or is to be, the channel of a pair. The numbers are those of the schema. */
export interface LinkRecord {
  readonly connId: string
  readonly pairId: number
  readonly role: ChannelRole
  readonly createdAt: number
  /** The request that it answers. */
  readonly invId: string | undefined
  state: LinkState
  openedAt: number | undefined
  pq: boolean
  peerKey: Uint8Array
  helloSent: boolean
  sndNumber: number
  sndHanded: number
  sndStored: number
  sndSeq: number
  sndOffset: number
  sndTaken: number
  rcvNumber: number
  rcvSeq: number
  rcvTaken: number
  ackedNumber: number
  ackedTaken: number
  assembly: Assembly | undefined
}

interface LinkRow {
  readonly conn_id: string
  readonly pair_id: number
  readonly role: ChannelRole
  readonly state: LinkState
  readonly created_at: number
  readonly opened_at: number | null
  readonly pq: number
  readonly peer_key: Uint8Array
  readonly inv_id: string | null
  readonly hello_sent: number
  readonly snd_number: number
  readonly snd_handed: number
  readonly snd_stored: number
  readonly snd_seq: number
  readonly snd_offset: number
  readonly snd_taken: number
  readonly rcv_number: number
  readonly rcv_seq: number
  readonly rcv_taken: number
  readonly acked_number: number
  readonly acked_taken: number
  readonly part_id: Uint8Array | null
  readonly part_total: number | null
  readonly part_digest: Uint8Array | null
  readonly part_length: number | null
}

/** What a new link starts with. */
export type NewLink = Pick<LinkRecord, 'connId' | 'pairId' | 'role' | 'createdAt' | 'peerKey' | 'invId'>

/** A link on which nothing has happened. */
export function newLink(link: NewLink): LinkRecord {
  return {
    ...link,
    state: 'opening',
    openedAt: undefined,
    pq: false,
    helloSent: false,
    sndNumber: 0,
    sndHanded: 0,
    sndStored: 0,
    sndSeq: 0,
    sndOffset: 0,
    sndTaken: 0,
    rcvNumber: 0,
    rcvSeq: 0,
    rcvTaken: 0,
    ackedNumber: 0,
    ackedTaken: 0,
    assembly: undefined,
  }
}

/** Adds a link; one that is there already stays as it is. */
export function insertLink(db: Db, { connId, pairId, role, state, createdAt, peerKey, invId }: LinkRecord): void {
  db.run(
    `INSERT INTO links (conn_id, pair_id, role, state, created_at, peer_key, inv_id) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (conn_id) DO NOTHING`,
    connId,
    pairId,
    role,
    state,
    createdAt,
    peerKey,
    invId ?? null,
  )
}

/** Keeps what may change of a link. */
export function saveLink(db: Db, link: LinkRecord): void {
  const { assembly } = link
  db.run(
    `UPDATE links SET state = ?, opened_at = ?, pq = ?, peer_key = ?, hello_sent = ?, snd_number = ?, snd_handed = ?,
       snd_stored = ?, snd_seq = ?, snd_offset = ?, snd_taken = ?, rcv_number = ?, rcv_seq = ?, rcv_taken = ?,
       acked_number = ?, acked_taken = ?, part_id = ?, part_total = ?, part_digest = ?, part_length = ?
     WHERE conn_id = ?`,
    link.state,
    link.openedAt ?? null,
    Number(link.pq),
    link.peerKey,
    Number(link.helloSent),
    link.sndNumber,
    link.sndHanded,
    link.sndStored,
    link.sndSeq,
    link.sndOffset,
    link.sndTaken,
    link.rcvNumber,
    link.rcvSeq,
    link.rcvTaken,
    link.ackedNumber,
    link.ackedTaken,
    assembly?.id ?? null,
    assembly?.total ?? null,
    assembly?.digest ?? null,
    assembly?.length ?? null,
    link.connId,
  )
}

/** All links, oldest first. */
export function listLinks(db: Db): LinkRecord[] {
  return db.all<LinkRow>('SELECT * FROM links ORDER BY created_at, rowid').map(recordOf)
}

/** Forgets a link and what belongs to it alone. */
export function removeLink(db: Db, connId: string): void {
  db.run('DELETE FROM links WHERE conn_id = ?', connId)
}

/** Parts of the envelope that is being put together. */
export function insertPart(db: Db, connId: string, start: number, bytes: Uint8Array): void {
  db.run('INSERT INTO parts (conn_id, start, bytes) VALUES (?, ?, ?)', connId, start, bytes)
}

/** All parts, one after the other, and forgets them. */
export function takeParts(db: Db, connId: string): Uint8Array {
  const rows = db.all<{ bytes: Uint8Array }>('SELECT bytes FROM parts WHERE conn_id = ? ORDER BY start', connId)
  removeParts(db, connId)
  return Buffer.concat(rows.map(({ bytes }) => bytes))
}

export function removeParts(db: Db, connId: string): void {
  db.run('DELETE FROM parts WHERE conn_id = ?', connId)
}

function recordOf(row: LinkRow): LinkRecord {
  const { part_id: id, part_total: total, part_digest: digest, part_length: length } = row
  const isComplete = id === null || total === null || digest === null || length === null
  return {
    connId: row.conn_id,
    pairId: row.pair_id,
    role: row.role,
    createdAt: row.created_at,
    state: row.state,
    openedAt: row.opened_at ?? undefined,
    pq: row.pq === 1,
    peerKey: row.peer_key,
    invId: row.inv_id ?? undefined,
    helloSent: row.hello_sent === 1,
    sndNumber: row.snd_number,
    sndHanded: row.snd_handed,
    sndStored: row.snd_stored,
    sndSeq: row.snd_seq,
    sndOffset: row.snd_offset,
    sndTaken: row.snd_taken,
    rcvNumber: row.rcv_number,
    rcvSeq: row.rcv_seq,
    rcvTaken: row.rcv_taken,
    ackedNumber: row.acked_number,
    ackedTaken: row.acked_taken,
    assembly: isComplete ? undefined : { id, total, digest, length },
  }
}
