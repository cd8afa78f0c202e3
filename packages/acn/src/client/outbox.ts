import { BoundedQueue } from '@parley/core/queue'
import type { StatusBody } from '../protocol/index.ts'
import type { EnvelopeId } from '../store/index.ts'

/** An envelope on its way to a node. */
export interface Outgoing {
  readonly id: EnvelopeId
  readonly bytes: Uint8Array
  /** Whether its sender knows how it ended, or no longer wants to. */
  readonly isDone: boolean
  resolve(status: StatusBody): void
  reject(reason: unknown): void
}

/**
 * What an agent sends, until a node has answered it: in order, over as many connections as it takes. What had no answer
 * when a connection ended is there for the next one.
 */
export class Outbox {
  readonly #queue: BoundedQueue<Outgoing>
  /** Taken and not done, in order. */
  readonly #unanswered = new Set<Outgoing>()
  #onIdle: (() => void) | undefined
  #size = 0

  /** @param capacity envelopes that wait before `send` waits */
  constructor(capacity: number) {
    this.#queue = new BoundedQueue(capacity)
  }

  /** Envelopes that have no answer yet, with those whose `send` waits for room. */
  get size(): number {
    return this.#size
  }

  /** Those that were taken and have no answer, in order. */
  get unanswered(): readonly Outgoing[] {
    return [...this.#unanswered]
  }

  /**
   * Queues an envelope, waiting for room. Resolves with the node's status.
   * @throws QueueClosedError when the outbox is closed; what it was rejected with; the signal's reason when it aborts,
   *   after which it may have been sent all the same
   */
  async send(id: EnvelopeId, bytes: Uint8Array, signal?: AbortSignal): Promise<StatusBody> {
    const { promise, resolve, reject } = Promise.withResolvers<StatusBody>()
    const outgoing = {
      id,
      bytes,
      isDone: false,
      resolve: (status: StatusBody) => done(() => resolve(status)),
      reject: (reason: unknown) => done(() => reject(reason)),
    }
    const done = (settle: () => void) => {
      outgoing.isDone = true
      this.#unanswered.delete(outgoing)
      settle()
    }
    const abort = () => outgoing.reject(signal?.reason)
    this.#size++
    try {
      await this.#queue.put(outgoing, signal)
      signal?.addEventListener('abort', abort, { once: true })
      return await promise
    } finally {
      signal?.removeEventListener('abort', abort)
      this.#size--
      if (this.#size === 0) this.#onIdle?.()
    }
  }

  /**
   * The next envelope, which counts as unanswered from then on.
   * @returns undefined when the outbox is closed
   * @throws the signal's reason when it aborts
   */
  async take(signal: AbortSignal): Promise<Outgoing | undefined> {
    for (;;) {
      const outgoing = await this.#queue.take(signal)
      if (outgoing?.isDone) continue
      if (outgoing) this.#unanswered.add(outgoing)
      return outgoing
    }
  }

  /** Waits until every envelope has its answer. */
  async idle(): Promise<void> {
    if (this.size === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#onIdle = resolve
    await promise
  }

  /** Takes no more envelopes and rejects those without an answer. */
  close(reason: unknown): void {
    this.#queue.close()
    for (const outgoing of this.#unanswered) outgoing.reject(reason)
    for (let outgoing = this.#queue.tryTake(); outgoing; outgoing = this.#queue.tryTake()) outgoing.reject(reason)
  }
}
