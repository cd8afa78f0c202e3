import type { DeliveryOutcome, PendingItem, PendingSource } from '../entrance.ts'
import type { EnvelopeLink } from './envelope-link.ts'

/** How a {@link DeliveryPump} waits for answers. */
export interface PumpOptions {
  /** How long an agent that is not Parley is waited for before it gets the next item, ms. */
  readonly answerTimeoutMs: number
  /** Items that a Parley agent may have without an answer. */
  readonly window: number
  /** Items that another agent may leave without an answer before it gets nothing more. */
  readonly maxLate: number
  /** How long the oldest item may be without an answer before the session is given up, ms. */
  readonly giveUpMs: number
}

/** The waits of `spec/acn.md §8` for delegates, and ours where it has none. */
export const PUMP_DEFAULTS: PumpOptions = { answerTimeoutMs: 5_000, window: 32, maxLate: 16, giveUpMs: 60_000 }

interface Outstanding {
  readonly item: PendingItem
  /** Milliseconds of the monotonic clock. */
  readonly sentAt: number
}

const ENDED = new Error('session has ended')

/**
 * Gives an agent what waits for it. An agent that is not Parley gets one item at a time and, when it does not answer in
 * time, the next one all the same: on one connection nothing is sent twice, because what was written arrives or the
 * connection ends. An answer that comes late still counts.
 */
export class DeliveryPump {
  readonly #link: EnvelopeLink
  readonly #source: PendingSource
  readonly #options: PumpOptions
  readonly #onGiveUp: () => void
  readonly #stop = new AbortController()
  /** In order of sending. */
  readonly #outstanding = new Set<Outstanding>()
  #youngest: Outstanding | undefined
  #giveUpTimer: NodeJS.Timeout | undefined
  /** Wakes the loop that waits for an answer. */
  #wake: () => void = () => {}
  #failure: unknown

  /** @param onGiveUp the agent takes items and does not answer; is to end the session */
  constructor(link: EnvelopeLink, source: PendingSource, options: PumpOptions, onGiveUp: () => void) {
    this.#link = link
    this.#source = source
    this.#options = options
    this.#onGiveUp = onGiveUp
    void link.connection.closed.then(() => this.#end())
  }

  /**
   * Runs until the connection or the source has ended; then every item is settled and the source is closed.
   * @throws what the source or a settlement throws; the connection is closed then
   */
  async run(): Promise<void> {
    const { connection } = this.#link
    try {
      await this.#deliverAll()
    } catch (error) {
      if (error !== ENDED) this.#failure ??= error
    }
    connection.close()
    await connection.closed
    // All answers that did not come are rejected now, which settles their items.
    while (this.#outstanding.size > 0) await this.#change()
    clearTimeout(this.#giveUpTimer)
    this.#source.close()
    if (this.#failure !== undefined) throw this.#failure
  }

  async #deliverAll(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      while (!this.#hasRoom()) await this.#change()
      const item = (await this.#source.poll()) ?? (await this.#source.next(signal))
      if (!item) return
      if (this.#link.connection.isOpen) this.#deliver(item)
      else await item.settle({ type: 'unsent' })
    }
  }

  #hasRoom(): boolean {
    if (this.#stop.signal.aborted) return true
    if (this.#link.isParley) return this.#outstanding.size < this.#options.window
    return this.#outstanding.size <= this.#options.maxLate && (!this.#youngest || this.#isLate(this.#youngest))
  }

  #isLate({ sentAt }: Outstanding): boolean {
    return performance.now() - sentAt >= this.#options.answerTimeoutMs
  }

  #deliver(item: PendingItem): void {
    const entry: Outstanding = { item, sentAt: performance.now() }
    this.#outstanding.add(entry)
    this.#youngest = entry
    this.#giveUpTimer ??= this.#watch(this.#options.giveUpMs)
    this.#link.send(item).then(
      ({ code, msgs }) => this.#settle(entry, { type: 'answered', status: { code, msgs } }),
      () => {
        // First of all, so that the source does not give what it gets back now.
        this.#end()
        return this.#settle(entry, { type: this.#isLate(entry) ? 'unanswered' : 'interrupted' })
      },
    )
  }

  async #settle(entry: Outstanding, outcome: DeliveryOutcome): Promise<void> {
    if (this.#youngest === entry) this.#youngest = undefined
    try {
      await entry.item.settle(outcome)
    } catch (error) {
      this.#failure ??= error
      this.#end()
    }
    this.#outstanding.delete(entry)
    this.#wake()
  }

  /** Waits for an answer or, when the youngest item keeps others waiting, until it is late. */
  #change(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    const { answerTimeoutMs } = this.#options
    const wait = this.#youngest ? this.#youngest.sentAt + answerTimeoutMs - performance.now() : undefined
    if (wait === undefined || wait <= 0 || this.#link.isParley) return promise
    const timer = setTimeout(resolve, Math.ceil(wait) + 1)
    return promise.finally(() => clearTimeout(timer))
  }

  /** One timer for all items that are out: it looks for the oldest one again when it fires. */
  #watch(delayMs: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#giveUpTimer = undefined
      const [oldest] = this.#outstanding
      if (!oldest || this.#stop.signal.aborted) return
      const left = oldest.sentAt + this.#options.giveUpMs - performance.now()
      if (left <= 0) this.#onGiveUp()
      else this.#giveUpTimer = this.#watch(left)
    }, delayMs).unref()
  }

  #end(): void {
    this.#stop.abort(ENDED)
    this.#wake()
  }
}
