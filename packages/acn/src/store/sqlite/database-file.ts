import { passphraseErrorOf } from '@parley/core/storage'
import Database from 'libsql'
import { StoreError } from '../store.ts'

const BUSY_TIMEOUT_MS = 5000

/**
 * Opens a database file and looks into it, which finds a wrong key. Leaves no prepared statement, which would keep the file
 * open after `close` until it is garbage collected.
 * @param key encryption key, absent for a file that is not encrypted
 * @throws StoreError PASSPHRASE, IO
 */
export function openDatabaseFile(
  file: string,
  key: string | undefined,
  { readonly = false }: { readonly readonly?: boolean } = {},
): Database.Database {
  let database: Database.Database | undefined
  try {
    const options = { timeout: BUSY_TIMEOUT_MS, readonly, ...(key !== undefined && { encryptionKey: key }) }
    database = new Database(file, options as Database.Options)
    database.exec('PRAGMA user_version')
    return database
  } catch (error) {
    database?.close()
    throw storeErrorOf(error, file)
  }
}

/** The version of the schema in a file. */
export function schemaVersion(database: Database.Database): number {
  const [version] = database.prepare('PRAGMA user_version').raw().get([]) as [number]
  return version
}

/** What an error of the database engine means. */
export function storeErrorOf(error: unknown, file: string): StoreError {
  if (error instanceof StoreError) return error
  const wrong = passphraseErrorOf(error, file)
  if (wrong) return new StoreError('PASSPHRASE', wrong.message, { cause: error })
  return new StoreError('IO', `${file}: ${error instanceof Error ? error.message : 'database failure'}`, {
    cause: error,
  })
}
