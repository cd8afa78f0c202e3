import { resolve } from 'node:path'
import { makePrivate } from '@parley/core/storage'
import Libsql from 'libsql'
import { StoreError, storeErrorOf } from './store-error.ts'

/** What a column can hold or a parameter can be. */
export type SqlValue = string | number | null | Uint8Array

/** Runs SQL; what the queries of the store are written against. Parameters are those of `?` in order. */
export interface Db {
  /** The first row or undefined. */
  get<Row>(sql: string, ...parameters: readonly SqlValue[]): Row | undefined
  /** All rows. */
  all<Row>(sql: string, ...parameters: readonly SqlValue[]): Row[]
  /** Runs a statement without a result; returns how many rows changed. */
  run(sql: string, ...parameters: readonly SqlValue[]): number
}

interface PendingWork {
  readonly work: (db: Db) => unknown
  resolve(value: unknown): void
  reject(reason: unknown): void
}

/**
 * Files that this process has open. A second descriptor of a file, once closed, would give up the process's lock on
 * it (POSIX), so nobody here may open one twice.
 */
const openFiles = new Set<string>()

/** How long a transaction that has time waits for one that has none, ms. */
const LEISURE = 20

/** Most transactions that one commit carries, so that a long queue does not hold up the event loop. */
const MAX_GROUP = 64

/**
 * An SQLite database file, held by one connection of one process (`locking_mode=EXCLUSIVE`), write-ahead log,
 * `synchronous=FULL`: what a resolved {@link SqliteDatabase.transaction} wrote survives loss of power.
 */
export class SqliteDatabase implements Db {
  readonly path: string
  readonly #engine: Libsql.Database
  readonly #statements = new Map<string, Libsql.Statement>()
  #pending: PendingWork[] = []
  #scheduled = false
  #leisure: NodeJS.Timeout | undefined
  #inGroup = false
  #closed = false

  private constructor(path: string, engine: Libsql.Database) {
    this.path = path
    this.#engine = engine
  }

  /**
   * Opens or makes the file and takes the lock.
   * @param key encryption key, absent for a file that is not encrypted
   * @throws StoreError LOCKED, PASSPHRASE, IO
   */
  static open(path: string, key?: string): SqliteDatabase {
    const file = resolve(path)
    if (openFiles.has(file)) throw new StoreError('LOCKED', `${path} is in use by another agent`)
    let engine: Libsql.Database | undefined
    try {
      makePrivate(path)
      engine = new Libsql(path, { timeout: 0, ...(key !== undefined && { encryptionKey: key }) } as Libsql.Options)
      engine.exec('PRAGMA locking_mode=EXCLUSIVE')
      engine.exec('PRAGMA journal_mode=WAL')
      engine.exec('PRAGMA synchronous=FULL')
      engine.exec('PRAGMA foreign_keys=ON')
      engine.exec('PRAGMA secure_delete=ON')
      // Reading the schema finds a wrong key; a write transaction takes the lock for good.
      engine.exec('BEGIN IMMEDIATE')
      engine.prepare('SELECT count(*) FROM sqlite_master').get([])
      engine.exec('COMMIT')
      openFiles.add(file)
      return new SqliteDatabase(path, engine)
    } catch (error) {
      engine?.close()
      throw storeErrorOf(error, path)
    }
  }

  get isClosed(): boolean {
    return this.#closed
  }

  get<Row>(sql: string, ...parameters: readonly SqlValue[]): Row | undefined {
    // `get` of the engine adds its timing to the row; one row of `all` is as fast and clean.
    return this.all<Row>(sql, ...parameters)[0]
  }

  all<Row>(sql: string, ...parameters: readonly SqlValue[]): Row[] {
    const rows = this.#prepare(sql).all(parameters) as Record<string, unknown>[]
    for (const row of rows) {
      for (const name in row) {
        const value = row[name]
        if (value instanceof ArrayBuffer) row[name] = Buffer.from(value)
      }
    }
    return rows as Row[]
  }

  run(sql: string, ...parameters: readonly SqlValue[]): number {
    return this.#prepare(sql).run(parameters).changes
  }

  /** Runs statements without parameters: schema and settings only. */
  exec(sql: string): void {
    this.#checkOpen()
    this.#engine.exec(sql)
  }

  /**
   * Runs `work` in a transaction and resolves when it is on disk. Transactions asked for in the same turn of the
   * event loop share one commit (one fsync); each is undone alone when its work throws.
   * @param hasTime wait up to 20 ms for another transaction whose commit carries this one as well: for what may be lost
   *   in a crash without harm
   * @throws what `work` throws; StoreError when the commit fails: then nothing of it is stored
   */
  transaction<T>(work: (db: Db) => T, hasTime = false): Promise<T> {
    if (this.#closed) return Promise.reject(new StoreError('CLOSED', `${this.path} is closed`))
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    this.#pending.push({ work, resolve, reject })
    if (hasTime) this.#leisure ??= setTimeout(() => this.#schedule(), LEISURE)
    else this.#schedule()
    return promise as Promise<T>
  }

  /** Runs `work` in a transaction at once. For opening and closing, when nothing else runs. */
  transactionNow<T>(work: (db: Db) => T): T {
    this.#checkOpen()
    this.#engine.exec('BEGIN IMMEDIATE')
    try {
      const result = work(this)
      this.#engine.exec('COMMIT')
      return result
    } catch (error) {
      this.#rollback()
      throw error
    }
  }

  /** Finishes the transactions asked for, merges the log into the file and releases the lock. */
  close(): void {
    if (this.#closed) return
    while (this.#pending.length > 0) this.#commitGroup()
    this.#closed = true
    this.#statements.clear()
    // Prepared statements live until they are garbage collected and keep the file open so long: the lock must be
    // given back before. It is only given back outside of the write-ahead log.
    for (const sql of ['PRAGMA journal_mode=DELETE', 'PRAGMA locking_mode=NORMAL', 'BEGIN IMMEDIATE', 'COMMIT']) {
      this.#engine.exec(sql)
    }
    this.#engine.close()
    openFiles.delete(resolve(this.path))
  }

  #checkOpen(): void {
    if (this.#closed) throw new StoreError('CLOSED', `${this.path} is closed`)
  }

  #prepare(sql: string): Libsql.Statement {
    this.#checkOpen()
    let statement = this.#statements.get(sql)
    if (!statement) {
      statement = this.#engine.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }

  #schedule(): void {
    if (this.#scheduled || this.#inGroup) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      if (this.#closed) return
      this.#commitGroup()
      if (this.#pending.length > 0) this.#schedule()
    })
  }

  #commitGroup(): void {
    clearTimeout(this.#leisure)
    this.#leisure = undefined
    const group = this.#pending.splice(0, MAX_GROUP)
    if (group.length === 0) return
    const settle: (() => void)[] = []
    this.#inGroup = true
    try {
      this.#engine.exec('BEGIN IMMEDIATE')
      for (const item of group) settle.push(this.#runOne(item))
      this.#engine.exec('COMMIT')
    } catch (error) {
      this.#rollback()
      const failure = storeErrorOf(error, this.path)
      for (const { reject } of group) reject(failure)
      return
    } finally {
      this.#inGroup = false
    }
    for (const done of settle) done()
  }

  /** Runs the work of one transaction inside the group; returns how to tell its owner after the commit. */
  #runOne({ work, resolve, reject }: PendingWork): () => void {
    this.#engine.exec('SAVEPOINT one')
    let result: unknown
    try {
      result = work(this)
    } catch (error) {
      this.#engine.exec('ROLLBACK TO one')
      this.#engine.exec('RELEASE one')
      return () => reject(error)
    }
    this.#engine.exec('RELEASE one')
    return () => resolve(result)
  }

  #rollback(): void {
    try {
      this.#engine.exec('ROLLBACK')
    } catch {
      // The engine has already rolled back: nothing is left to undo.
    }
  }
}
