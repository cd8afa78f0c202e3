/** Waits that double from a first to a longest. */
export class Backoff {
  readonly #first: number
  readonly #longest: number
  #next: number

  /** @param range milliseconds */
  constructor([first, longest]: readonly [first: number, longest: number]) {
    this.#first = first
    this.#longest = longest
    this.#next = first
  }

  /** The next wait starts over. */
  reset(): void {
    this.#next = this.#first
  }

  /**
   * Waits. Does not keep the process alive.
   * @throws the signal's reason when it aborts
   */
  async wait(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const time = this.#next
    this.#next = Math.min(this.#next * 2, this.#longest)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onAbort = () => reject(signal.reason)
    const timer = setTimeout(resolve, time).unref()
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      await promise
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
    }
  }
}
