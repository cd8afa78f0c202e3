import type { EnvelopeNumber, PendingEnvelope } from '../store/index.ts'
import type { QueuedEnvelope } from './holding.ts'

/** Envelopes and bytes that are held in memory before the rest is left on disk. */
const MAX_HELD = 128
const MAX_HELD_BYTES = 4 * 1024 * 1024
/** A page of fewer envelopes, each shorter than so many bytes, was not cut short by a limit of the store. */
const FEW = 32
const SMALL = 16 * 1024
/** Envelopes that came before they were written, of which the ids are remembered. */
const MAX_TAKEN = 4096

/**
 * Reads a queue of the store in order, from its beginning. What is added while the reader has seen all goes to it
 * without a way through the disk; what it got so is left out when it comes from there.
 */
export class QueueReader {
  readonly #readPage: (after: EnvelopeNumber) => Promise<PendingEnvelope[]>
  readonly #held: QueuedEnvelope[] = []
  /** Envelopes that came before they were written: they may be read once more. */
  #taken = new Map<string, QueuedEnvelope>()
  #heldBytes = 0
  #last: EnvelopeNumber = 0
  #seesAll = false
  #missed = false

  /**
   * @param readPage reads the queue from after a number on, in order
   * @param isEmpty whether nothing of the queue is in the store
   */
  constructor(readPage: (after: EnvelopeNumber) => Promise<PendingEnvelope[]>, isEmpty = false) {
    this.#readPage = readPage
    this.#seesAll = isEmpty
  }

  /**
   * Takes an envelope that is the newest of the queue.
   * @returns false when it has to be written first, because those before it are not all in memory
   */
  offer(envelope: QueuedEnvelope): boolean {
    const fits = this.#held.length < MAX_HELD && this.#heldBytes + envelope.bytes.length <= MAX_HELD_BYTES
    if (this.#seesAll && fits) {
      this.#hold(envelope)
      if (this.#taken.size > MAX_TAKEN) this.#forgetWritten()
      this.#taken.set(keyOf(envelope), envelope)
      return true
    }
    this.missed()
    return false
  }

  /** An envelope was written to the store that was not offered. */
  missed(): void {
    this.#seesAll = false
    this.#missed = true
  }

  /** The next envelope; undefined when there is none now. One caller at a time. */
  async next(): Promise<QueuedEnvelope | undefined> {
    while (this.#held.length === 0 && !this.#seesAll) await this.#read()
    const envelope = this.#held.shift()
    if (envelope) this.#heldBytes -= envelope.bytes.length
    return envelope
  }

  async #read(): Promise<void> {
    this.#missed = false
    const page = await this.#readPage(this.#last)
    for (const envelope of page) {
      this.#last = envelope.number
      if (!this.#taken.delete(keyOf(envelope))) this.#hold(envelope)
    }
    // A few small envelopes are all that there was. Another look would keep one that reads behind one that sends and
    // waits: each envelope that comes during a look is written, and is a reason for the next look.
    const isAll = page.length < FEW && page.every(({ bytes }) => bytes.length < SMALL)
    if (isAll && !this.#missed) this.#seesAll = true
  }

  /** Forgets what was delivered without being written, or was written before the place that was read up to. */
  #forgetWritten(): void {
    const recent = [...this.#taken].slice(-MAX_TAKEN / 2)
    this.#taken = new Map(recent)
  }

  #hold(envelope: QueuedEnvelope): void {
    this.#held.push(envelope)
    this.#heldBytes += envelope.bytes.length
  }
}

function keyOf({ id, sender }: PendingEnvelope): string {
  return `${id} ${sender}`
}
