import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { saltPath } from '@parley/core/storage'
import { SqliteDatabase } from '../../src/store/database.ts'
import { changePassphrase, openWithPassphrase } from '../../src/store/passphrase.ts'
import { StoreError } from '../../src/store/store-error.ts'
import { TestFolder } from './folder.ts'

const NEEDLE = 'a needle that nobody may find'
const SOURCE = new URL('../../src/store/passphrase.ts', import.meta.url).href

function makeStore(path: string, passphrase: string | undefined): void {
  const db = openWithPassphrase(path, passphrase)
  db.exec('CREATE TABLE t (text TEXT) STRICT')
  for (let i = 0; i < 200; i++) db.run('INSERT INTO t VALUES (?)', `${NEEDLE} ${i}`)
  db.close()
}

function readStore(path: string, passphrase: string | undefined): number {
  const db = openWithPassphrase(path, passphrase)
  try {
    return db.all('SELECT text FROM t').length
  } finally {
    db.close()
  }
}

function isPassphraseError(error: unknown): boolean {
  assert.ok(error instanceof StoreError, String(error))
  assert.equal(error.code, 'PASSPHRASE')
  return true
}

describe('a passphrase', () => {
  it('encrypts the whole file and its log', () => {
    using folder = new TestFolder()
    const path = folder.path('a.db')
    const db = openWithPassphrase(path, 'correct horse')
    db.exec('CREATE TABLE t (text TEXT) STRICT')
    for (let i = 0; i < 200; i++) db.run('INSERT INTO t VALUES (?)', `${NEEDLE} ${i}`)
    for (const file of [path, `${path}-wal`]) assert.ok(!readFileSync(file).includes('needle'), file)
    db.close()
    assert.ok(!readFileSync(path).includes('needle'))
    assert.ok(!readFileSync(path).includes('SQLite'))
    assert.equal(readStore(path, 'correct horse'), 200)
  })

  it('must be the right one', () => {
    using folder = new TestFolder()
    const path = folder.path('a.db')
    makeStore(path, 'correct horse')
    for (const wrong of ['wrong', '', undefined]) assert.throws(() => readStore(path, wrong), isPassphraseError)
    rmSync(saltPath(path))
    assert.throws(() => readStore(path, 'correct horse'), isPassphraseError)
    const plain = folder.path('plain.db')
    makeStore(plain, undefined)
    assert.throws(() => readStore(plain, 'any'), isPassphraseError)
    assert.equal(readStore(plain, undefined), 200)
  })

  it('can be written in either Unicode form', () => {
    using folder = new TestFolder()
    const path = folder.path('a.db')
    makeStore(path, 'caf\u00e9')
    assert.equal(readStore(path, 'cafe\u0301'), 200)
  })

  it('is set, changed and removed', () => {
    using folder = new TestFolder()
    const path = folder.path("it's a store.db")
    makeStore(path, undefined)
    const steps = [undefined, 'first', 'second', undefined, 'third']
    for (const [index, to] of steps.slice(1).entries()) {
      const from = steps[index]
      changePassphrase(path, from, to)
      assert.throws(() => readStore(path, from), isPassphraseError)
      assert.equal(readStore(path, to), 200)
      assert.equal(readFileSync(path).includes('needle'), to === undefined)
      assert.ok(!existsSync(`${path}.rekey`))
    }
  })

  it('is not changed with a wrong one, nor while the store is in use', () => {
    using folder = new TestFolder()
    const path = folder.path('a.db')
    makeStore(path, 'first')
    assert.throws(() => changePassphrase(path, 'wrong', 'second'), isPassphraseError)
    const db = openWithPassphrase(path, 'first')
    assert.throws(
      () => changePassphrase(path, 'first', 'second'),
      (error) => error instanceof StoreError && error.code === 'LOCKED',
    )
    db.close()
    assert.equal(readStore(path, 'first'), 200)
    assert.throws(
      () => changePassphrase(folder.path('none.db'), undefined, 'x'),
      (error) => error instanceof StoreError && error.code === 'IO',
    )
    assert.ok(!existsSync(folder.path('none.db')))
  })

  it('is the old or the new one, and the store whole, whenever the change is killed', async () => {
    using folder = new TestFolder()
    const original = folder.path('original.db')
    makeStore(original, 'old')
    const path = folder.path('a.db')
    const text = `
      import { changePassphrase } from ${JSON.stringify(SOURCE)}
      process.stdout.write('ready')
      changePassphrase(${JSON.stringify(path)}, 'old', 'new')
      process.stdout.write('done')`
    const args = ['--conditions=parley-source', '--input-type=module-typescript', '--eval', text]
    const outcomes = new Set<string>()
    // Key derivation takes most of the time: the delays cover the whole of it.
    for (const delay of [0, 200, 300, 400, 500, 700, 2000]) {
      copyFileSync(original, path)
      copyFileSync(saltPath(original), saltPath(path))
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
      await once(child.stdout, 'data')
      const timer = setTimeout(() => child.kill('SIGKILL'), delay)
      await once(child, 'close')
      clearTimeout(timer)
      const passphrase = ['old', 'new'].find((candidate) => {
        try {
          return readStore(path, candidate) === 200
        } catch (error) {
          return !isPassphraseError(error)
        }
      })
      assert.ok(passphrase, `after ${delay} ms`)
      outcomes.add(passphrase)
      assert.ok(!existsSync(`${path}.rekey`))
    }
    assert.ok(outcomes.has('old'))
  })

  it('leaves no half-made file behind', () => {
    using folder = new TestFolder()
    const path = folder.path('a.db')
    makeStore(path, 'first')
    writeFileSync(`${path}.rekey`, 'half of a store')
    assert.equal(readStore(path, 'first'), 200)
    assert.ok(!existsSync(`${path}.rekey`))
    SqliteDatabase.open(folder.path('b.db')).close()
  })
})
