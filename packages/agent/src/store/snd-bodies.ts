import type { Db } from './database.ts'

/** Stores what is sent in one or more messages (an encoded AMessage or a ready envelope); returns its id. */
export function insertBody(db: Db, body: Uint8Array): number {
  const sql = 'INSERT INTO snd_message_bodies (body) VALUES (?) RETURNING body_id'
  return (db.get<{ body_id: number }>(sql, body) as { body_id: number }).body_id
}

/** Removes the body unless a message still uses it. */
export function releaseBody(db: Db, bodyId: number): void {
  db.run(
    'DELETE FROM snd_message_bodies WHERE body_id = ?1 AND NOT EXISTS (SELECT 1 FROM snd_messages WHERE body_id = ?1)',
    bodyId,
  )
}
