import type { Db } from '../../store/index.ts'
import type { OutgoingEnvelope, Position } from '../protocol/index.ts'
import type { EnvelopeState } from '../types.ts'

/** An envelope that has no place on a link yet. */
export interface UnplacedEnvelope {
  readonly outId: number
  readonly id: Uint8Array
}

/** A numbered message that the peer has not stored yet. `end` is exclusive. */
export interface Flight {
  readonly number: number
  readonly start: Position
  readonly end: Position
}

interface PlacedRow {
  readonly seq: number
  readonly envelope_id: Uint8Array
  readonly bytes: Uint8Array | null
}

/** Adds an envelope; false when it is there already. */
export function insertOutgoing(
  db: Db,
  pairId: number,
  { id, bytes, expiresAt }: { readonly id: Uint8Array; readonly bytes: Uint8Array; readonly expiresAt: number },
): boolean {
  const sql = `INSERT INTO outbox (pair_id, envelope_id, bytes, size, expires_at) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (pair_id, envelope_id) DO NOTHING`
  return db.run(sql, pairId, id, bytes, bytes.length, expiresAt) > 0
}

/** How many envelopes, and bytes, wait for the peer. */
export function countOutbox(db: Db, pairId: number): { count: number; bytes: number } {
  const sql =
    'SELECT count(*) AS count, coalesce(sum(size), 0) AS bytes FROM outbox WHERE pair_id = ? AND bytes IS NOT NULL'
  return db.get<{ count: number; bytes: number }>(sql, pairId) as { count: number; bytes: number }
}

/** The next envelopes without a place, oldest first. */
export function unplaced(db: Db, pairId: number, limit: number): UnplacedEnvelope[] {
  const sql = `SELECT out_id AS outId, envelope_id AS id FROM outbox
    WHERE pair_id = ? AND conn_id IS NULL ORDER BY out_id LIMIT ?`
  return db.all<UnplacedEnvelope>(sql, pairId, limit)
}

/** Bytes of an envelope that waits. */
export function outgoingBytes(db: Db, outId: number): Uint8Array {
  return (db.get<{ bytes: Uint8Array }>('SELECT bytes FROM outbox WHERE out_id = ?', outId) as { bytes: Uint8Array })
    .bytes
}

export function hasUnplaced(db: Db, pairId: number): boolean {
  return db.get('SELECT 1 FROM outbox WHERE pair_id = ? AND conn_id IS NULL LIMIT 1', pairId) !== undefined
}

/** Gives an envelope its place on a link. */
export function placeOutgoing(db: Db, outId: number, connId: string, seq: number): void {
  db.run('UPDATE outbox SET conn_id = ?, seq = ? WHERE out_id = ?', connId, seq, outId)
}

/**
 * Envelopes at places of a link, from one to another, inclusive, in order. Where none is any more, because it got a place
 * on another link or is done, it is gone.
 */
export function placed(db: Db, connId: string, from: number, to: number): OutgoingEnvelope[] {
  const sql = 'SELECT seq, envelope_id, bytes FROM outbox WHERE conn_id = ? AND seq BETWEEN ? AND ?'
  const rows = new Map(db.all<PlacedRow>(sql, connId, from, to).map((row) => [row.seq, row]))
  return Array.from({ length: to - from + 1 }, (_, i) => {
    const row = rows.get(from + i)
    return { seq: from + i, id: row?.envelope_id ?? new Uint8Array(), ...(row?.bytes && { bytes: row.bytes }) }
  })
}

/** All envelopes of the pair lose their place: they will be sent on another link. Those whose time is over are gone. */
export function unplaceAll(db: Db, pairId: number): void {
  db.run('DELETE FROM outbox WHERE pair_id = ? AND bytes IS NULL', pairId)
  db.run('UPDATE outbox SET conn_id = NULL, seq = NULL WHERE pair_id = ? AND conn_id IS NOT NULL', pairId)
}

/** An envelope that is done with. `expired` is true for one whose time was over before. */
export interface DoneEnvelope {
  readonly id: Uint8Array
  readonly seq: number
  readonly size: number
  readonly expired: boolean
}

/** Removes envelopes up to a place, which the peer's application has taken or refused. */
export function takeDone(db: Db, connId: string, upTo: number): DoneEnvelope[] {
  const rows = db.all<{ seq: number; envelope_id: Uint8Array; size: number; expired: number }>(
    'SELECT seq, envelope_id, size, bytes IS NULL AS expired FROM outbox WHERE conn_id = ? AND seq <= ? ORDER BY seq',
    connId,
    upTo,
  )
  db.run('DELETE FROM outbox WHERE conn_id = ? AND seq <= ?', connId, upTo)
  return rows.map(({ seq, envelope_id: id, size, expired }) => ({ seq, id, size, expired: expired === 1 }))
}

/** An envelope whose time is over. */
export interface ExpiredEnvelope {
  readonly pairId: number
  readonly id: Uint8Array
  readonly size: number
}

/** Envelopes whose time is over: those with a place keep it, without their bytes. */
export function expireOutgoing(db: Db, now: number): ExpiredEnvelope[] {
  const sql = `SELECT out_id, pair_id, envelope_id, size, conn_id FROM outbox
    WHERE bytes IS NOT NULL AND expires_at <= ? ORDER BY out_id`
  const rows = db.all<{
    out_id: number
    pair_id: number
    envelope_id: Uint8Array
    size: number
    conn_id: string | null
  }>(sql, now)
  for (const { out_id: outId, conn_id: connId } of rows) {
    if (connId === null) db.run('DELETE FROM outbox WHERE out_id = ?', outId)
    else db.run('UPDATE outbox SET bytes = NULL WHERE out_id = ?', outId)
  }
  return rows.map(({ pair_id: pairId, envelope_id: id, size }) => ({ pairId, id, size }))
}

/** Removes everything that waits for the peer; gives the ids of what is not expired. */
export function dropOutbox(db: Db, pairId: number): Uint8Array[] {
  const rows = db.all<{ envelope_id: Uint8Array; expired: number }>(
    'SELECT envelope_id, bytes IS NULL AS expired FROM outbox WHERE pair_id = ? ORDER BY out_id',
    pairId,
  )
  db.run('DELETE FROM outbox WHERE pair_id = ?', pairId)
  return rows.filter(({ expired }) => expired === 0).map(({ envelope_id: id }) => id)
}

/** Records what a message covers. */
export function insertFlight(db: Db, connId: string, { number, start, end }: Flight): void {
  db.run(
    'INSERT INTO flights (conn_id, number, start_seq, start_offset, end_seq, end_offset) VALUES (?, ?, ?, ?, ?, ?)',
    connId,
    number,
    start.seq,
    start.offset,
    end.seq,
    end.offset,
  )
}

/** Messages after a number that the peer has not stored, in order. */
export function flightsAfter(db: Db, connId: string, number: number): Flight[] {
  const sql = 'SELECT * FROM flights WHERE conn_id = ? AND number > ? ORDER BY number'
  const rows = db.all<{
    number: number
    start_seq: number
    start_offset: number
    end_seq: number
    end_offset: number
  }>(sql, connId, number)
  return rows.map((row) => ({
    number: row.number,
    start: { seq: row.start_seq, offset: row.start_offset },
    end: { seq: row.end_seq, offset: row.end_offset },
  }))
}

/** The peer has stored all messages up to a number. */
export function removeFlights(db: Db, connId: string, upTo: number): void {
  db.run('DELETE FROM flights WHERE conn_id = ? AND number <= ?', connId, upTo)
}

/** What became of an envelope. */
export function insertOutcome(
  db: Db,
  pairId: number,
  id: Uint8Array,
  state: 'delivered' | 'refused' | 'expired',
  at: number,
): void {
  const sql = `INSERT INTO outcomes (pair_id, envelope_id, state, at) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (pair_id, envelope_id) DO UPDATE SET state = ?3, at = ?4`
  db.run(sql, pairId, id, state, at)
}

export function getOutcome(db: Db, pairId: number, id: Uint8Array): 'delivered' | 'refused' | 'expired' | undefined {
  const sql = 'SELECT state FROM outcomes WHERE pair_id = ? AND envelope_id = ?'
  return db.get<{ state: 'delivered' | 'refused' | 'expired' }>(sql, pairId, id)?.state
}

/** How far the sending side of a link is. */
type SendingSide = { readonly connId: string; readonly sndSeq: number; readonly sndOffset: number }

/**
 * Where an envelope is that was sent in the last 8 days.
 * @param id hexadecimal
 * @param linkOf a link by its connection
 */
export function envelopeState(
  db: Db,
  pairId: number,
  id: string,
  linkOf: (connId: string) => SendingSide | undefined,
): EnvelopeState | undefined {
  const idBytes = Buffer.from(id, 'hex')
  const place = placeOf(db, pairId, idBytes)
  if (!place) return getOutcome(db, pairId, idBytes)
  if (place.connId === null || place.seq === null) return 'waiting'
  const link = linkOf(place.connId)
  return link && place.seq < placesStored(db, link) ? 'stored' : 'sent'
}

/** Where an envelope that waits is on a link: undefined when it does not wait. */
function placeOf(
  db: Db,
  pairId: number,
  id: Uint8Array,
): { readonly connId: string | null; readonly seq: number | null } | undefined {
  const sql = 'SELECT conn_id AS connId, seq FROM outbox WHERE pair_id = ? AND envelope_id = ? AND bytes IS NOT NULL'
  return db.get<{ connId: string | null; seq: number | null }>(sql, pairId, id)
}

/** The first place on a link of which the peer has not stored everything. */
function placesStored(db: Db, { connId, sndSeq, sndOffset }: SendingSide): number {
  const first = db.get<{ seq: number | null }>(
    'SELECT min(start_seq) AS seq FROM flights WHERE conn_id = ?',
    connId,
  )?.seq
  return first ?? (sndOffset > 0 ? sndSeq : sndSeq + 1)
}
