import { type Migration, migrate, openWithPassphrase, type SqliteDatabase } from '@parley/agent/store'

/** Where a store lives and what is in it. */
export interface DatabaseOptions {
  /** File of the database; made when missing, readable by its owner alone. */
  readonly file: string
  /** Encrypts the file; the salt of its key lies beside it (`FILE.salt`). */
  readonly passphrase?: string | undefined
  /** The schema, step by step, each name after those before it. */
  readonly migrations: readonly Migration[]
}

/**
 * Opens a store of the product the way an agent opens its own: one file (mode 0600) of one process, write-ahead log,
 * `synchronous=FULL`, so that what a resolved `transaction` wrote survives loss of power; the schema brought up to date.
 * @throws StoreError LOCKED when somebody has it open, PASSPHRASE, NEWER, MIGRATION, IO
 */
export function openDatabase({ file, passphrase, migrations }: DatabaseOptions): SqliteDatabase {
  const database = openWithPassphrase(file, passphrase)
  try {
    migrate(database, migrations)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}
