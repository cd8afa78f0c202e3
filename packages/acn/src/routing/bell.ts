/** Wakes the one who waits for a change, or for a time. */
export class Bell {
  #rings = 0
  #wake: (() => void) | undefined

  /** How often it rang: to be read before a look at what may change, and given to {@link wait} after it. */
  get rings(): number {
    return this.#rings
  }

  ring(): void {
    this.#rings++
    this.#wake?.()
  }

  /** Waits until it has rung more often than `seen` times, at most `time` milliseconds when given. One at a time. */
  wait(seen: number, time?: number): Promise<void> {
    if (this.#rings !== seen) return Promise.resolve()
    return new Promise((resolve) => {
      const wake = () => {
        this.#wake = undefined
        clearTimeout(timer)
        resolve()
      }
      const timer = time === undefined ? undefined : setTimeout(wake, time)
      this.#wake = wake
    })
  }
}
