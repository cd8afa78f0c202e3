/**
 * One thing at a time per key: callers with the same key run in the order in which they asked.
 * A key that nobody holds takes no memory.
 */
export class KeyedLock {
  readonly #tails = new Map<string, Promise<void>>()

  /** Number of keys that are held. */
  get size(): number {
    return this.#tails.size
  }

  /**
   * Runs `action` when every earlier holder of `key` has finished, whatever their outcome.
   * @throws what `action` throws; the signal's reason when it aborts before the lock was obtained
   */
  async withLock<T>(key: string, action: () => Promise<T> | T, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted()
    const before = this.#tails.get(key)
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    const tail = before ? before.then(() => released) : released
    this.#tails.set(key, tail)
    try {
      if (before) await waitFor(before, signal)
      return await action()
    } finally {
      release()
      // Not at once: one that gave up waiting leaves while an earlier one still holds the key.
      void tail.then(() => {
        if (this.#tails.get(key) === tail) this.#tails.delete(key)
      })
    }
  }
}

/** Waits for a promise that never fails, until the signal aborts. */
function waitFor(promise: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (!signal) return promise
  const { promise: result, resolve, reject } = Promise.withResolvers<void>()
  const abort = () => reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  void promise.then(() => {
    signal.removeEventListener('abort', abort)
    resolve()
  })
  return result
}
