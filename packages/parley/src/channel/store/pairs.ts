import type { Db } from '../../store/index.ts'

/** An agent of ours and its peer. */
export interface PairRecord {
  readonly pairId: number
  readonly local: string
  readonly peer: string
  /** Signed card of the peer, without attachment. */
  card: Uint8Array | undefined
  /** Why no channel can be opened with the card. */
  cardFailed: string | undefined
  /** A channel is wanted although nothing is to be sent. */
  wanted: boolean
}

interface PairRow {
  readonly pair_id: number
  readonly local: string
  readonly peer: string
  readonly card: Uint8Array | null
  readonly card_failed: string | null
  readonly wanted: number
}

/** All pairs. */
export function listPairs(db: Db): PairRecord[] {
  return db.all<PairRow>('SELECT * FROM pairs ORDER BY pair_id').map(recordOf)
}

/** Adds a pair. */
export function insertPair(db: Db, local: string, peer: string): PairRecord {
  const row = db.get<PairRow>('INSERT INTO pairs (local, peer) VALUES (?, ?) RETURNING *', local, peer)
  return recordOf(row as PairRow)
}

/** Removes a pair of which nothing else is known; false when something is. */
export function removeEmptyPair(db: Db, pairId: number): boolean {
  const tables = ['links', 'outbox', 'inbox', 'seen', 'outcomes']
  const empty = tables.map((table) => `NOT EXISTS (SELECT 1 FROM ${table} WHERE pair_id = ?1)`).join(' AND ')
  return db.run(`DELETE FROM pairs WHERE pair_id = ?1 AND wanted = 0 AND ${empty}`, pairId) > 0
}

/** Keeps what may change of a pair. */
export function savePair(db: Db, { pairId, card, cardFailed, wanted }: PairRecord): void {
  db.run(
    'UPDATE pairs SET card = ?, card_failed = ?, wanted = ? WHERE pair_id = ?',
    card ?? null,
    cardFailed ?? null,
    Number(wanted),
    pairId,
  )
}

function recordOf({ pair_id: pairId, local, peer, card, card_failed: failed, wanted }: PairRow): PairRecord {
  return { pairId, local, peer, card: card ?? undefined, cardFailed: failed ?? undefined, wanted: wanted === 1 }
}
