import type { Db } from '../../store/index.ts'

/** An envelope that the application has not taken. */
export interface IncomingEnvelope {
  readonly inId: number
  readonly id: Uint8Array
  readonly bytes: Uint8Array
}

/** Status of an envelope: null while it waits, 0 when it was taken, else what it was refused with. */
export type TakenStatus = number | null

/** What is known of an envelope by its id; undefined when it never came. */
export function seenStatus(db: Db, pairId: number, id: Uint8Array): TakenStatus | undefined {
  const sql = 'SELECT status FROM seen WHERE pair_id = ? AND envelope_id = ?'
  return db.get<{ status: TakenStatus }>(sql, pairId, id)?.status
}

/** Keeps a new envelope for the application. */
export function insertIncoming(db: Db, pairId: number, id: Uint8Array, bytes: Uint8Array, now: number): void {
  db.run('INSERT INTO inbox (pair_id, envelope_id, bytes) VALUES (?, ?, ?)', pairId, id, bytes)
  db.run('INSERT INTO seen (pair_id, envelope_id, at) VALUES (?, ?, ?)', pairId, id, now)
}

/** An envelope that was refused before the application saw it. */
export function insertRefused(db: Db, pairId: number, id: Uint8Array, status: number, now: number): void {
  db.run('INSERT INTO seen (pair_id, envelope_id, status, at) VALUES (?, ?, ?, ?)', pairId, id, status, now)
}

/** Records the place at which an envelope came on a link. */
export function insertArrival(db: Db, connId: string, seq: number, id: Uint8Array, status: TakenStatus): void {
  db.run('INSERT INTO arrivals (conn_id, seq, envelope_id, status) VALUES (?, ?, ?, ?)', connId, seq, id, status)
}

/** Envelopes after one, in order. */
export function incomingAfter(db: Db, pairId: number, inId: number, limit: number): IncomingEnvelope[] {
  const sql = `SELECT in_id AS inId, envelope_id AS id, bytes FROM inbox
    WHERE pair_id = ? AND in_id > ? ORDER BY in_id LIMIT ?`
  return db.all<IncomingEnvelope>(sql, pairId, inId, limit)
}

export function countInbox(db: Db, pairId: number): { count: number; bytes: number } {
  const sql = 'SELECT count(*) AS count, coalesce(sum(length(bytes)), 0) AS bytes FROM inbox WHERE pair_id = ?'
  return db.get<{ count: number; bytes: number }>(sql, pairId) as { count: number; bytes: number }
}

/**
 * The application has taken (0) or refused an envelope: wherever it came, that is known.
 * @returns false when that was so before, or the envelope was dropped
 */
export function settleIncoming(
  db: Db,
  pairId: number,
  { inId, id }: Pick<IncomingEnvelope, 'inId' | 'id'>,
  status: number,
  now: number,
): boolean {
  if (db.run('DELETE FROM inbox WHERE in_id = ?', inId) === 0) return false
  db.run('UPDATE seen SET status = ?, at = ? WHERE pair_id = ? AND envelope_id = ?', status, now, pairId, id)
  const sql = `UPDATE arrivals SET status = ? WHERE envelope_id = ?
    AND conn_id IN (SELECT conn_id FROM links WHERE pair_id = ?)`
  db.run(sql, status, id, pairId)
  return true
}

/**
 * Moves on over the places that are settled and follow each other; keeps refusals for repetition.
 * @param taken the last place that is covered
 * @returns the last place that is covered now
 */
export function advanceTaken(db: Db, connId: string, taken: number, keepRefusals: number): number {
  let last = taken
  for (;;) {
    const rows = db.all<{ seq: number; status: TakenStatus }>(
      'SELECT seq, status FROM arrivals WHERE conn_id = ? AND seq > ? ORDER BY seq LIMIT 64',
      connId,
      last,
    )
    const before = last
    for (const { seq, status } of rows) {
      if (seq !== last + 1 || status === null) break
      last = seq
      if (status !== 0) db.run('INSERT INTO refusals (conn_id, seq, status) VALUES (?, ?, ?)', connId, seq, status)
    }
    if (last - before < 64) break
  }
  if (last === taken) return taken
  db.run('DELETE FROM arrivals WHERE conn_id = ? AND seq <= ?', connId, last)
  const surplus = `DELETE FROM refusals WHERE conn_id = ?1 AND seq NOT IN
    (SELECT seq FROM refusals WHERE conn_id = ?1 ORDER BY seq DESC LIMIT ?2)`
  db.run(surplus, connId, keepRefusals)
  return last
}

/** The refusals that acknowledgements repeat, oldest first. */
export function refusalsOf(db: Db, connId: string): { seq: number; status: number }[] {
  return db.all<{ seq: number; status: number }>(
    'SELECT seq, status FROM refusals WHERE conn_id = ? ORDER BY seq',
    connId,
  )
}

/** Forgets what the application has not taken: whoever sent it has it still. */
export function dropInbox(db: Db, pairId: number): void {
  db.run('DELETE FROM inbox WHERE pair_id = ?', pairId)
  db.run('DELETE FROM seen WHERE pair_id = ? AND status IS NULL', pairId)
}
