import type { Db } from '../../store/index.ts'

/** True when another request with the same signature came before. */
export function isReplayed(db: Db, digest: Uint8Array, invId: string): boolean {
  const known = db.get<{ inv_id: string }>('SELECT inv_id FROM requests WHERE digest = ?', digest)
  return known !== undefined && known.inv_id !== invId
}

/** True when this request itself came before. */
export function isRemembered(db: Db, digest: Uint8Array, invId: string): boolean {
  return db.get('SELECT 1 FROM requests WHERE digest = ? AND inv_id = ?', digest, invId) !== undefined
}

/**
 * Remembers a request by its signature.
 * @returns false when another request with the same signature came before
 */
export function rememberRequest(db: Db, digest: Uint8Array, invId: string, expiresAt: number): boolean {
  if (isReplayed(db, digest, invId)) return false
  db.run('INSERT OR IGNORE INTO requests (digest, inv_id, expires_at) VALUES (?, ?, ?)', digest, invId, expiresAt)
  return true
}

/** Forgets what is too old to matter: requests that would be refused as old, ids and outcomes from before `history`. */
export function forgetOld(db: Db, now: number, history: number): void {
  db.run('DELETE FROM requests WHERE expires_at <= ?', now)
  db.run('DELETE FROM outcomes WHERE at < ?', now - history)
  db.run('DELETE FROM untold WHERE at < ?', now - history)
  db.run('DELETE FROM seen WHERE at < ? AND status IS NOT NULL', now - history)
}
