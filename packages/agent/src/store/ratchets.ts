import type { DhAlgorithm } from '@parley/core/crypto'
import { PrivateKey } from '@parley/core/crypto'
import { decode, encode } from '@parley/core/encoding'
import {
  type E2eParams,
  e2eParamsCodec,
  type MessageKey,
  messageKeyCodec,
  parseRatchet,
  privateKemParamsCodec,
  type Ratchet,
  type SkippedKeys,
  type SkippedKeysDiff,
  serializeRatchet,
  type X3dhKeys,
} from '../ratchet/index.ts'
import type { Db } from './database.ts'
import { RowCache } from './row-cache.ts'

/** Ratchets as they were stored last, with their keys imported. */
const ratchets = new RowCache<string, Ratchet>()

/** Stores the private keys of a key agreement before its public keys are sent. */
export function insertX3dhKeys(db: Db, connId: string, { key1, key2, kem }: X3dhKeys): void {
  db.run(
    `INSERT INTO ratchets (conn_id, x3dh_private_key_1, x3dh_private_key_2, pq_private_params) VALUES (?1, ?2, ?3, ?4)
     ON CONFLICT (conn_id) DO UPDATE SET x3dh_private_key_1 = ?2, x3dh_private_key_2 = ?3, pq_private_params = ?4`,
    connId,
    key1.pkcs8,
    key2.pkcs8,
    kem ? encode(privateKemParamsCodec, kem) : null,
  )
}

interface X3dhRow {
  readonly x3dh_private_key_1: Uint8Array | null
  readonly x3dh_private_key_2: Uint8Array | null
  readonly pq_private_params: Uint8Array | null
}

/** The stored private keys, until the ratchet replaces them. */
export function getX3dhKeys(db: Db, connId: string): X3dhKeys | undefined {
  const row = db.get<X3dhRow>(
    'SELECT x3dh_private_key_1, x3dh_private_key_2, pq_private_params FROM ratchets WHERE conn_id = ?',
    connId,
  )
  if (!row?.x3dh_private_key_1 || !row.x3dh_private_key_2) return undefined
  const kem = row.pq_private_params && decode(privateKemParamsCodec, row.pq_private_params)
  return { key1: dhKeyOf(row.x3dh_private_key_1), key2: dhKeyOf(row.x3dh_private_key_2), ...(kem && { kem }) }
}

/** Stores a joiner's ratchet with the parameters that its confirmation carries. */
export function insertSndRatchet(db: Db, connId: string, ratchet: Ratchet, params: E2eParams): void {
  db.run(
    'INSERT INTO ratchets (conn_id, ratchet_state, snd_e2e_params) VALUES (?, ?, ?)',
    connId,
    serializeRatchet(ratchet),
    encode(e2eParamsCodec, params),
  )
}

/** What the joiner's confirmation carries, until it is made. */
export function getSndE2eParams(db: Db, connId: string): E2eParams | undefined {
  const sql = 'SELECT snd_e2e_params FROM ratchets WHERE conn_id = ?'
  const row = db.get<{ snd_e2e_params: Uint8Array | null }>(sql, connId)
  return row?.snd_e2e_params ? decode(e2eParamsCodec, row.snd_e2e_params) : undefined
}

/** The ratchet of a connection, absent before key agreement. */
export function getRatchet(db: Db, connId: string): Ratchet | undefined {
  const sql = 'SELECT ratchet_state FROM ratchets WHERE conn_id = ?'
  const row = db.get<{ ratchet_state: string | null }>(sql, connId)
  const text = row?.ratchet_state
  return text ? ratchets.get(db, connId, text, () => parseRatchet(text)) : undefined
}

/** Stores the ratchet after a step. */
export function updateRatchet(db: Db, connId: string, ratchet: Ratchet): void {
  const text = serializeRatchet(ratchet)
  db.run('UPDATE ratchets SET ratchet_state = ? WHERE conn_id = ?', text, connId)
  ratchets.set(db, connId, text, ratchet)
}

/** Stores the first ratchet of an initiator; the keys it was agreed with are forgotten. */
export function startRatchet(db: Db, connId: string, ratchet: Ratchet): void {
  db.run(
    `UPDATE ratchets SET ratchet_state = ?, x3dh_private_key_1 = NULL, x3dh_private_key_2 = NULL,
       pq_private_params = NULL WHERE conn_id = ?`,
    serializeRatchet(ratchet),
    connId,
  )
}

/** Forgets the parameters of a joiner's confirmation once this is made. */
export function forgetSndE2eParams(db: Db, connId: string): void {
  db.run('UPDATE ratchets SET snd_e2e_params = NULL WHERE conn_id = ?', connId)
}

/** Keys of skipped messages, looked up in the table: there may be many and a message needs one. */
export function skippedKeysOf(db: Db, connId: string): SkippedKeys {
  return {
    headerKeys(): Uint8Array[] {
      const sql = 'SELECT DISTINCT header_key FROM skipped_messages WHERE conn_id = ?'
      return db.all<{ header_key: Uint8Array }>(sql, connId).map((row) => row.header_key)
    },
    find(headerKey, number): MessageKey | undefined {
      const sql = 'SELECT msg_key FROM skipped_messages WHERE conn_id = ? AND header_key = ? AND msg_n = ?'
      const row = db.get<{ msg_key: Uint8Array }>(sql, connId, headerKey, number)
      return row && decode(messageKeyCodec, row.msg_key)
    },
  }
}

/** Stores what a decryption changed in the keys of skipped messages. */
export function updateSkippedKeys(db: Db, connId: string, { added, removed }: SkippedKeysDiff): void {
  for (const { headerKey, number, messageKey } of added) {
    db.run(
      'INSERT OR REPLACE INTO skipped_messages (conn_id, header_key, msg_n, msg_key, created_at) VALUES (?, ?, ?, ?, ?)',
      connId,
      headerKey,
      number,
      encode(messageKeyCodec, messageKey),
      Date.now(),
    )
  }
  if (removed) {
    db.run(
      'DELETE FROM skipped_messages WHERE conn_id = ? AND header_key = ? AND msg_n = ?',
      connId,
      removed.headerKey,
      removed.number,
    )
  }
}

function dhKeyOf(der: Uint8Array): PrivateKey<DhAlgorithm> {
  return PrivateKey.fromPkcs8(der) as PrivateKey<DhAlgorithm>
}
