import type { EntryConnection } from '../entrance/entry.ts'
import { EnvelopeLengthError } from './acn-client-events.ts'
import type { Outbox, Outgoing } from './outbox.ts'

/** Bytes of envelopes that may be without an answer at a time, unless a single one is longer. */
const WINDOW_BYTES = 4 * 1024 * 1024

/** Sends an outbox over one connection, first what an earlier connection left without an answer. */
export class Transmission {
  readonly #outbox: Outbox
  readonly #connection: EntryConnection
  readonly #ended = new AbortController()
  #count = 0
  #bytes = 0
  #wake: () => void = () => {}

  constructor(outbox: Outbox, connection: EntryConnection) {
    this.#outbox = outbox
    this.#connection = connection
    void connection.closed.then(() => {
      this.#ended.abort()
      this.#wake()
    })
  }

  /** Runs until the connection has ended or the outbox is closed. Never rejects. */
  async run(): Promise<void> {
    for (const outgoing of this.#outbox.unanswered) await this.#transmit(outgoing)
    while (!this.#ended.signal.aborted) {
      await this.#room(0)
      const outgoing = await this.#outbox.take(this.#ended.signal).catch(() => undefined)
      if (!outgoing) return
      await this.#transmit(outgoing)
    }
  }

  /** Sends when there is room; its answer is not waited for. */
  async #transmit(outgoing: Outgoing): Promise<void> {
    const { length } = outgoing.bytes
    const { maxEnvelopeLength } = this.#connection
    if (length > maxEnvelopeLength) outgoing.reject(new EnvelopeLengthError(length, maxEnvelopeLength))
    await this.#room(length)
    if (outgoing.isDone || this.#ended.signal.aborted) return
    this.#count++
    this.#bytes += length
    const finished = () => {
      this.#count--
      this.#bytes -= length
      this.#wake()
    }
    this.#connection.send(outgoing.bytes, outgoing.id).then(
      (status) => {
        outgoing.resolve(status)
        finished()
      },
      // The connection has ended; the next one takes it up.
      finished,
    )
  }

  async #room(length: number): Promise<void> {
    while (!this.#ended.signal.aborted && this.#isFull(length)) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#wake = resolve
      await promise
    }
  }

  #isFull(length: number): boolean {
    return this.#count > 0 && (this.#count >= this.#connection.window || this.#bytes + length > WINDOW_BYTES)
  }
}
