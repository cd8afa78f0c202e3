/** How much of what one side waits for is there. */
export interface Holdings {
  /** Messages received. */
  readonly texts?: number
  /** Own messages that the router has stored. */
  readonly stored?: number
  /** Own messages that the other side has confirmed. */
  readonly receipts?: number
}

/** What one side of the story has received and knows of its own messages, and waiting for more of it. */
export class Mailbox {
  readonly texts: string[] = []
  readonly #stored = new Set<number>()
  readonly #receipts = new Set<number>()
  #changed = Promise.withResolvers<void>()

  receive(text: string): void {
    this.texts.push(text)
    this.#notify()
  }

  store(msgId: number): void {
    this.#stored.add(msgId)
    this.#notify()
  }

  confirm(msgId: number): void {
    this.#receipts.add(msgId)
    this.#notify()
  }

  /** Resolves when that much is there. */
  async holds({ texts = 0, stored = 0, receipts = 0 }: Holdings): Promise<void> {
    while (this.texts.length < texts || this.#stored.size < stored || this.#receipts.size < receipts) {
      await this.#changed.promise
    }
  }

  #notify(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }
}
