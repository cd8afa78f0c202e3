import assert from 'node:assert/strict'
import { scryptSync } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  changeKey,
  isEncrypted,
  keyToOpen,
  makePrivate,
  PassphraseError,
  passphraseErrorOf,
  removeHalfMade,
  saltPath,
} from '@parley/core/storage'

function fileIn(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'parley-storage-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, "it's a store.db")
}

test('a key is scrypt of the passphrase with a salt that is made once', (t) => {
  const file = fileIn(t)
  assert.equal(keyToOpen(file, undefined), undefined)
  assert.ok(!existsSync(saltPath(file)))
  const key = keyToOpen(file, 'caf\u00e9')
  const salt = readFileSync(saltPath(file))
  assert.deepEqual([salt.length, statSync(saltPath(file)).mode & 0o777], [32, 0o600])
  const cost = { N: 65536, r: 8, p: 1, maxmem: 2 ** 27 }
  assert.equal(key, scryptSync(Buffer.from('636166c3a9', 'hex'), salt, 32, cost).toString('hex'))
  assert.equal(keyToOpen(file, 'cafe\u0301'), key)
  assert.notEqual(keyToOpen(file, 'another'), key)
  assert.deepEqual(readFileSync(saltPath(file)), salt)
})

test('a database without its salt has no key, one in which there is nothing yet gets a salt', (t) => {
  const file = fileIn(t)
  makePrivate(file)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.equal(keyToOpen(file, 'any')?.length, 64)
  writeFileSync(file, 'something')
  makePrivate(file)
  assert.equal(readFileSync(file, 'utf8'), 'something')
  writeFileSync(saltPath(file), 'short')
  assert.throws(() => keyToOpen(file, 'any'), PassphraseError)
  rmSync(saltPath(file))
  assert.throws(() => keyToOpen(file, 'any'), PassphraseError)
  assert.ok(!existsSync(saltPath(file)))
})

test('whether a database is encrypted is seen by its header', (t) => {
  const file = fileIn(t)
  assert.equal(isEncrypted(file), false)
  makePrivate(file)
  assert.equal(isEncrypted(file), false)
  writeFileSync(file, 'SQLite format 3\0 and more')
  assert.equal(isEncrypted(file), false)
  writeFileSync(file, 'anything else')
  assert.equal(isEncrypted(file), true)
})

test('a change that fails leaves the database and nothing half made', (t) => {
  const file = fileIn(t)
  writeFileSync(file, 'old')
  const asked: string[] = []
  const fail = (sql: string) => {
    asked.push(sql)
    if (sql.startsWith('VACUUM')) throw new Error('disk full')
  }
  assert.throws(() => changeKey(file, undefined, fail), /disk full/)
  assert.equal(asked[0], 'PRAGMA journal_mode=DELETE')
  assert.match(asked[1] ?? '', /^VACUUM INTO 'file:[^']*it%27s%20a%20store\.db\.rekey\?key='$/)
  assert.deepEqual(readdirSync(join(file, '..')), ["it's a store.db"])
  assert.equal(readFileSync(file, 'utf8'), 'old')
  writeFileSync(`${file}.rekey`, 'half')
  removeHalfMade(file)
  assert.ok(!existsSync(`${file}.rekey`))
})

test('what the engine says of a wrong key is about the passphrase, other failures are not', () => {
  const wrong = Object.assign(new Error('file is not a database'), { code: 'SQLITE_NOTADB' })
  assert.ok(passphraseErrorOf(wrong, 'a.db') instanceof PassphraseError)
  for (const other of [Object.assign(new Error('busy'), { code: 'SQLITE_BUSY' }), undefined, 'text']) {
    assert.equal(passphraseErrorOf(other, 'a.db'), undefined)
  }
})
