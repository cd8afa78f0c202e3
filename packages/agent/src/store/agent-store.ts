import { AgentError } from '../agent-error.ts'
import { getConnection, removeUnfinishedConnections } from './connections.ts'
import type { Db, SqliteDatabase } from './database.ts'
import { type Migration, migrate } from './migrate.ts'
import { MIGRATIONS } from './migrations/index.ts'
import { openWithPassphrase } from './passphrase.ts'
import type { ConnectionRecord } from './records.ts'

/** How the store of an agent is opened. */
export interface AgentStoreOptions {
  /** Database file; made when missing. */
  readonly path: string
  /** Encrypts the whole file. */
  readonly passphrase?: string | undefined
  /** Undo schema changes of a newer program. Default false. */
  readonly allowDowngrade?: boolean | undefined
}

/** `Store` of the architecture: everything that an agent must know after a crash. One process at a time. */
export class AgentStore {
  readonly #db: SqliteDatabase

  private constructor(db: SqliteDatabase) {
    this.#db = db
  }

  /** @throws StoreError LOCKED, PASSPHRASE, NEWER, MIGRATION, IO */
  static open({ path, passphrase, allowDowngrade = false }: AgentStoreOptions): AgentStore {
    const db = openWithPassphrase(path, passphrase)
    try {
      migrate(db, MIGRATIONS, { allowDown: allowDowngrade })
      db.transactionNow(removeUnfinishedConnections)
    } catch (error) {
      db.close()
      throw error
    }
    return new AgentStore(db)
  }

  get isClosed(): boolean {
    return this.#db.isClosed
  }

  /** Reads what is committed, at once. */
  read<T>(query: (db: Db) => T): T {
    return query(this.#db)
  }

  /**
   * Runs `work` in a transaction; resolves when it is on disk. `work` is synchronous: nothing runs in between.
   * @throws what `work` throws, StoreError
   */
  transaction<T>(work: (db: Db) => T): Promise<T> {
    return this.#db.transaction(work)
  }

  /**
   * {@link transaction} that has time: up to 20 ms, until one that has none takes it along. For notes of what is done,
   * without which it would be done once more after a crash.
   */
  transactionInTime<T>(work: (db: Db) => T): Promise<T> {
    return this.#db.transaction(work, true)
  }

  /**
   * A transaction in which nobody else changes the connection, its queues and its ratchet.
   * @throws AgentError CONN NOT_FOUND when there is no such connection or it is deleted; what `work` throws
   */
  lockConnForUpdate<T>(connId: string, work: (db: Db, connection: ConnectionRecord) => T): Promise<T> {
    return this.#db.transaction((db) => work(db, requireConnection(db, connId)))
  }

  /**
   * The database with the application's tables in it, brought up to date.
   * @throws StoreError NEWER, MIGRATION, IO, CLOSED
   */
  openForApplication(migrations: readonly Migration[]): SqliteDatabase {
    migrate(this.#db, migrations, { table: 'application_migrations' })
    return this.#db
  }

  /** Finishes what was asked for and releases the file. */
  close(): void {
    this.#db.close()
  }
}

/**
 * The connection of an application's call.
 * @throws AgentError CONN NOT_FOUND when there is none or it is deleted
 */
export function requireConnection(db: Db, connId: string): ConnectionRecord {
  const connection = getConnection(db, connId)
  if (!connection || connection.deletedAt !== undefined) {
    throw new AgentError({ type: 'CONN', error: 'NOT_FOUND', context: 'connection' })
  }
  return connection
}
