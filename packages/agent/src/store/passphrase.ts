import { existsSync } from 'node:fs'
import { changeKey, keyToOpen, removeHalfMade } from '@parley/core/storage'
import { SqliteDatabase } from './database.ts'
import { StoreError, storeErrorOf } from './store-error.ts'

/**
 * Opens the database file of a store with its passphrase.
 * @throws StoreError LOCKED, PASSPHRASE, IO
 */
export function openWithPassphrase(path: string, passphrase: string | undefined): SqliteDatabase {
  try {
    removeHalfMade(path)
    return SqliteDatabase.open(path, keyToOpen(path, passphrase))
  } catch (error) {
    throw storeErrorOf(error, path)
  }
}

/**
 * Changes, sets (`from` undefined) or removes (`to` undefined) the passphrase of a store that no agent has open:
 * exports it into a new file, which then takes the place of the old one by an atomic rename. A crash at any moment
 * leaves the store whole, with the old or with the new passphrase.
 * @throws StoreError LOCKED, PASSPHRASE (`from` is wrong), IO
 */
export function changePassphrase(path: string, from: string | undefined, to: string | undefined): void {
  if (!existsSync(path)) throw new StoreError('IO', `${path} does not exist`)
  const db = openWithPassphrase(path, from)
  try {
    changeKey(path, to, (sql) => db.exec(sql))
  } catch (error) {
    throw storeErrorOf(error, path)
  } finally {
    db.close()
  }
}
