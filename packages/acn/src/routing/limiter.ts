interface Waiter {
  resolve(): void
  reject(reason: unknown): void
}

/** Lets a number of things happen at once; the others wait in order. */
export class Limiter {
  #free: number
  readonly #waiting = new Set<Waiter>()

  constructor(limit: number) {
    this.#free = limit
  }

  /** @throws the signal's reason when it aborts before there was a place */
  async run<T>(signal: AbortSignal, action: () => Promise<T>): Promise<T> {
    await this.#enter(signal)
    try {
      return await action()
    } finally {
      this.#leave()
    }
  }

  async #enter(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.#free > 0) {
      this.#free--
      return
    }
    const waiter = Promise.withResolvers<void>()
    const onAbort = () => {
      if (this.#waiting.delete(waiter)) waiter.reject(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    this.#waiting.add(waiter)
    try {
      await waiter.promise
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  #leave(): void {
    const [next] = this.#waiting
    if (!next) {
      this.#free++
      return
    }
    this.#waiting.delete(next)
    next.resolve()
  }
}
