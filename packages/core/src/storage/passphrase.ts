import { randomBytes, scryptSync } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { makePrivate, syncPath } from './private-file.ts'

const SALT_LENGTH = 32
const KEY_LENGTH = 32
/** 64 MiB and some 0.2 s on a server core: the engine's own derivation (4,001 rounds) is too cheap to guess against. */
const SCRYPT = { N: 65536, r: 8, p: 1, maxmem: 128 * 1024 * 1024 }
/** What a database file begins with that is not encrypted. */
const PLAIN_HEADER = Buffer.from('SQLite format 3\0')

/** A database file cannot be opened with the passphrase that was given, or without one. */
export class PassphraseError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'PassphraseError'
  }
}

/** File beside an encrypted database with the salt of its key: not secret, but needed to read the database. */
export function saltPath(path: string): string {
  return `${path}.salt`
}

/**
 * Key to open a database file with, as hexadecimal text: scrypt of the passphrase with the salt beside the file. Undefined
 * without a passphrase. The salt is made with the first key and survives changes of the passphrase, so that changing it
 * is one rename. Blocks for some 0.2 s.
 * @throws PassphraseError when the file is there and its salt is not; the system's errors
 */
export function keyToOpen(path: string, passphrase: string | undefined): string | undefined {
  if (passphrase === undefined) return undefined
  // Its size is asked of the folder: to open and close a file gives up the locks that this process has on it (POSIX).
  if (sizeOf(path) > 0 && sizeOf(saltPath(path)) === 0) {
    throw new PassphraseError(`${path} has no passphrase, or its ${saltPath(path)} is missing`)
  }
  return keyOf(path, passphrase)
}

/** What an error of the database engine says of the passphrase; undefined when it is about something else. */
export function passphraseErrorOf(error: unknown, path: string): PassphraseError | undefined {
  if (error instanceof PassphraseError) return error
  if ((error as { readonly code?: unknown } | undefined)?.code !== 'SQLITE_NOTADB') return undefined
  return new PassphraseError(`${path} cannot be read: its passphrase is missing or wrong`, { cause: error })
}

/** Whether a database that nobody in this process has open is encrypted; false when there is nothing in it. */
export function isEncrypted(path: string): boolean {
  if (sizeOf(path) === 0) return false
  const header = Buffer.alloc(PLAIN_HEADER.length)
  const file = openSync(path, 'r')
  try {
    readSync(file, header)
  } finally {
    closeSync(file)
  }
  return !header.equals(PLAIN_HEADER)
}

/**
 * Puts a copy of a database in its place that is encrypted with another passphrase, or with none: by an atomic rename, so
 * that a crash at any moment leaves the database whole, with the old or with the new passphrase.
 * @param exec runs SQL on the database, which nobody else has open
 * @throws what `exec` throws; the system's errors
 */
export function changeKey(path: string, to: string | undefined, exec: (sql: string) => void): void {
  const temporary = temporaryPath(path)
  try {
    // Without a write-ahead log the file alone is the database: no log of the old file can meet the new one.
    exec('PRAGMA journal_mode=DELETE')
    const key = to === undefined ? '' : keyOf(path, to)
    makePrivate(temporary)
    exec(`VACUUM INTO 'file:${encodeURIComponent(temporary).replaceAll("'", '%27')}?key=${key}'`)
    syncPath(temporary)
    renameSync(temporary, path)
    syncPath(dirname(path))
  } finally {
    removeHalfMade(path)
  }
}

/** Removes what a {@link changeKey} that was ended in the middle has left. */
export function removeHalfMade(path: string): void {
  rmSync(temporaryPath(path), { force: true })
}

function temporaryPath(path: string): string {
  return `${path}.rekey`
}

function keyOf(path: string, passphrase: string): string {
  const salt = readSalt(path) ?? makeSalt(path)
  return scryptSync(passphrase.normalize('NFC'), salt, KEY_LENGTH, SCRYPT).toString('hex')
}

function readSalt(path: string): Uint8Array | undefined {
  if (sizeOf(saltPath(path)) === 0) return undefined
  const salt = readFileSync(saltPath(path))
  if (salt.length !== SALT_LENGTH) throw new PassphraseError(`${saltPath(path)} is damaged`)
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
  syncPath(dirname(path))
  return salt
}

/** 0 when it is not there. */
function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}
