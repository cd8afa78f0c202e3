import type { SqliteDatabase } from './database.ts'
import { StoreError } from './store-error.ts'

/** One step of the schema, forwards and backwards. */
export interface Migration {
  /** Sorts after the names of all earlier ones. */
  readonly name: string
  /** SQL without parameters. */
  readonly up: string
  /** SQL that undoes `up`. It is kept in the store, so that an older program can go back without knowing it. */
  readonly down: string
}

/** How a schema is brought up to date. */
export interface MigrateOptions {
  readonly allowDown?: boolean
  /** Default `migrations`. */
  readonly table?: MigrationsTable
}

interface AppliedMigration {
  readonly name: string
  readonly down: string
}

/** Where applied steps are recorded: an agent's own, and those of the application that keeps its tables beside. */
export type MigrationsTable = 'migrations' | 'application_migrations'

/**
 * Brings the schema to the last of `migrations`, each step in a transaction of its own with its record.
 * @param options.allowDown undo steps that only a newer program knows; otherwise they are an error
 * @throws StoreError NEWER when the store has later steps and `allowDown` is not set;
 * MIGRATION when the store and the program have different steps in the middle
 */
export function migrate(
  db: SqliteDatabase,
  migrations: readonly Migration[],
  { allowDown = false, table = 'migrations' }: MigrateOptions = {},
): void {
  db.exec(`CREATE TABLE IF NOT EXISTS ${table} (
  name TEXT NOT NULL PRIMARY KEY,
  down TEXT NOT NULL,
  applied_at INTEGER NOT NULL
) STRICT`)
  const applied = appliedMigrations(db, table)
  const common = applied.findIndex(({ name }, i) => migrations[i]?.name !== name)
  const surplus = common === -1 ? [] : applied.slice(common)
  if (surplus.length > 0) {
    if (common < migrations.length) throw new StoreError('MIGRATION', `${db.path}: schema of another line of versions`)
    if (!allowDown) throw new StoreError('NEWER', `${db.path} was written by a newer version`)
    for (const step of surplus.reverse()) applyDown(db, step, table)
  }
  for (const step of migrations.slice(applied.length - surplus.length)) applyUp(db, step, table)
}

/** Undoes all steps after the first `count`. */
export function migrateDown(db: SqliteDatabase, count: number): void {
  for (const step of appliedMigrations(db, 'migrations').slice(count).reverse()) applyDown(db, step, 'migrations')
}

/** SQL of the whole schema in a fixed order, for the dump under test. */
export function dumpSchema(db: SqliteDatabase): string {
  const objects = db.all<{ sql: string }>(
    `SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY tbl_name, type DESC, name`,
  )
  return objects.map(({ sql }) => `${sql};\n`).join('')
}

function appliedMigrations(db: SqliteDatabase, table: MigrationsTable): AppliedMigration[] {
  return db.all<AppliedMigration>(`SELECT name, down FROM ${table} ORDER BY name`)
}

function applyUp(db: SqliteDatabase, { name, up, down }: Migration, table: MigrationsTable): void {
  db.transactionNow(() => {
    db.exec(up)
    db.run(`INSERT INTO ${table} (name, down, applied_at) VALUES (?, ?, ?)`, name, down, Date.now())
  })
}

function applyDown(db: SqliteDatabase, { name, down }: AppliedMigration, table: MigrationsTable): void {
  db.transactionNow(() => {
    db.exec(down)
    db.run(`DELETE FROM ${table} WHERE name = ?`, name)
  })
}
