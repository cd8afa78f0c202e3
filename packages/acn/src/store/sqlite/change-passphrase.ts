import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { changeKey, keyToOpen, removeHalfMade, takeLock } from '@parley/core/storage'
import Database from 'libsql'
import { StoreError, StoreLockedError } from '../store.ts'
import { openDatabaseFile, storeErrorOf } from './database-file.ts'
import { DATABASE_FILE, LOCK_FILE } from './sqlite-acn-store.ts'

/**
 * Whether a passphrase, or none, opens the store of a node, running or not. Blocks.
 * @throws StoreError NONE, IO
 */
export function opensWith(folder: string, passphrase: string | undefined): boolean {
  const file = fileIn(folder)
  try {
    openDatabaseFile(file, keyToOpen(file, passphrase), { readonly: true }).close()
    return true
  } catch (error) {
    const reason = storeErrorOf(error, file)
    if (reason.code === 'PASSPHRASE') return false
    throw reason
  }
}

/**
 * Changes, sets (`from` undefined) or removes (`to` undefined) the passphrase of the store of a node that does not run.
 * A crash at any moment leaves the store whole, with the old or with the new passphrase. Everything here blocks.
 * @throws StoreLockedError when a node has it open; StoreError NONE, PASSPHRASE (`from` is wrong), IO
 */
export function changePassphrase(folder: string, from: string | undefined, to: string | undefined): void {
  const file = fileIn(folder)
  let lock: Database.Database
  try {
    lock = takeLock(Database, join(folder, LOCK_FILE))
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

function fileIn(folder: string): string {
  const file = join(folder, DATABASE_FILE)
  if (!existsSync(file)) throw new StoreError('NONE', `no store in ${folder}`)
  return file
}
