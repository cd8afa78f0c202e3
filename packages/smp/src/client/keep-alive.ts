import type { KeepAlive } from './options.ts'

export interface KeepAliveComponents {
  /** Time of the last block received, `performance.now()`. */
  readonly lastReceived: () => number
  readonly timeoutsInRow: () => number
  /** Sends PING and waits for the answer, an error or a timeout. Never rejects. */
  readonly ping: () => Promise<void>
  readonly drop: () => void
}

/** Notices that a connection is dead: `spec/smp.md §9`, pings. */
export class KeepAliveMonitor {
  readonly #components: KeepAliveComponents
  readonly #options: KeepAlive
  #timer: NodeJS.Timeout | undefined
  #sendsPings = false
  #stopped = false

  constructor(components: KeepAliveComponents, options: KeepAlive) {
    this.#components = components
    this.#options = options
    this.#wait(options.interval)
  }

  /** From the first subscription on, silence is answered with PING. */
  enablePings(): void {
    this.#sendsPings = true
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  #wait(delay: number): void {
    this.#timer = setTimeout(() => void this.#look(), delay).unref()
  }

  async #look(): Promise<void> {
    const { lastReceived, timeoutsInRow, ping, drop } = this.#components
    const { interval, maxTimeouts, recoverWindow } = this.#options
    const idle = performance.now() - lastReceived()
    if (idle < interval) {
      this.#wait(interval - idle)
      return
    }
    if (this.#sendsPings) await ping()
    if (this.#stopped) return
    if (maxTimeouts > 0 && timeoutsInRow() >= maxTimeouts && idle >= recoverWindow) drop()
    else this.#wait(interval)
  }
}
