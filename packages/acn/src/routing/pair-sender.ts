import { setTimeout as sleep } from 'node:timers/promises'
import { Bell } from './bell.ts'
import type { QueuedEnvelope } from './holding.ts'
import { type Action, retryDelay } from './policy.ts'
import type { QueueReader } from './queue-reader.ts'

/** What a sender of one pair works with. */
export interface PairSenderOptions {
  readonly to: string
  readonly sender: string
  readonly reader: QueueReader
  readonly signal: AbortSignal
  /** Milliseconds until other peers may be asked; undefined when the agent is attached here. */
  readonly waitBefore: () => number | undefined
  /** One attempt; throws only the signal's reason. */
  readonly attempt: (envelope: QueuedEnvelope, signal: AbortSignal) => Promise<Action>
  readonly onDelivered: (envelope: QueuedEnvelope) => Promise<void>
  /** The envelope's own fields say when and after how many attempts. */
  readonly onRetry: (envelope: QueuedEnvelope) => Promise<void>
  readonly onGiveUp: (envelope: QueuedEnvelope, action: Action & { type: 'give-up' }) => Promise<void>
  readonly onExpired: (envelope: QueuedEnvelope) => Promise<void>
  /** The queue is empty, or the agent is attached here. */
  readonly onEnd: (sender: PairSender) => void
}

/** Wait after a fault of the store before the queue is looked at again. */
const AFTER_FAULT = 1000

/**
 * Sends what waits from one agent to an agent elsewhere, one after the other: an envelope that meets an obstacle keeps
 * those behind it waiting, so that their order holds.
 */
export class PairSender {
  readonly to: string
  readonly sender: string
  readonly #options: PairSenderOptions
  readonly #bell = new Bell()
  #current: QueuedEnvelope | undefined
  /** Attempts at the current envelope that count towards a limit. */
  #limited = 0
  #offered = false
  #isCancelled = false

  constructor(options: PairSenderOptions) {
    this.#options = options
    this.to = options.to
    this.sender = options.sender
  }

  /** Takes the newest envelope; false when it has to be written first. */
  offer(envelope: QueuedEnvelope): boolean {
    this.#offered = true
    return this.#options.reader.offer(envelope)
  }

  /** The agent is attached here now: what is under way is finished, nothing more is begun. */
  cancel(): void {
    this.#isCancelled = true
    this.#bell.ring()
  }

  /** Something has changed for the better: the next attempt is made at once. */
  wake(): void {
    if (this.#current) this.#current.nextAttemptAt = 0
    this.#bell.ring()
  }

  /** Sends until there is nothing more to send from here. Never throws. */
  async run(): Promise<void> {
    const { signal } = this.#options
    while (!signal.aborted) {
      try {
        if (!(await this.#step())) return
      } catch {
        await sleep(AFTER_FAULT, undefined, { signal }).catch(() => {})
      }
    }
  }

  /** False when there is nothing more to do. */
  async #step(): Promise<boolean> {
    const { reader, signal, waitBefore } = this.#options
    const before = this.#isCancelled ? undefined : waitBefore()
    if (before === undefined) return this.#end()
    if (before > 0) {
      await this.#bell.wait(signal, before)
      return true
    }
    if (!this.#current) {
      this.#offered = false
      this.#current = await reader.next()
      this.#limited = 0
      if (!this.#current) return this.#offered || this.#end()
      if (this.#isCancelled) return true
    }
    const now = Date.now()
    const { nextAttemptAt, expiresAt } = this.#current
    if (expiresAt <= now) await this.#finish(this.#options.onExpired)
    else if (nextAttemptAt > now) await this.#bell.wait(signal, Math.min(nextAttemptAt, expiresAt) - now)
    else await this.#attempt(this.#current)
    return true
  }

  /** Called in the same turn as the last look at the queue, so that nothing is offered to one that has ended. */
  #end(): false {
    this.#options.onEnd(this)
    return false
  }

  async #attempt(envelope: QueuedEnvelope): Promise<void> {
    const { signal, attempt, onDelivered, onGiveUp, onRetry } = this.#options
    const action = await attempt(envelope, signal)
    signal.throwIfAborted()
    switch (action.type) {
      case 'delivered':
        return this.#finish(onDelivered)
      case 'give-up':
        return this.#finish((current) => onGiveUp(current, action))
      case 'retry': {
        if (action.limit !== undefined && ++this.#limited >= action.limit) {
          const reason = action.status === undefined ? 'unanswered' : 'refused'
          return this.#finish((current) => onGiveUp(current, { type: 'give-up', reason, status: action.status ?? 0 }))
        }
        const now = Date.now()
        envelope.attempts++
        envelope.nextAttemptAt = now + retryDelay(envelope.attempts, now - envelope.receivedAt)
        if (action.status !== undefined) envelope.lastStatus = action.status
        await onRetry(envelope)
      }
    }
  }

  async #finish(how: (envelope: QueuedEnvelope) => Promise<void>): Promise<void> {
    const envelope = this.#current
    if (!envelope) return
    await how(envelope)
    this.#current = undefined
  }
}
