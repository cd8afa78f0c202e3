import type { Db } from './database.ts'

/** Entries kept for each database. */
const LIMIT = 1000

/**
 * Objects made of rows, for as long as they are used: keys take longer to import than to use. What is cached must
 * follow from the row alone, and is looked up with what the row says now, so that nothing here can be out of date.
 */
export class RowCache<Key, Value> {
  readonly #databases = new WeakMap<Db, Map<Key, { readonly source: string | Uint8Array; readonly value: Value }>>()

  /**
   * The object for `key`, made anew unless it was made of the same `source`.
   * @param source the columns that it is made of
   */
  get(db: Db, key: Key, source: string | Uint8Array, make: () => Value): Value {
    const entry = this.#databases.get(db)?.get(key)
    if (entry && isSame(entry.source, source)) return entry.value
    const value = make()
    this.set(db, key, source, value)
    return value
  }

  /** Keeps an object that was made otherwise. */
  set(db: Db, key: Key, source: string | Uint8Array, value: Value): void {
    const entries = this.#databases.get(db) ?? new Map()
    this.#databases.set(db, entries)
    entries.delete(key)
    entries.set(key, { source, value })
    if (entries.size > LIMIT) entries.delete(entries.keys().next().value)
  }
}

function isSame(a: string | Uint8Array, b: string | Uint8Array): boolean {
  if (typeof a === 'string' || typeof b === 'string') return a === b
  return Buffer.compare(a, b) === 0
}
