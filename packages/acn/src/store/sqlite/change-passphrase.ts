import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { changeKey, keyToOpen, removeHalfMade } from '@parley/core/storage'
import type Database from 'libsql'
import { StoreError, StoreLockedError } from '../store.ts'
import { openDatabaseFile, storeErrorOf, takeLock } from './database-file.ts'
import { DATABASE_FILE, LOCK_FILE } from './sqlite-acn-store.ts'

/**
 * Changes, sets (`from` undefined) or removes (`to` undefined) the passphrase of the store of a node that does not run.
 * A crash at any moment leaves the store whole, with the old or with the new passphrase. Everything here blocks.
 * @throws StoreLockedError when a node has it open; StoreError NONE, PASSPHRASE (`from` is wrong), IO
 */
export function changePassphrase(folder: string, from: string | undefined, to: string | undefined): void {
  const file = join(folder, DATABASE_FILE)
  if (!existsSync(file)) throw new StoreError('NONE', `no store in ${folder}`)
  let lock: Database.Database
  try {
    lock = takeLock(join(folder, LOCK_FILE))
  } catch (cause) {
    throw new StoreLockedError(folder, { cause })
  }
  try {
    removeHalfMade(file)
    const database = openDatabaseFile(file, keyToOpen(file, from))
    try {
      changeKey(file, to, (sql) => database.exec(sql))
    } finally {
      database.close()
    }
  } catch (error) {
    throw storeErrorOf(error, file)
  } finally {
    lock.close()
  }
}
