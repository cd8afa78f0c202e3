import {
  CardError,
  type CardKind,
  cardDigest,
  decodeSignedCard,
  encodeSignedCard,
  isNewCard,
  type SignedCard,
  type VerifiedCard,
} from '../card/index.ts'
import { type Db, type Migration, openDatabase, type SqliteDatabase } from '../store/index.ts'
import type { DirectoryLimits } from './limits.ts'

const MIGRATIONS: readonly Migration[] = [
  {
    name: '001-cards',
    up: `
      CREATE TABLE served (
        address TEXT NOT NULL,
        kind TEXT NOT NULL,
        is_own INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        digest BLOB NOT NULL,
        not_after INTEGER NOT NULL,
        signed_card BLOB NOT NULL,
        PRIMARY KEY (address, kind)
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE highest (
        address TEXT NOT NULL,
        kind TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        digest BLOB NOT NULL,
        seen_at INTEGER NOT NULL,
        signed_card BLOB NOT NULL,
        PRIMARY KEY (address, kind)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX highest_by_time ON highest (seen_at)`,
    down: 'DROP TABLE served; DROP TABLE highest',
  },
]

/** There is no place for the cards of one more address. */
export class CardStoreFullError extends Error {
  constructor() {
    super('no more cards are taken')
    this.name = 'CardStoreFullError'
  }
}

/** Where the store is. */
export interface CardStoreOptions {
  readonly file: string
  readonly passphrase?: string | undefined
  readonly limits: Pick<DirectoryLimits, 'served' | 'remembered'>
}

interface Row {
  readonly sequence: number
  readonly digest: Uint8Array
}

/**
 * Cards that are served here, and of every address that was looked up the newest card ever taken, by kind: what goes back
 * is found out also after a restart. What was stored is on disk when the call resolves.
 */
export class CardStore {
  readonly #database: SqliteDatabase
  readonly #limits: CardStoreOptions['limits']

  private constructor(database: SqliteDatabase, limits: CardStoreOptions['limits']) {
    this.#database = database
    this.#limits = limits
  }

  /** @throws StoreError */
  static open({ file, passphrase, limits }: CardStoreOptions): CardStore {
    return new CardStore(openDatabase({ file, passphrase, migrations: MIGRATIONS }), limits)
  }

  close(): void {
    this.#database.close()
  }

  /** Cards that are served for an address, whether they hold or not: one of each kind at most. */
  served(address: string): SignedCard[] {
    return this.#read('SELECT signed_card FROM served WHERE address = ?', address)
  }

  /** Whether an address is one of this node's own. */
  isOwn(address: string): boolean {
    return this.#database.get('SELECT 1 AS own FROM served WHERE address = ? AND is_own = 1', address) !== undefined
  }

  /**
   * Serves a card, with its attachment, from now on.
   * @param isOwn of an agent of this node itself: there is always a place for it
   * @returns false when it is served already
   * @throws CardError ROLLED_BACK, EQUIVOCATION; CardStoreFullError
   */
  serve({ card, kind, signed }: VerifiedCard, isOwn: boolean, now: number = Date.now()): Promise<boolean> {
    const { address, sequence, notAfter } = card
    return this.#database.transaction((db) => {
      const known = rowOf(db, 'served', address, kind)
      // The same card may come with the attachment that it came without.
      if (!isNewCard(card, known) && !signed.attachment) return false
      if (!known && !isOwn) this.#makeRoom(db, address, now)
      db.run(
        `INSERT INTO served (address, kind, is_own, sequence, digest, not_after, signed_card)
        VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET is_own = max(is_own, excluded.is_own),
        sequence = excluded.sequence, digest = excluded.digest, not_after = excluded.not_after,
        signed_card = excluded.signed_card`,
        address,
        kind,
        isOwn ? 1 : 0,
        sequence,
        cardDigest(card),
        notAfter,
        encodeSignedCard(signed),
      )
      return known?.sequence !== sequence
    })
  }

  /** Serves the cards of an address no more. */
  forget(address: string): Promise<unknown> {
    return this.#database.transaction((db) => db.run('DELETE FROM served WHERE address = ?', address))
  }

  /** The newest cards that were ever taken of an address, whether they hold or not: one of each kind at most. */
  highest(address: string): SignedCard[] {
    return this.#read('SELECT signed_card FROM highest WHERE address = ?', address)
  }

  /** The highest sequence of any card of an address that is known here; 0 when there is none. */
  lastSequence(address: string): number {
    const row = this.#database.get<{ sequence: number | null }>(
      `SELECT max(sequence) AS sequence FROM
      (SELECT sequence FROM served WHERE address = ? UNION ALL SELECT sequence FROM highest WHERE address = ?)`,
      address,
      address,
    )
    return row?.sequence ?? 0
  }

  /**
   * Takes a card that was found, unless it goes back.
   * @throws CardError ROLLED_BACK, EQUIVOCATION
   */
  take({ card, kind, signed }: VerifiedCard, now: number = Date.now()): Promise<void> {
    return this.#database.transaction((db) => {
      const known = rowOf(db, 'highest', card.address, kind)
      if (!isNewCard(card, known)) return
      db.run(
        `INSERT INTO highest (address, kind, sequence, digest, seen_at, signed_card) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET sequence = excluded.sequence, digest = excluded.digest,
        seen_at = excluded.seen_at, signed_card = excluded.signed_card`,
        card.address,
        kind,
        card.sequence,
        cardDigest(card),
        now,
        encodeSignedCard(signed, { withoutAttachment: true }),
      )
      if (!known) this.#forgetOldest(db)
    })
  }

  /** Whether a card may be taken: see {@link take}. @throws CardError ROLLED_BACK, EQUIVOCATION */
  check({ card, kind }: Pick<VerifiedCard, 'card' | 'kind'>): void {
    isNewCard(card, rowOf(this.#database, 'highest', card.address, kind))
  }

  /** @throws CardStoreFullError */
  #makeRoom(db: Db, address: string, now: number): void {
    const isServed = db.get('SELECT 1 AS served FROM served WHERE address = ?', address) !== undefined
    if (isServed || count(db, 'SELECT count(DISTINCT address) AS count FROM served') < this.#limits.served) return
    if (db.run('DELETE FROM served WHERE is_own = 0 AND not_after <= ?', now) === 0) throw new CardStoreFullError()
  }

  #forgetOldest(db: Db): void {
    const surplus = count(db, 'SELECT count(*) AS count FROM highest') - this.#limits.remembered
    if (surplus <= 0) return
    db.run(
      `DELETE FROM highest WHERE (address, kind) IN
      (SELECT address, kind FROM highest ORDER BY seen_at, sequence LIMIT ?)`,
      surplus,
    )
  }

  #read(sql: string, address: string): SignedCard[] {
    const rows = this.#database.all<{ signed_card: Uint8Array }>(sql, address)
    return rows.map((row) => decodeSignedCard(row.signed_card))
  }
}

function rowOf(db: Db, table: 'served' | 'highest', address: string, kind: CardKind): Row | undefined {
  return db.get<Row>(`SELECT sequence, digest FROM ${table} WHERE address = ? AND kind = ?`, address, kind)
}

function count(db: Db, sql: string): number {
  return db.get<{ count: number }>(sql)?.count ?? 0
}

/** Whether it is because of its place in the order that a card is refused. */
export function isOutOfOrder(error: unknown): error is CardError {
  return error instanceof CardError && (error.code === 'ROLLED_BACK' || error.code === 'EQUIVOCATION')
}
