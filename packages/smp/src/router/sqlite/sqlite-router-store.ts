import { mkdir, open as openFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { EntityId, QueueLinkData } from '../../protocol/types.ts'
import {
  type ExpiryStep,
  type LoadedQueue,
  type MessageNumber,
  type QueueChange,
  type QueueIdKind,
  type QueueInspection,
  type QueueNumber,
  type QueueRecord,
  type RouterStore,
  type StoredLink,
  type StoredMessage,
  StoreError,
  StoreLockedError,
} from '../store.ts'
import { encodeOperations } from './operation-codec.ts'
import type {
  FromWorker,
  LinkRow,
  Operation,
  OperationName,
  Operations,
  Outcome,
  ToWorker,
  WorkerOptions,
} from './operations.ts'
import { toInspection, toLoadedQueue, toMessageRow, toQueueRow, toRowChange, toStoredMessage } from './rows.ts'

/** Name of the database in the data folder. */
export const DATABASE_FILE = 'smp-router.db'
const LOCK_FILE = 'smp-router.lock'

/** Operations that one transaction takes at most: bounds how long the first of them waits for the last. */
const MAX_BATCH = 512

/** Bytes of memory through which batches go: room for sixty of the largest messages. */
const SHARED_MEMORY = 1024 * 1024

const NO_ANSWER: Outcome = { answer: undefined }

interface Waiting {
  readonly operation: Operation
  resolve(answer: unknown): void
  reject(error: StoreError): void
}

/**
 * {@link RouterStore} on SQLite (write-ahead log, synchronous=FULL) in a thread of its own. What is asked while the
 * thread is busy with one batch becomes the next batch: one transaction and one fsync however many senders wait.
 */
export class SqliteRouterStore implements RouterStore {
  readonly nextMessageNumber: MessageNumber
  readonly #worker: Worker
  readonly #shared: Buffer
  readonly #queued: Waiting[] = []
  #running: Waiting[] = []
  #sendScheduled = false
  #closing: PromiseWithResolvers<void> | undefined
  #failure: StoreError | undefined

  private constructor(worker: Worker, shared: SharedArrayBuffer, nextMessageNumber: MessageNumber) {
    this.#worker = worker
    this.#shared = Buffer.from(shared)
    this.nextMessageNumber = nextMessageNumber
    worker.on('message', (message: FromWorker) => this.#receive(message))
    worker.on('error', (cause) => this.#fail(new StoreError('the database thread failed', { cause })))
    worker.on('exit', () => this.#fail(new StoreError('the database thread ended')))
  }

  /**
   * Opens the database of a data folder, making both when missing.
   * @throws StoreLockedError when another router has it open; StoreError when it cannot be read
   */
  static async open(folder: string): Promise<SqliteRouterStore> {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    // The database holds secrets of queues; SQLite gives the files beside it the same mode.
    await (await openFile(join(folder, DATABASE_FILE), 'a', 0o600)).close()
    const shared = new SharedArrayBuffer(SHARED_MEMORY)
    const options: WorkerOptions = { file: join(folder, DATABASE_FILE), lockFile: join(folder, LOCK_FILE), shared }
    // Sources, compiled files and bundles each have the worker's file beside them, with their own extension.
    const worker = new Worker(new URL(`./router-store-worker${extname(import.meta.url)}`, import.meta.url), {
      workerData: options,
      name: 'router-store',
    })
    const { promise, resolve, reject } = Promise.withResolvers<FromWorker>()
    worker.once('message', resolve).once('error', reject)
    let first: FromWorker
    try {
      first = await promise
    } catch (cause) {
      throw new StoreError('the database thread failed', { cause })
    }
    if (first.type === 'opened') return new SqliteRouterStore(worker, shared, first.nextMessageNumber)
    await worker.terminate()
    if (first.type === 'failed' && first.locked) throw new StoreLockedError(folder, { cause: new Error(first.error) })
    throw new StoreError(`cannot open the database: ${first.type === 'failed' ? first.error : first.type}`)
  }

  async getQueues(kind: QueueIdKind, ids: readonly EntityId[]): Promise<(LoadedQueue | undefined)[]> {
    const rows = await this.#ask('getQueues', { kind, ids: [...ids] })
    return rows.map((row) => row && toLoadedQueue(row))
  }

  addQueue(record: QueueRecord, link?: StoredLink): Promise<QueueNumber | undefined> {
    return this.#ask('addQueue', { row: toQueueRow(record), link: link && linkRow(link) })
  }

  updateQueue(queue: QueueNumber, change: QueueChange): Promise<void> {
    return this.#ask('updateQueue', { queue, change: toRowChange(change) })
  }

  setLink(queue: QueueNumber, link: StoredLink): Promise<boolean> {
    return this.#ask('setLink', { queue, link: linkRow(link) })
  }

  deleteLink(queue: QueueNumber): Promise<void> {
    return this.#ask('deleteLink', { queue })
  }

  deleteQueue(queue: QueueNumber): Promise<void> {
    return this.#ask('deleteQueue', { queue })
  }

  getLinkData(queue: QueueNumber): Promise<QueueLinkData | undefined> {
    return this.#ask('getLinkData', { queue })
  }

  addMessage(queue: QueueNumber, message: StoredMessage): Promise<void> {
    return this.#ask('addMessage', { queue, message: toMessageRow(message) })
  }

  deleteMessages(messages: readonly MessageNumber[]): Promise<void> {
    return this.#ask('deleteMessages', { messages })
  }

  async getMessage(message: MessageNumber): Promise<StoredMessage | undefined> {
    const row = await this.#ask('getMessage', { message })
    return row && toStoredMessage(row)
  }

  expireMessages(before: number, from: MessageNumber, limit: number): Promise<ExpiryStep> {
    return this.#ask('expireMessages', { before, from, limit })
  }

  async inspectQueues(limit: number): Promise<QueueInspection[]> {
    return (await this.#ask('inspectQueues', { limit })).map(toInspection)
  }

  count(): Promise<{ queues: number; messages: number }> {
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

  #ask<N extends OperationName>(name: N, ask: Operations[N]['ask']): Promise<Operations[N]['answer']> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    if (this.#failure) reject(this.#failure)
    else if (this.#closing) reject(new StoreError('the database is closed'))
    else {
      this.#queued.push({ operation: { name, ask } as Operation, resolve, reject })
      this.#scheduleBatch()
    }
    return promise as Promise<Operations[N]['answer']>
  }

  /** Waits for the end of the turn, so that what one turn of the event loop asks goes together. */
  #scheduleBatch(): void {
    if (this.#sendScheduled || this.#running.length > 0) return
    this.#sendScheduled = true
    setImmediate(() => {
      this.#sendScheduled = false
      this.#sendBatch()
    })
  }

  #sendBatch(): void {
    if (this.#running.length > 0 || this.#failure) return
    if (this.#queued.length === 0) {
      if (this.#closing) this.#worker.postMessage({ type: 'close' } satisfies ToWorker)
      return
    }
    this.#running = this.#queued.splice(0, MAX_BATCH)
    try {
      // The worker is not at work, so the shared memory is free.
      const batch = this.#running.map(({ operation }) => operation)
      const operations = encodeOperations(batch, this.#shared)
      const transfer = typeof operations === 'number' ? [] : [operations.buffer]
      this.#worker.postMessage({ type: 'batch', operations } satisfies ToWorker, transfer)
    } catch (cause) {
      const error = new StoreError('an operation cannot be given to the database', { cause })
      for (const { reject } of this.#running.splice(0)) reject(error)
      this.#sendBatch()
    }
  }

  #receive(message: FromWorker): void {
    if (message.type === 'closed') this.#closing?.resolve()
    if (message.type === 'outcomes') {
      const finished = this.#running
      this.#running = []
      // The database's thread must not wait for what this one does with the answers.
      this.#sendBatch()
      const { outcomes } = message
      for (const [index, waiting] of finished.entries()) settle(waiting, outcomes ? outcomes[index] : NO_ANSWER)
    }
  }

  #fail(error: StoreError): void {
    this.#failure ??= error
    for (const waiting of [...this.#running.splice(0), ...this.#queued.splice(0)]) waiting.reject(this.#failure)
    this.#closing?.resolve()
  }
}

function settle({ resolve, reject }: Waiting, outcome: Outcome | undefined): void {
  if (!outcome) reject(new StoreError('the database thread gave no answer'))
  else if ('error' in outcome) reject(new StoreError(outcome.error))
  else resolve(outcome.answer)
}

function linkRow({ linkId, data: { fixed, user } }: StoredLink): LinkRow {
  return { linkId, fixed, user }
}
