import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { AgentStore } from '../../src/store/agent-store.ts'
import { SqliteDatabase } from '../../src/store/database.ts'
import { dumpSchema, type Migration, migrate, migrateDown } from '../../src/store/migrate.ts'
import { MIGRATIONS } from '../../src/store/migrations/index.ts'
import { StoreError } from '../../src/store/store-error.ts'
import { TestFolder } from './folder.ts'

const DUMP = new URL('../../src/store/agent-schema.sql', import.meta.url)

const step = (name: string): Migration => ({
  name,
  up: `CREATE TABLE ${name} (id INTEGER PRIMARY KEY) STRICT`,
  down: `DROP TABLE ${name}`,
})

function tables(db: SqliteDatabase): string[] {
  return db
    .all<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    .map((row) => row.name)
}

function open(folder: TestFolder): SqliteDatabase {
  return SqliteDatabase.open(folder.path('a.db'))
}

describe('migrations', () => {
  it('give the schema of the dump', () => {
    using folder = new TestFolder()
    const db = open(folder)
    migrate(db, MIGRATIONS)
    const schema = dumpSchema(db)
    // `PARLEY_UPDATE_SCHEMA=1 npm test` writes the dump anew after a new migration.
    if (process.env.PARLEY_UPDATE_SCHEMA) writeFileSync(DUMP, schema)
    assert.equal(schema, readFileSync(DUMP, 'utf8'))
    db.close()
  })

  it('are undone one by one, each to the schema before it, and done again', () => {
    using folder = new TestFolder()
    const db = open(folder)
    const schemas = MIGRATIONS.map((_, count) => {
      migrate(db, MIGRATIONS.slice(0, count))
      return dumpSchema(db)
    })
    migrate(db, MIGRATIONS)
    const last = dumpSchema(db)
    for (let count = MIGRATIONS.length - 1; count >= 0; count--) {
      migrateDown(db, count)
      assert.equal(dumpSchema(db), schemas[count])
    }
    migrate(db, MIGRATIONS)
    assert.equal(dumpSchema(db), last)
    db.close()
  })

  it('make strict tables with an index for every foreign key', () => {
    using folder = new TestFolder()
    const db = open(folder)
    migrate(db, MIGRATIONS)
    for (const { name, strict } of db.all<{ name: string; strict: number }>(
      "SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite_%'",
    )) {
      assert.equal(strict, 1, name)
      const indexes = db.all<{ name: string }>('SELECT name FROM pragma_index_list(?)', name)
      const leading = indexes.map((index) => {
        const columns = db.all<{ name: string }>('SELECT name FROM pragma_index_info(?) ORDER BY seqno', index.name)
        return columns.map((column) => column.name)
      })
      const keys = db.all<{ id: number; from: string }>(
        'SELECT id, "from" FROM pragma_foreign_key_list(?) ORDER BY id, seq',
        name,
      )
      for (const id of new Set(keys.map((key) => key.id))) {
        const columns = keys.filter((key) => key.id === id).map((key) => key.from)
        const found = leading.some((index) => columns.every((column, i) => index[i] === column))
        assert.ok(found, `${name} (${columns.join(', ')}) has no index`)
      }
    }
    db.close()
  })

  it('are applied as they are added', () => {
    using folder = new TestFolder()
    const db = open(folder)
    migrate(db, [step('m1')])
    migrate(db, [step('m1'), step('m2'), step('m3')])
    assert.deepEqual(tables(db), ['m1', 'm2', 'm3', 'migrations'])
    migrate(db, [step('m1'), step('m2'), step('m3')])
    db.close()
  })

  it('of a newer version are refused, or undone when that is allowed', () => {
    using folder = new TestFolder()
    const db = open(folder)
    migrate(db, [step('m1'), step('m2'), step('m3')])
    assert.throws(
      () => migrate(db, [step('m1')]),
      (error) => error instanceof StoreError && error.code === 'NEWER',
    )
    migrate(db, [step('m1')], { allowDown: true })
    assert.deepEqual(tables(db), ['m1', 'migrations'])
    db.close()
  })

  it('of another line of versions are refused', () => {
    using folder = new TestFolder()
    const db = open(folder)
    migrate(db, [step('m1'), step('m2')])
    for (const others of [
      [step('m1'), step('m3')],
      [step('m0'), step('m1'), step('m2')],
    ]) {
      assert.throws(
        () => migrate(db, others, { allowDown: true }),
        (error) => error instanceof StoreError && error.code === 'MIGRATION',
      )
    }
    assert.deepEqual(tables(db), ['m1', 'm2', 'migrations'])
    db.close()
  })

  it('that fail change nothing', () => {
    using folder = new TestFolder()
    const db = open(folder)
    const broken = { name: 'm2', up: 'CREATE TABLE m2 (id INTEGER) STRICT; CREATE TABLE m1 (id INTEGER)', down: '' }
    assert.throws(() => migrate(db, [step('m1'), broken]))
    assert.deepEqual(tables(db), ['m1', 'migrations'])
    db.close()
  })

  it('run when a store is opened', () => {
    using folder = new TestFolder()
    const path = folder.path('a.db')
    AgentStore.open({ path }).close()
    const store = AgentStore.open({ path })
    assert.deepEqual(
      store.read((db) => db.all('SELECT * FROM connections')),
      [],
    )
    store.close()
  })
})
