import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { SqliteDatabase } from '../../src/store/database.ts'
import { StoreError } from '../../src/store/store-error.ts'
import { TestFolder } from './folder.ts'

const TABLE = 'CREATE TABLE t (id INTEGER PRIMARY KEY, value BLOB) STRICT'
const SOURCE = new URL('../../src/store/database.ts', import.meta.url).href

function code(expected: string) {
  return (error: unknown) => {
    assert.ok(error instanceof StoreError, String(error))
    assert.equal(error.code, expected)
    return true
  }
}

/** Runs code in another process that has `db`, opened on `path`. */
function script(path: string, body: string): string[] {
  const text = `
    import { SqliteDatabase } from ${JSON.stringify(SOURCE)}
    const path = ${JSON.stringify(path)}
    ${body}`
  return ['--conditions=parley-source', '--input-type=module-typescript', '--eval', text]
}

describe('the database', () => {
  it('reads and writes all kinds of values', async () => {
    using folder = new TestFolder()
    const db = SqliteDatabase.open(folder.path('a.db'))
    db.exec('CREATE TABLE v (i INTEGER, t TEXT, b BLOB, n BLOB) STRICT')
    const blob = new Uint8Array([0, 1, 255])
    db.run('INSERT INTO v VALUES (?, ?, ?, ?)', 2 ** 50, 'text', blob, null)
    const row = db.get<{ i: number; t: string; b: Uint8Array; n: null }>('SELECT * FROM v')
    assert.deepEqual(row, { i: 2 ** 50, t: 'text', b: Buffer.from(blob), n: null })
    assert.equal(db.get('SELECT * FROM v WHERE i = ?', 1), undefined)
    assert.equal(db.run('DELETE FROM v'), 1)
    db.close()
  })

  it('undoes one transaction of a group alone', async () => {
    using folder = new TestFolder()
    const db = SqliteDatabase.open(folder.path('a.db'))
    db.exec(TABLE)
    const results = await Promise.allSettled(
      [1, 2, 3].map((id) =>
        db.transaction((tx) => {
          tx.run('INSERT INTO t (id) VALUES (?)', id)
          if (id === 2) throw new Error('undo me')
          return id
        }),
      ),
    )
    assert.deepEqual(
      results.map((result) => (result.status === 'fulfilled' ? result.value : result.reason.message)),
      [1, 'undo me', 3],
    )
    const rows = db.all<{ id: number }>('SELECT id FROM t')
    assert.deepEqual(
      rows.map(({ id }) => id),
      [1, 3],
    )
    db.close()
  })

  it('runs more transactions than fit a group, in order, also when they ask for others', async () => {
    using folder = new TestFolder()
    const db = SqliteDatabase.open(folder.path('a.db'))
    db.exec(TABLE)
    const order: number[] = []
    let inner: Promise<void> = Promise.resolve()
    const insert = (id: number) =>
      db.transaction((tx) => {
        tx.run('INSERT INTO t (id) VALUES (?)', id)
        order.push(id)
        if (id === 0) inner = insert(1000)
      })
    await Promise.all(Array.from({ length: 300 }, (_, id) => insert(id)))
    await inner
    assert.deepEqual(order, [...Array.from({ length: 300 }, (_, id) => id), 1000])
    assert.equal(db.get<{ n: number }>('SELECT count(*) AS n FROM t')?.n, 301)
    db.close()
  })

  it('finishes what was asked for when it is closed, and refuses the rest', async () => {
    using folder = new TestFolder()
    const path = folder.path('a.db')
    const db = SqliteDatabase.open(path)
    db.exec(TABLE)
    const pending = db.transaction((tx) => tx.run('INSERT INTO t (id) VALUES (1)'))
    db.close()
    assert.equal(await pending, 1)
    await assert.rejects(
      db.transaction(() => undefined),
      code('CLOSED'),
    )
    assert.throws(() => db.get('SELECT 1'), code('CLOSED'))
    assert.ok(!existsSync(`${path}-wal`))
    const again = SqliteDatabase.open(path)
    assert.equal(again.all('SELECT id FROM t').length, 1)
    again.close()
  })

  it('is held by one connection at a time, also of other processes', async () => {
    using folder = new TestFolder()
    const path = folder.path('a.db')
    const db = SqliteDatabase.open(path)
    assert.throws(() => SqliteDatabase.open(path), code('LOCKED'))
    const attempt = `try { SqliteDatabase.open(path) } catch (error) { process.stdout.write(error.code) }`
    assert.equal(execFileSync(process.execPath, script(path, attempt)).toString(), 'LOCKED')
    db.close()
    assert.equal(execFileSync(process.execPath, script(path, attempt)).toString(), '')
    SqliteDatabase.open(path).close()
  })

  it('keeps what was committed when its process is killed', async () => {
    using folder = new TestFolder()
    const path = folder.path('a.db')
    const body = `
      const db = SqliteDatabase.open(path)
      db.exec(${JSON.stringify(TABLE)})
      for (let id = 1; ; id++) {
        await db.transaction((tx) => tx.run('INSERT INTO t (id, value) VALUES (?, ?)', id, new Uint8Array(5000)))
        process.stdout.write(id + '\\n')
      }`
    const child = spawn(process.execPath, script(path, body), { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.on('data', (data) => {
      output += data
      if (output.split('\n').length > 50) child.kill('SIGKILL')
    })
    await once(child, 'close')
    const told = Number(output.trim().split('\n').at(-1))
    const db = SqliteDatabase.open(path)
    const stored = db.get<{ n: number; max: number }>('SELECT count(*) AS n, max(id) AS max FROM t')
    assert.ok(stored && stored.n === stored.max && stored.max >= told && told >= 50, JSON.stringify(stored))
    db.close()
  })

  it('forgets deleted content', async () => {
    using folder = new TestFolder()
    const path = folder.path('a.db')
    const db = SqliteDatabase.open(path)
    db.exec(TABLE)
    await db.transaction((tx) => tx.run('INSERT INTO t (value) VALUES (?)', Buffer.from('a needle '.repeat(50))))
    await db.transaction((tx) => tx.run('DELETE FROM t'))
    db.close()
    assert.ok(!readFileSync(path).includes('needle'))
  })
})
