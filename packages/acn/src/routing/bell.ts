/** Wakes those who wait for a change, or for a time. */
export class Bell {
  #rung = Promise.withResolvers<void>()

  /** Wakes all who wait now. */
  ring(): void {
    const { resolve } = this.#rung
    this.#rung = Promise.withResolvers()
    resolve()
  }

  /**
   * Waits for the next ring, at most `time` milliseconds when given.
   * @throws the signal's reason
   */
  async wait(signal: AbortSignal, time?: number): Promise<void> {
    signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    const timer = time === undefined ? undefined : setTimeout(resolve, time)
    try {
      await Promise.race([promise, this.#rung.promise])
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
    }
  }
}
