import type { MessageNumber, RouterStore, StoredMessage } from './store.ts'

/** Bytes that a message takes besides its body, roughly. */
const OVERHEAD = 200

/**
 * Messages by number. Keeps the latest in memory, up to a limit in bytes, because most are delivered and deleted
 * within moments; reads the others from the store.
 */
export class RecentMessages {
  readonly #store: RouterStore
  readonly #capacity: number
  readonly #messages = new Map<MessageNumber, StoredMessage>()
  #bytes = 0

  /** @param capacity bytes */
  constructor(store: RouterStore, capacity: number) {
    this.#store = store
    this.#capacity = capacity
  }

  /**
   * The message, at once when it is in memory; undefined when it was deleted.
   * @throws StoreError (rejects)
   */
  get(number: MessageNumber): StoredMessage | Promise<StoredMessage | undefined> {
    return this.#messages.get(number) ?? this.#store.getMessage(number)
  }

  /** Like {@link get}, and keeps what it reads. */
  async load(number: MessageNumber): Promise<void> {
    if (this.#messages.has(number)) return
    const message = await this.#store.getMessage(number)
    if (message) this.add(message)
  }

  add(message: StoredMessage): void {
    this.delete(message.number)
    this.#messages.set(message.number, message)
    this.#bytes += weight(message)
    for (const oldest of this.#messages.keys()) {
      if (this.#bytes <= this.#capacity) return
      this.delete(oldest)
    }
  }

  delete(number: MessageNumber): void {
    const message = this.#messages.get(number)
    if (!message) return
    this.#messages.delete(number)
    this.#bytes -= weight(message)
  }
}

function weight({ body }: StoredMessage): number {
  return OVERHEAD + (body?.length ?? 0)
}
