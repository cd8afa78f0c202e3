/** Thrown by {@link BoundedQueue.put} after the queue was closed. */
export class QueueClosedError extends Error {
  constructor() {
    super('queue is closed')
    this.name = 'QueueClosedError'
  }
}

interface Waiter<T> {
  resolve(value: T): void
  reject(reason: unknown): void
}

/**
 * First-in first-out queue between two components: `put` waits while it is full, `take` while it is empty.
 * The only way in which one component waits for another (design rule 3), so that back-pressure reaches the socket.
 */
export class BoundedQueue<T> implements AsyncIterable<T> {
  /** Number of items held before `put` waits. */
  readonly capacity: number
  readonly #items: T[] = []
  readonly #takers = new Set<Waiter<T | undefined>>()
  readonly #putters = new Set<Waiter<void> & { item: T }>()
  #closed = false

  constructor(capacity: number) {
    if (!Number.isInteger(capacity) || capacity < 1) throw new RangeError('capacity must be a positive integer')
    this.capacity = capacity
  }

  /** Number of items that wait to be taken. */
  get size(): number {
    return this.#items.length
  }

  get isFull(): boolean {
    return this.#items.length >= this.capacity
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** Adds an item if there is room; false when the queue is full or closed. */
  tryPut(item: T): boolean {
    if (this.#closed) return false
    const [taker] = this.#takers
    if (taker) {
      this.#takers.delete(taker)
      taker.resolve(item)
      return true
    }
    if (this.isFull) return false
    this.#items.push(item)
    return true
  }

  /**
   * Adds an item, waiting for room.
   * @throws QueueClosedError when the queue is or becomes closed; the signal's reason when it aborts
   */
  async put(item: T, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    if (this.tryPut(item)) return
    if (this.#closed) throw new QueueClosedError()
    await this.#wait(this.#putters, (waiter) => ({ ...waiter, item }), signal)
  }

  /** The next item if there is one. */
  tryTake(): T | undefined {
    const item = this.#items.shift()
    const [putter] = this.#putters
    if (putter && !this.isFull) {
      this.#putters.delete(putter)
      this.#items.push(putter.item)
      putter.resolve()
    }
    return item
  }

  /**
   * The next item, waiting for one; undefined once the queue is closed and empty.
   * @throws the signal's reason when it aborts
   */
  async take(signal?: AbortSignal): Promise<T | undefined> {
    signal?.throwIfAborted()
    if (this.#items.length > 0) return this.tryTake()
    if (this.#closed) return undefined
    return this.#wait<T | undefined, Waiter<T | undefined>>(this.#takers, (waiter) => waiter, signal)
  }

  /** Refuses further items; those already held can still be taken. Waiting `put` calls fail. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const putter of this.#putters) putter.reject(new QueueClosedError())
    for (const taker of this.#takers) taker.resolve(undefined)
    this.#putters.clear()
    this.#takers.clear()
  }

  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    for (let item = await this.take(); item !== undefined; item = await this.take()) yield item
  }

  #wait<R, W extends Waiter<R>>(waiters: Set<W>, make: (waiter: Waiter<R>) => W, signal?: AbortSignal): Promise<R> {
    const { promise, resolve, reject } = Promise.withResolvers<R>()
    const abort = () => {
      waiters.delete(waiter)
      reject(signal?.reason)
    }
    const waiter = make({
      resolve: (value) => {
        signal?.removeEventListener('abort', abort)
        resolve(value)
      },
      reject: (reason) => {
        signal?.removeEventListener('abort', abort)
        reject(reason)
      },
    })
    waiters.add(waiter)
    signal?.addEventListener('abort', abort, { once: true })
    return promise
  }
}
