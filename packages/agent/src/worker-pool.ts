/** What a {@link WorkerPool} runs and tells. */
export interface WorkerPoolOptions<K> {
  /** Does all the work that there is for `key`, then returns. It may be called again at once. */
  readonly run: (key: K) => Promise<void>
  /** A worker has failed for a reason that it does not handle itself. */
  readonly onFailure: (key: K, error: unknown) => void
  /** A worker has failed too often in a minute and is not started again. */
  readonly onGivenUp: (key: K, error: unknown) => void
  readonly closing: AbortSignal
}

/** Restarts in a minute before a worker is given up: `spec/agent.md §9`. */
const MAX_RESTARTS = 5
const MINUTE = 60_000

interface Worker {
  wanted: boolean
  running: Promise<void> | undefined
  restarts: number
  minuteStart: number
}

/** Workers by key: one each, started when there is work, gone when there is none. */
export class WorkerPool<K> {
  readonly #options: WorkerPoolOptions<K>
  readonly #workers = new Map<K, Worker>()

  constructor(options: WorkerPoolOptions<K>) {
    this.#options = options
  }

  /** There is work for `key`. */
  wake(key: K): void {
    if (this.#options.closing.aborted) return
    const worker = this.#workers.get(key) ?? { wanted: false, running: undefined, restarts: 0, minuteStart: 0 }
    this.#workers.set(key, worker)
    worker.wanted = true
    worker.running ??= this.#loop(key, worker)
  }

  /** Waits for the workers to end after the agent began to close. */
  async stopped(): Promise<void> {
    await Promise.all([...this.#workers.values()].map(({ running }) => running))
  }

  async #loop(key: K, worker: Worker): Promise<void> {
    const { run, closing } = this.#options
    while (worker.wanted && !closing.aborted) {
      worker.wanted = false
      try {
        await run(key)
      } catch (error) {
        if (closing.aborted) break
        if (!this.#mayRestart(key, worker, error)) return
      }
    }
    this.#workers.delete(key)
  }

  #mayRestart(key: K, worker: Worker, error: unknown): boolean {
    const now = performance.now()
    if (now - worker.minuteStart > MINUTE) {
      worker.minuteStart = now
      worker.restarts = 0
    }
    worker.restarts++
    worker.wanted = true
    if (worker.restarts <= MAX_RESTARTS) {
      this.#options.onFailure(key, error)
      return true
    }
    this.#options.onGivenUp(key, error)
    return false
  }
}
