import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Migration, openDatabase, StoreError } from '../../src/store/index.ts'

const FIRST: Migration = { name: '1', up: 'CREATE TABLE t (a INTEGER) STRICT', down: 'DROP TABLE t' }
const SECOND: Migration = { name: '2', up: 'CREATE TABLE u (b TEXT) STRICT', down: 'DROP TABLE u' }

function fileOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'parley-store-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'a.db')
}

function failure(code: string) {
  return (error: unknown) => error instanceof StoreError && error.code === code
}

test('a store keeps what is in it, step by step of its schema, for its owner alone', async (t) => {
  const file = fileOf(t)
  const first = openDatabase({ file, migrations: [FIRST] })
  await first.transaction((db) => db.run('INSERT INTO t VALUES (?)', 7))
  assert.throws(() => openDatabase({ file, migrations: [FIRST] }), failure('LOCKED'))
  first.close()
  assert.equal(statSync(file).mode & 0o777, 0o600)

  const second = openDatabase({ file, migrations: [FIRST, SECOND] })
  assert.deepEqual(second.get('SELECT a FROM t'), { a: 7 })
  assert.deepEqual(second.all('SELECT b FROM u'), [])
  second.close()
  assert.throws(() => openDatabase({ file, migrations: [FIRST] }), failure('NEWER'))
  // A store that could not be opened is not held.
  openDatabase({ file, migrations: [FIRST, SECOND] }).close()
})

test('a store with a passphrase opens with it alone', (t) => {
  const file = fileOf(t)
  openDatabase({ file, passphrase: 'a', migrations: [FIRST] }).close()
  assert.throws(() => openDatabase({ file, passphrase: 'b', migrations: [FIRST] }), failure('PASSPHRASE'))
  assert.throws(() => openDatabase({ file, migrations: [FIRST] }), failure('PASSPHRASE'))
  openDatabase({ file, passphrase: 'a', migrations: [FIRST] }).close()
})
