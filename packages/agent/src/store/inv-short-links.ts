import { PrivateKey } from '@parley/core/crypto'
import type { SmpServer } from '@parley/smp/protocol'
import type { Db } from './database.ts'
import { serverIdOf } from './servers.ts'

/** Key with which a one-time link is opened, and its queue is secured and sent to when joining. */
export interface InvShortLinkRecord {
  readonly server: SmpServer
  readonly linkId: Uint8Array
  readonly linkKey: Uint8Array
  readonly sndPrivateKey: PrivateKey<'ed25519'>
}

/** Stores the key before it is sent. */
export function insertInvShortLink(db: Db, { server, linkId, linkKey, sndPrivateKey }: InvShortLinkRecord): void {
  db.run(
    'INSERT INTO inv_short_links (server_id, link_id, link_key, snd_private_key, created_at) VALUES (?, ?, ?, ?, ?)',
    serverIdOf(db, server),
    linkId,
    linkKey,
    sndPrivateKey.pkcs8,
    Date.now(),
  )
}

/** The key stored for a link, to use it again. */
export function getInvShortLink(db: Db, server: SmpServer, linkId: Uint8Array): InvShortLinkRecord | undefined {
  const row = db.get<{ link_key: Uint8Array; snd_private_key: Uint8Array }>(
    `SELECT l.link_key, l.snd_private_key FROM inv_short_links l JOIN servers s USING (server_id)
     WHERE s.port = ? AND s.key_hash = ? AND l.link_id = ?`,
    server.port,
    server.keyHash,
    linkId,
  )
  if (!row) return undefined
  const sndPrivateKey = PrivateKey.fromPkcs8(row.snd_private_key) as PrivateKey<'ed25519'>
  return { server, linkId, linkKey: row.link_key, sndPrivateKey }
}

/** Forgets the keys of links opened before `time`, milliseconds since 1970. */
export function removeOldInvShortLinks(db: Db, time: number): void {
  db.run('DELETE FROM inv_short_links WHERE created_at < ?', time)
}
