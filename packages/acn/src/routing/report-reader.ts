import type { AcnStore, StoredNotDelivered } from '../store/index.ts'

const PAGE = 64

/** Delivery reports that wait for one agent, in order, for one session of it: each once. */
export class ReportReader {
  readonly #store: Pick<AcnStore, 'unreported'>
  readonly #sender: string
  readonly #read: StoredNotDelivered[] = []
  #after = 0
  #mayHaveMore = true

  constructor(store: Pick<AcnStore, 'unreported'>, sender: string) {
    this.#store = store
    this.#sender = sender
  }

  /** A report was added. */
  added(): void {
    this.#mayHaveMore = true
  }

  /** The next report; undefined when there is none now. */
  async next(): Promise<StoredNotDelivered | undefined> {
    if (this.#read.length === 0 && this.#mayHaveMore) {
      this.#mayHaveMore = false
      const page = await this.#store.unreported(this.#sender, { after: this.#after, limit: PAGE })
      this.#read.push(...page)
      this.#after = page.at(-1)?.number ?? this.#after
      if (page.length === PAGE) this.#mayHaveMore = true
    }
    return this.#read.shift()
  }
}
