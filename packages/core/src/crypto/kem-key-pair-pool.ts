import { Worker } from 'node:worker_threads'
import { CryptoError } from './crypto-error.ts'
import { type KemKeyPair, sntrup761ModuleUrl } from './sntrup761.ts'

/**
 * The worker, as text: so it needs no file beside this one and runs alike from sources, from `dist` and from a program
 * bundled into one file. One message in, one key pair out.
 */
const WORKER = `
const { parentPort, workerData } = require('node:worker_threads')
// On Linux a priority is that of the thread which asks: the event loop goes first.
if (process.platform === 'linux') try { require('node:os').setPriority(5) } catch {}
import(workerData)
  .then(({ createSntrup761 }) => createSntrup761())
  .then((kem) => {
    parentPort.on('message', () => {
      const { publicKey, secretKey } = kem.generateKeyPair()
      parentPort.postMessage({ publicKey, secretKey }, [publicKey.buffer, secretKey.buffer])
    })
  })
`

/**
 * While more than half of the pairs are there, new ones are made this much later, ms: not while the work is still going on
 * for which one was taken.
 */
const REFILL_DELAY = 30

/** Settings of a {@link KemKeyPairPool}. */
export interface KemKeyPairPoolOptions {
  /** Key pairs kept ready. */
  readonly size: number
}

interface Waiter {
  resolve(pair: KemKeyPair): void
  reject(reason: unknown): void
}

/**
 * Key pairs of sntrup761, made ahead in a thread of their own, because one takes 20 ms. The thread is started by the
 * first {@link take} and keeps the process alive only while somebody waits for a pair.
 */
export class KemKeyPairPool {
  readonly #size: number
  readonly #ready: KemKeyPair[] = []
  readonly #waiters = new Set<Waiter>()
  #worker: Worker | undefined
  #refilling: NodeJS.Timeout | undefined
  /** Pairs that the worker was asked for and has not made yet. */
  #ordered = 0
  #closed = false

  constructor({ size }: KemKeyPairPoolOptions) {
    if (!Number.isInteger(size) || size < 1) throw new RangeError('size must be a positive integer')
    this.#size = size
  }

  /** Number of pairs that can be taken without waiting. */
  get ready(): number {
    return this.#ready.length
  }

  /**
   * A key pair that nobody else gets.
   * @throws CryptoError KEM when the pool is or becomes closed or the thread fails; the signal's reason when it aborts
   */
  async take(signal?: AbortSignal): Promise<KemKeyPair> {
    signal?.throwIfAborted()
    if (this.#closed) throw new CryptoError('KEM', 'pool of key pairs is closed')
    const pair = this.#ready.shift()
    const waiting = pair ? undefined : this.#wait(signal)
    this.refill()
    return pair ?? (waiting as Promise<KemKeyPair>)
  }

  /**
   * A pair that is ready, undefined when there is none. Nothing is made in its place before {@link refill}, so that one
   * that turns out not to be needed can go back.
   */
  takeReady(): KemKeyPair | undefined {
    return this.#ready.shift()
  }

  /** Has pairs made in place of those that were used, soon. */
  refill(): void {
    if (this.#closed) return
    if (this.#worker && this.#ready.length > this.#size / 2) {
      this.#refilling ??= setTimeout(() => this.#order(), REFILL_DELAY).unref()
    } else this.#order()
  }

  /** Puts back a pair that was taken and neither sent nor stored; it is forgotten when the pool is full. */
  giveBack(pair: KemKeyPair): void {
    if (!this.#closed) this.#supply(pair)
  }

  /** Stops the thread and forgets the pairs. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#refilling)
    this.#ready.length = 0
    const worker = this.#worker
    this.#fail(new CryptoError('KEM', 'pool of key pairs is closed'))
    await worker?.terminate()
  }

  #wait(signal: AbortSignal | undefined): Promise<KemKeyPair> {
    const { promise, resolve, reject } = Promise.withResolvers<KemKeyPair>()
    const settle = () => {
      this.#waiters.delete(waiter)
      signal?.removeEventListener('abort', abort)
      if (this.#waiters.size === 0) this.#worker?.unref()
    }
    const waiter: Waiter = {
      resolve(pair) {
        settle()
        resolve(pair)
      },
      reject(reason) {
        settle()
        reject(reason)
      },
    }
    const abort = () => waiter.reject(signal?.reason)
    this.#waiters.add(waiter)
    signal?.addEventListener('abort', abort, { once: true })
    return promise
  }

  /** Asks for as many pairs as are missing to serve those who wait and to be full. */
  #order(): void {
    clearTimeout(this.#refilling)
    this.#refilling = undefined
    let missing = this.#waiters.size + this.#size - this.#ready.length - this.#ordered
    if (missing <= 0 && this.#waiters.size === 0) return
    this.#worker ??= this.#start()
    if (this.#waiters.size > 0) this.#worker.ref()
    for (; missing > 0; missing--) {
      this.#ordered++
      this.#worker.postMessage(null)
    }
  }

  #start(): Worker {
    // Options of the parent, such as a test runner's, are none of the worker's.
    const worker = new Worker(WORKER, { eval: true, execArgv: [], workerData: sntrup761ModuleUrl() })
    worker.unref()
    worker.on('message', (pair: KemKeyPair) => {
      if (worker !== this.#worker) return
      this.#ordered--
      this.#supply(pair)
    })
    const failed = (cause?: unknown) => {
      if (worker === this.#worker) this.#fail(new CryptoError('KEM', 'thread that makes key pairs failed', { cause }))
    }
    worker.on('error', failed)
    worker.on('exit', () => failed())
    return worker
  }

  #supply(pair: KemKeyPair): void {
    const [waiter] = this.#waiters
    if (waiter) waiter.resolve(pair)
    else if (this.#ready.length < this.#size) this.#ready.push(pair)
  }

  /** Gives up on the thread; the next `take` that finds no pair starts another. */
  #fail(error: CryptoError): void {
    this.#worker = undefined
    this.#ordered = 0
    for (const waiter of this.#waiters) waiter.reject(error)
  }
}
