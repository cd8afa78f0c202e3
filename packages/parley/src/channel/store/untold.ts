import type { Db } from '../../store/index.ts'
import type { NotDeliveredReason } from '../types.ts'

/** An envelope that will not be delivered, of which the application has not heard yet. */
export interface Untold {
  readonly number: number
  readonly local: string
  readonly peer: string
  /** 16 bytes. */
  readonly id: Uint8Array
  readonly reason: NotDeliveredReason
  readonly status: number | null
}

/** Notes that the application is to hear of an envelope: in the transaction that gives it up. */
export function insertUntold(
  db: Db,
  { local, peer }: { readonly local: string; readonly peer: string },
  { id, reason, status, at }: { id: Uint8Array; reason: NotDeliveredReason; status?: number; at: number },
): void {
  db.run(
    'INSERT INTO untold (local, peer, envelope_id, reason, status, at) VALUES (?, ?, ?, ?, ?, ?)',
    local,
    peer,
    id,
    reason,
    status ?? null,
    at,
  )
}

/** The oldest of those. */
export function listUntold(db: Db, limit: number): Untold[] {
  const sql = 'SELECT number, local, peer, envelope_id AS id, reason, status FROM untold ORDER BY number LIMIT ?'
  return db.all<Untold>(sql, limit)
}

/** The application has heard of these. */
export function deleteUntold(db: Db, numbers: readonly number[]): void {
  for (const number of numbers) db.run('DELETE FROM untold WHERE number = ?', number)
}
