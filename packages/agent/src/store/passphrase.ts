import { randomBytes, scryptSync } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { makePrivate, SqliteDatabase } from './database.ts'
import { StoreError, storeErrorOf } from './store-error.ts'

const SALT_LENGTH = 32
const KEY_LENGTH = 32
/** 64 MiB and some 0.2 s on a server core: the engine's own derivation (4,001 rounds) is too cheap to guess against. */
const SCRYPT = { N: 65536, r: 8, p: 1, maxmem: 128 * 1024 * 1024 }

/** File beside an encrypted store with the salt of its key: not secret, but needed to read the store. */
export function saltPath(path: string): string {
  return `${path}.salt`
}

/**
 * Key of the database file for a passphrase: scrypt with the salt beside the store, as hexadecimal text.
 * The salt is made once and survives changes of the passphrase, so that changing it is one rename.
 */
export function storeKey(path: string, passphrase: string): string {
  const salt = readSalt(path) ?? makeSalt(path)
  return scryptSync(passphrase.normalize('NFC'), salt, KEY_LENGTH, SCRYPT).toString('hex')
}

/**
 * Opens the database file of a store with its passphrase.
 * @throws StoreError LOCKED, PASSPHRASE, IO
 */
export function openWithPassphrase(path: string, passphrase: string | undefined): SqliteDatabase {
  try {
    return openFile(path, passphrase)
  } catch (error) {
    throw storeErrorOf(error, path)
  }
}

function openFile(path: string, passphrase: string | undefined): SqliteDatabase {
  rmSync(temporaryPath(path), { force: true })
  if (passphrase === undefined) return SqliteDatabase.open(path)
  if (existsSync(path) && !existsSync(saltPath(path))) {
    throw new StoreError('PASSPHRASE', `${path} has no passphrase, or its ${saltPath(path)} is missing`)
  }
  return SqliteDatabase.open(path, storeKey(path, passphrase))
}

/**
 * Changes, sets (`from` undefined) or removes (`to` undefined) the passphrase of a store that no agent has open:
 * exports it into a new file, which then takes the place of the old one by an atomic rename. A crash at any moment
 * leaves the store whole, with the old or with the new passphrase.
 * @throws StoreError LOCKED, PASSPHRASE (`from` is wrong), IO
 */
export function changePassphrase(path: string, from: string | undefined, to: string | undefined): void {
  if (!existsSync(path)) throw new StoreError('IO', `${path} does not exist`)
  const temporary = temporaryPath(path)
  const db = openWithPassphrase(path, from)
  try {
    // Without a write-ahead log the file alone is the store: no log of the old file can meet the new one.
    db.exec('PRAGMA journal_mode=DELETE')
    const key = to === undefined ? '' : storeKey(path, to)
    makePrivate(temporary)
    db.exec(`VACUUM INTO 'file:${encodeURIComponent(temporary).replaceAll("'", '%27')}?key=${key}'`)
    syncFile(temporary)
    renameSync(temporary, path)
    syncFile(dirname(path))
  } catch (error) {
    throw storeErrorOf(error, path)
  } finally {
    db.close()
    rmSync(temporary, { force: true })
  }
}

function temporaryPath(path: string): string {
  return `${path}.rekey`
}

function readSalt(path: string): Uint8Array | undefined {
  if (!existsSync(saltPath(path))) return undefined
  const salt = readFileSync(saltPath(path))
  if (salt.length !== SALT_LENGTH) throw new StoreError('PASSPHRASE', `${saltPath(path)} is damaged`)
  return salt
}

function makeSalt(path: string): Uint8Array {
  const salt = randomBytes(SALT_LENGTH)
  const temporary = `${saltPath(path)}.new`
  const file = openSync(temporary, 'w', 0o600)
  try {
    writeSync(file, salt)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(temporary, saltPath(path))
  syncFile(dirname(path))
  return salt
}

function syncFile(path: string): void {
  const file = openSync(path, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}
