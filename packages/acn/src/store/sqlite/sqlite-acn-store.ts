import { mkdir } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { packBytes } from '@parley/core/pack-bytes'
import {
  type AcnStore,
  DEFAULT_STORE_LIMITS,
  type DeliveryState,
  type EnqueueOutcome,
  type EnvelopeNumber,
  type NewEnvelope,
  type NotDelivered,
  type NotDeliveredReason,
  type Page,
  type PairSummary,
  type PendingEnvelope,
  type Registration,
  type RegistrationKind,
  type SeenAs,
  type StoreCounts,
  type StoredNotDelivered,
  StoreError,
  type StoreLimits,
  StoreLockedError,
  type TraceEvent,
} from '../store.ts'
import type {
  FromWorker,
  FullPage,
  Operation,
  OperationName,
  Operations,
  Outcome,
  ToWorker,
  WorkerOptions,
} from './operations.ts'

/** Name of the database in the data folder. */
export const DATABASE_FILE = 'acn-node.db'
/** Name of the file whose lock says that a node works on the folder. */
export const LOCK_FILE = 'acn-node.lock'

/** Operations that one transaction takes at most: bounds how long the first of them waits for the last. */
const MAX_BATCH = 512
/** Waiting operations beyond which steps of the trace are left out. */
const MAX_QUEUED_FOR_TRACE = 4096
/** How long what nobody waits for may wait for others to share a commit with, ms. */
const SHARE_COMMIT = 50
/** MiB for what the thread has just made: batches come and go, and by default it would grow to 48 MiB. */
const YOUNG_MEMORY = 6
const DEFAULT_PAGE = 100
const MAX_PAGE = 1000

interface Waiting {
  readonly operation: Operation
  readonly isUrgent: boolean
  resolve(answer: unknown): void
  reject(error: StoreError): void
}

/**
 * {@link AcnStore} on SQLite (write-ahead log, synchronous=FULL) in a thread of its own. What is asked while the
 * thread is busy with one batch becomes the next batch: one transaction and one fsync however many senders wait.
 */
export class SqliteAcnStore implements AcnStore {
  readonly limits: StoreLimits
  readonly #worker: Worker
  readonly #queued: Waiting[] = []
  #running: Waiting[] = []
  /** Among those that are queued. */
  #urgent = 0
  #sendScheduled = false
  #laterTimer: NodeJS.Timeout | undefined
  #closing: PromiseWithResolvers<void> | undefined
  #failure: StoreError | undefined
  #droppedTraceEvents = 0

  private constructor(worker: Worker, limits: StoreLimits) {
    this.#worker = worker
    this.limits = limits
    worker.on('message', (message: FromWorker) => this.#receive(message))
    worker.on('error', (cause) => this.#fail(new StoreError('IO', 'the database thread failed', { cause })))
    worker.on('exit', () => this.#fail(new StoreError('IO', 'the database thread ended')))
  }

  /**
   * Opens the database of a data folder, making both when missing.
   * @param limits bounds that differ from {@link DEFAULT_STORE_LIMITS}
   * @param passphrase encrypts the whole file, with its salt beside it (`acn-node.db.salt`)
   * @throws StoreLockedError when another node has it open; StoreError PASSPHRASE, VERSION, IO
   */
  static async open(
    folder: string,
    limits: Partial<StoreLimits> = {},
    passphrase?: string | undefined,
  ): Promise<SqliteAcnStore> {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const options: WorkerOptions = {
      file: join(folder, DATABASE_FILE),
      lockFile: join(folder, LOCK_FILE),
      limits: { ...DEFAULT_STORE_LIMITS, ...limits },
      passphrase,
    }
    // Sources, compiled files and bundles each have the worker's file beside them, with their own extension.
    const worker = new Worker(new URL(`./acn-store-worker${extname(import.meta.url)}`, import.meta.url), {
      workerData: options,
      name: 'acn-store',
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MEMORY },
    })
    const { promise, resolve, reject } = Promise.withResolvers<FromWorker>()
    worker.once('message', resolve).once('error', reject)
    let first: FromWorker
    try {
      first = await promise
    } catch (cause) {
      throw new StoreError('IO', 'the database thread failed', { cause })
    }
    if (first.type === 'opened') return new SqliteAcnStore(worker, options.limits)
    await worker.terminate()
    if (first.type !== 'failed') throw new StoreError('IO', `the database thread said ${first.type}`)
    if (first.code === 'LOCKED') throw new StoreLockedError(folder, { cause: new Error(first.error) })
    throw new StoreError(first.code, `cannot open the database: ${first.error}`)
  }

  get droppedTraceEvents(): number {
    return this.#droppedTraceEvents
  }

  putRegistration(registration: Registration): Promise<boolean> {
    // What another peer says of an agent is told again if it is lost; an own agent waits for the answer.
    return this.#ask('putRegistration', registration, registration.kind !== 'remote')
  }

  getRegistration(address: string): Promise<Registration | undefined> {
    return this.#ask('getRegistration', { address })
  }

  deleteRegistration(address: string, issuedAt: number): Promise<boolean> {
    return this.#ask('deleteRegistration', { address, issuedAt })
  }

  listRegistrations(query: {
    readonly kind?: RegistrationKind
    readonly afterAddress?: string
    readonly limit?: number
  }): Promise<Registration[]> {
    return this.#ask('listRegistrations', { ...query, afterAddress: query.afterAddress ?? '', limit: pageLimit(query) })
  }

  importRegistrations(name: string, registrations: readonly Registration[]): Promise<number | undefined> {
    return this.#ask('importRegistrations', { name, registrations })
  }

  wasImported(name: string): Promise<boolean> {
    return this.#ask('wasImported', { name })
  }

  enqueue(envelope: NewEnvelope, { seen }: { readonly seen?: SeenAs } = {}): Promise<EnqueueOutcome> {
    return this.#ask('enqueue', seen ? { envelope, seen } : { envelope })
  }

  pending(to: string, page: Page = {}): Promise<PendingEnvelope[]> {
    return this.#ask('pending', { to, page: fullPage(page) })
  }

  pendingOfPair(to: string, sender: string, page: Page = {}): Promise<PendingEnvelope[]> {
    return this.#ask('pendingOfPair', { to, sender, page: fullPage(page) })
  }

  listPairs(page: Page = {}): Promise<(PairSummary & { readonly number: number })[]> {
    return this.#ask('listPairs', fullPage(page))
  }

  putBehind(to: string, sender: string, source: string): Promise<void> {
    return this.#ask('putBehind', { to, sender, source })
  }

  setDeliveryState(envelope: EnvelopeNumber, state: DeliveryState): Promise<void> {
    return this.#ask('setDeliveryState', { envelope, state })
  }

  delivered(envelopes: readonly EnvelopeNumber[]): Promise<void> {
    return this.#ask('delivered', { envelopes })
  }

  giveUp(
    envelope: EnvelopeNumber,
    outcome: { readonly reason: NotDeliveredReason; readonly status?: number; readonly at: number },
  ): Promise<StoredNotDelivered | undefined> {
    return this.#ask('giveUp', { ...outcome, envelope })
  }

  addNotDelivered(
    entry: NotDelivered,
    { toReport = false }: { readonly toReport?: boolean } = {},
  ): Promise<StoredNotDelivered> {
    return this.#ask('addNotDelivered', { entry, toReport })
  }

  listNotDelivered(
    query: Page & { readonly sender?: string; readonly id?: string } = {},
  ): Promise<StoredNotDelivered[]> {
    return this.#ask('listNotDelivered', { ...query, ...fullPage(query) })
  }

  unreported(sender: string, page: Page = {}): Promise<StoredNotDelivered[]> {
    return this.#ask('unreported', { sender, page: fullPage(page) })
  }

  reported(number: number): Promise<void> {
    return this.#ask('reported', { number })
  }

  markSeen(scope: string, id: string): Promise<boolean> {
    return this.#ask('markSeen', { scope, id }, false)
  }

  forgetSeen(scope: string, id: string): Promise<void> {
    return this.#ask('forgetSeen', { scope, id })
  }

  addTrace(event: TraceEvent): void {
    if (this.#queued.length >= MAX_QUEUED_FOR_TRACE) {
      this.#droppedTraceEvents++
      return
    }
    this.#ask('addTrace', event, false).catch(() => this.#droppedTraceEvents++)
  }

  trace(id: string): Promise<TraceEvent[]> {
    return this.#ask('trace', { id })
  }

  tracedOf(address: string, limit: number = DEFAULT_PAGE): Promise<string[]> {
    return this.#ask('tracedOf', { address, limit: Math.min(limit, MAX_PAGE) })
  }

  expire(now: number, limit: number = MAX_PAGE): Promise<StoredNotDelivered[]> {
    return this.#ask('expire', { now, limit })
  }

  count(): Promise<StoreCounts> {
    return this.#ask('count', {})
  }

  async close(): Promise<void> {
    if (!this.#closing) {
      this.#closing = Promise.withResolvers()
      if (this.#failure) this.#closing.resolve()
      else this.#sendBatch()
    }
    await this.#closing.promise
    await this.#worker.terminate()
  }

  #ask<N extends OperationName>(name: N, ask: Operations[N]['ask'], isUrgent = true): Promise<Operations[N]['answer']> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    if (this.#failure) reject(this.#failure)
    else if (this.#closing) reject(new StoreError('CLOSED', 'the database is closed'))
    else {
      this.#queued.push({ operation: { name, ask } as Operation, isUrgent, resolve, reject })
      if (isUrgent) this.#urgent++
      this.#scheduleBatch()
    }
    return promise as Promise<Operations[N]['answer']>
  }

  /**
   * Waits for the end of the turn, so that what one turn of the event loop asks goes together; with what nobody waits
   * for a moment longer, unless something urgent comes.
   */
  #scheduleBatch(): void {
    if (this.#sendScheduled || this.#running.length > 0) return
    if (!this.#isDue) {
      this.#laterTimer ??= setTimeout(() => this.#sendBatch(), SHARE_COMMIT)
      return
    }
    this.#sendScheduled = true
    setImmediate(() => {
      this.#sendScheduled = false
      this.#sendBatch()
    })
  }

  get #isDue(): boolean {
    return this.#urgent > 0 || this.#queued.length >= MAX_BATCH || this.#closing !== undefined
  }

  #sendBatch(): void {
    if (this.#running.length > 0 || this.#failure) return
    clearTimeout(this.#laterTimer)
    this.#laterTimer = undefined
    if (this.#queued.length === 0) {
      if (this.#closing) this.#worker.postMessage({ type: 'close' } satisfies ToWorker)
      return
    }
    this.#running = this.#queued.splice(0, MAX_BATCH)
    for (const { isUrgent } of this.#running) if (isUrgent) this.#urgent--
    const [operations, buffer] = packBytes(this.#running.map(({ operation }) => operation))
    this.#worker.postMessage({ type: 'batch', operations } satisfies ToWorker, [buffer])
  }

  #receive(message: FromWorker): void {
    if (message.type === 'closed') this.#closing?.resolve()
    if (message.type === 'outcomes') {
      const finished = this.#running
      this.#running = []
      // The database's thread must not wait for what this one does with the answers.
      if (this.#isDue) this.#sendBatch()
      else if (this.#queued.length > 0) this.#scheduleBatch()
      for (const [index, waiting] of finished.entries()) settle(waiting, message.outcomes[index])
    }
  }

  #fail(error: StoreError): void {
    this.#failure ??= error
    clearTimeout(this.#laterTimer)
    for (const waiting of [...this.#running.splice(0), ...this.#queued.splice(0)]) waiting.reject(this.#failure)
    this.#closing?.resolve()
  }
}

function settle({ resolve, reject }: Waiting, outcome: Outcome | undefined): void {
  if (!outcome) reject(new StoreError('IO', 'the database thread gave no answer'))
  else if ('error' in outcome) reject(new StoreError('IO', outcome.error))
  else resolve(outcome.answer)
}

function pageLimit({ limit = DEFAULT_PAGE }: Page): number {
  return Math.max(1, Math.min(MAX_PAGE, Math.trunc(limit)))
}

function fullPage(page: Page): FullPage {
  return { after: page.after ?? 0, limit: pageLimit(page) }
}
