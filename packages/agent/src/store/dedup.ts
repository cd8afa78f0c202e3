import type { Db } from './database.ts'

/** Remembers an encrypted message, SHA-256, so that its repetition is not an error: `spec/agent.md §4`. */
export function insertEncryptedHash(db: Db, connId: string, hash: Uint8Array): void {
  db.run(
    'INSERT OR IGNORE INTO encrypted_rcv_message_hashes (conn_id, hash, created_at) VALUES (?, ?, ?)',
    connId,
    hash,
    Date.now(),
  )
}

/** True when the encrypted message was seen before. */
export function hasEncryptedHash(db: Db, connId: string, hash: Uint8Array): boolean {
  return db.get('SELECT 1 FROM encrypted_rcv_message_hashes WHERE conn_id = ? AND hash = ?', connId, hash) !== undefined
}

/** Forgets hashes from before `time`, milliseconds since 1970. */
export function removeEncryptedHashes(db: Db, time: number): number {
  return db.run('DELETE FROM encrypted_rcv_message_hashes WHERE created_at < ?', time)
}
