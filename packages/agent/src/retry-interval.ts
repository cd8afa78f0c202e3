/** How long to wait between tries, milliseconds: `spec/agent.md §9`. */
export interface RetryInterval {
  readonly initial: number
  /** The delay stays the initial one until so much time has passed. */
  readonly increaseAfter: number
  readonly max: number
}

/** The delay after one of `delay` when waiting has taken `elapsed` so far, both in milliseconds. */
export function nextDelay({ increaseAfter, max }: RetryInterval, elapsed: number, delay: number): number {
  return elapsed < increaseAfter || delay >= max ? delay : Math.min((delay * 3) / 2, max)
}

/**
 * Waits `ms` milliseconds, or shorter when `wake` says so.
 * @returns true when it was woken up before the time was over
 * @throws the signal's reason when it aborts
 */
export function pause(ms: number, signal: AbortSignal, wake?: Promise<unknown>): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>()
  if (signal.aborted) return Promise.reject(signal.reason)
  const abort = () => {
    clearTimeout(timer)
    reject(signal.reason)
  }
  const finish = (woken: boolean) => {
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
    resolve(woken)
  }
  const timer = setTimeout(finish, ms, false)
  signal.addEventListener('abort', abort, { once: true })
  wake?.then(() => finish(true))
  return promise
}
