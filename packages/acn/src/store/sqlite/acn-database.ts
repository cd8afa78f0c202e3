import type Database from 'libsql'
import {
  type EnvelopeNumber,
  type NotDeliveredReason,
  type StoredNotDelivered,
  StoreError,
  type StoreLimits,
} from '../store.ts'
import { openDatabaseFile, schemaVersion } from './database-file.ts'
import { EnvelopeQueues } from './envelope-queues.ts'
import { Journal } from './journal.ts'
import { type Handlers, type Operation, type Outcome, READ_ONLY } from './operations.ts'
import { RegistrationTable } from './registration-table.ts'
import { MIGRATIONS } from './schema.ts'

/** Runs statements on the database file; everything here blocks, so it belongs in a thread of its own. */
export class AcnDatabase {
  readonly #database: Database.Database
  readonly #handlers: Handlers
  readonly #queues: EnvelopeQueues
  readonly #registrations: RegistrationTable
  readonly #journal: Journal

  /**
   * Opens or makes the file and brings its schema up to date.
   * @param key encryption key, absent for a file that is not encrypted
   * @throws StoreError PASSPHRASE, VERSION, IO
   */
  constructor(file: string, limits: StoreLimits, key?: string) {
    const database = openDatabaseFile(file, key)
    this.#database = database
    database.exec('PRAGMA journal_mode = WAL')
    database.exec('PRAGMA synchronous = FULL')
    database.exec('PRAGMA secure_delete = ON')
    migrate(database)
    this.#queues = new EnvelopeQueues(database, limits)
    this.#registrations = new RegistrationTable(database, limits.maxRegistrations)
    this.#journal = new Journal(database, limits)
    this.#handlers = this.#makeHandlers()
  }

  /**
   * Does all operations in order in one transaction, so that one fsync serves them all. When that fails, each is
   * tried alone: what cannot be done must not take others with it.
   */
  execute(operations: readonly Operation[]): Outcome[] {
    if (operations.every(({ name }) => READ_ONLY.has(name))) {
      return operations.map((operation) => attempt(() => this.#run(operation)))
    }
    try {
      return this.#transaction(() => operations.map((operation) => ({ answer: this.#run(operation) })))
    } catch {
      return operations.map((operation) => attempt(() => this.#transaction(() => this.#run(operation))))
    }
  }

  close(): void {
    this.#database.close()
  }

  #run({ name, ask }: Operation): unknown {
    return (this.#handlers[name] as (ask: Operation['ask']) => unknown)(ask)
  }

  #transaction<T>(action: () => T): T {
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      const result = action()
      this.#database.exec('COMMIT')
      return result
    } catch (error) {
      // After some failures (a full disk) SQLite has rolled back by itself.
      if (this.#database.inTransaction) this.#database.exec('ROLLBACK')
      this.#queues.recount()
      this.#registrations.recount()
      throw error
    }
  }

  #makeHandlers(): Handlers {
    const queues = this.#queues
    const registrations = this.#registrations
    const journal = this.#journal
    return {
      putRegistration: (registration) => registrations.put(registration),
      getRegistration: ({ address }) => registrations.get(address),
      deleteRegistration: ({ address, issuedAt }) => registrations.delete(address, issuedAt),
      listRegistrations: (query) => registrations.list(query),
      importRegistrations: ({ name, registrations: list }) => registrations.import(name, list),
      wasImported: ({ name }) => registrations.wasImported(name),
      enqueue({ envelope, seen }) {
        if (seen && journal.wasSeen(seen.scope, seen.id)) {
          return { accepted: false, reason: 'duplicate' }
        }
        const outcome = queues.enqueue(envelope)
        if (outcome.accepted && seen) journal.markSeen(seen.scope, seen.id)
        return outcome
      },
      pending: ({ to, page }) => queues.pending(to, page),
      pendingOfPair: ({ to, sender, page }) => queues.pendingOfPair(to, sender, page),
      listPairs: (page) => queues.listPairs(page),
      putBehind({ to, sender, source }) {
        queues.putBehind(to, sender, source)
        return undefined
      },
      setDeliveryState({ envelope, state }) {
        queues.setState(envelope, state)
        return undefined
      },
      delivered({ envelopes }) {
        for (const number of envelopes) queues.remove(number)
        return undefined
      },
      giveUp: ({ envelope, reason, status, at }) => this.#giveUp(envelope, reason, at, status),
      addNotDelivered: ({ entry, toReport }) =>
        toReport ? journal.addToReport(entry) : journal.addNotDelivered(entry),
      listNotDelivered: (query) => journal.listNotDelivered(query),
      unreported: ({ sender, page }) => journal.unreported(sender, page),
      reported({ number }) {
        journal.reported(number)
        return undefined
      },
      markSeen: ({ scope, id }) => journal.markSeen(scope, id),
      forgetSeen({ scope, id }) {
        journal.forgetSeen(scope, id)
        return undefined
      },
      addTrace(event) {
        journal.addTrace(event)
        return undefined
      },
      trace: ({ id }) => journal.trace(id),
      tracedOf: ({ address, limit }) => journal.tracedOf(address, limit),
      expire: ({ now, limit }) => {
        registrations.expire(now, limit)
        const numbers = queues.expired(now, limit)
        return numbers.flatMap((number) => this.#giveUp(number, 'expired', now) ?? [])
      },
      count: () => ({
        registrations: registrations.count,
        envelopes: queues.count,
        envelopeBytes: queues.bytes,
        notDelivered: journal.countNotDelivered(),
      }),
    }
  }

  #giveUp(
    number: EnvelopeNumber,
    reason: NotDeliveredReason,
    at: number,
    status?: number,
  ): StoredNotDelivered | undefined {
    const envelope = this.#queues.get(number)
    if (!envelope) return undefined
    this.#queues.remove(number)
    const { id, to, sender, attempts, receivedAt, bytes, lastStatus } = envelope
    const last = status ?? lastStatus
    const entry = { id, to, sender, reason, attempts, size: bytes.length, receivedAt, at }
    return this.#journal.addToReport(last === undefined ? entry : { ...entry, status: last })
  }
}

function attempt(action: () => unknown): Outcome {
  try {
    return { answer: action() }
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) }
  }
}

function migrate(database: Database.Database): void {
  const version = schemaVersion(database)
  if (version > MIGRATIONS.length) {
    throw new StoreError('VERSION', `the database has schema ${version}, this program knows up to ${MIGRATIONS.length}`)
  }
  for (let next = version; next < MIGRATIONS.length; next++) {
    database.exec(`BEGIN IMMEDIATE; ${MIGRATIONS[next]}; PRAGMA user_version = ${next + 1}; COMMIT`)
  }
}
