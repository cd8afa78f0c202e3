import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { keyToOpen } from '@parley/core/storage'
import type Database from 'libsql'
import {
  DEFAULT_STORE_LIMITS,
  type EnvelopeId,
  type Page,
  type StoredNotDelivered,
  StoreError,
  type TraceEvent,
} from '../store.ts'
import { openDatabaseFile, schemaVersion, storeErrorOf } from './database-file.ts'
import { Journal } from './journal.ts'
import { MIGRATIONS } from './schema.ts'
import { DATABASE_FILE } from './sqlite-acn-store.ts'

const MAX_PAGE = 1000

/**
 * Reads what happened from the store of a node that may be running: for `parley acn trace`. Everything here blocks;
 * it is for commands, not for nodes.
 */
export class AcnStoreReader {
  readonly #database: Database.Database
  readonly #journal: Journal

  /**
   * @param passphrase that of the node, when it has one
   * @throws StoreError NONE, PASSPHRASE, VERSION (the store is not of this program's version), IO
   */
  constructor(folder: string, passphrase?: string) {
    const file = join(folder, DATABASE_FILE)
    if (!existsSync(file)) throw new StoreError('NONE', `no store in ${folder}`)
    try {
      this.#database = openDatabaseFile(file, keyToOpen(file, passphrase), { readonly: true })
    } catch (error) {
      throw storeErrorOf(error, file)
    }
    if (schemaVersion(this.#database) !== MIGRATIONS.length) {
      this.#database.close()
      throw new StoreError('VERSION', `the store in ${folder} is of another version`)
    }
    this.#journal = new Journal(this.#database, DEFAULT_STORE_LIMITS)
  }

  /** The steps of an envelope's way, in order. */
  trace(id: EnvelopeId): TraceEvent[] {
    return this.#journal.trace(id)
  }

  /** Ids of envelopes from or for an address, the newest first. */
  tracedOf(address: string, limit: number = MAX_PAGE): EnvelopeId[] {
    return this.#journal.tracedOf(address, limit)
  }

  /** Not-delivered records, oldest first. */
  listNotDelivered(query: Page & { readonly sender?: string; readonly id?: EnvelopeId } = {}): StoredNotDelivered[] {
    return this.#journal.listNotDelivered({ ...query, after: query.after ?? 0, limit: query.limit ?? MAX_PAGE })
  }

  close(): void {
    this.#database.close()
  }
}
