import type { EnvelopeNumber, PendingEnvelope } from '../store/index.ts'

/** Envelopes and bytes that are held in memory before the rest is left on disk. */
const MAX_HELD = 128
const MAX_HELD_BYTES = 4 * 1024 * 1024

/**
 * Reads a queue of the store in order, from its beginning. What is added while the reader has seen all goes to it
 * without a way through the disk.
 */
export class QueueReader {
  readonly #readPage: (after: EnvelopeNumber) => Promise<PendingEnvelope[]>
  readonly #held: PendingEnvelope[] = []
  #heldBytes = 0
  #last: EnvelopeNumber = 0
  #seesAll = false
  #missed = false

  /** @param readPage reads the queue from after a number on, in order */
  constructor(readPage: (after: EnvelopeNumber) => Promise<PendingEnvelope[]>) {
    this.#readPage = readPage
  }

  /** Tells of an envelope that was stored just now. */
  offer(envelope: PendingEnvelope): void {
    if (envelope.number <= this.#last) return
    const fits = this.#held.length < MAX_HELD && this.#heldBytes + envelope.bytes.length <= MAX_HELD_BYTES
    if (this.#seesAll && fits) this.#hold(envelope)
    else {
      this.#seesAll = false
      this.#missed = true
    }
  }

  /** The next envelope; undefined when there is none now. One caller at a time. */
  async next(): Promise<PendingEnvelope | undefined> {
    while (this.#held.length === 0 && !this.#seesAll) await this.#read()
    const envelope = this.#held.shift()
    if (envelope) this.#heldBytes -= envelope.bytes.length
    return envelope
  }

  async #read(): Promise<void> {
    this.#missed = false
    const page = await this.#readPage(this.#last)
    for (const envelope of page) this.#hold(envelope)
    if (page.length === 0 && !this.#missed) this.#seesAll = true
  }

  #hold(envelope: PendingEnvelope): void {
    this.#held.push(envelope)
    this.#heldBytes += envelope.bytes.length
    this.#last = envelope.number
  }
}
