import { setTimeout as sleep } from 'node:timers/promises'
import { Bell } from './bell.ts'
import type { QueuedEnvelope } from './holding.ts'
import { type Action, retryDelay } from './policy.ts'
import type { QueueReader } from './queue-reader.ts'
import type { UnderWay } from './under-way.ts'

/** What a sender of one pair works with. */
export interface PairSenderOptions {
  readonly reader: QueueReader
  readonly underWay: UnderWay
  readonly signal: AbortSignal
  /** Envelopes that may be under way at once: more than one only to a peer that takes them in turn. */
  readonly window: () => number
  /** Milliseconds until other peers may be asked; undefined when the agent is attached here. */
  readonly waitBefore: () => number | undefined
  /**
   * One attempt; throws only the signal's reason.
   * @param position 0 after everything before is settled, then 1, 2, … : a peer takes them in this order or not at all
   */
  readonly attempt: (envelope: QueuedEnvelope, position: number) => Promise<Action>
  readonly onDelivered: (envelope: QueuedEnvelope, action: Delivered) => Promise<void>
  /** The envelope's own fields say when and after how many attempts. */
  readonly onRetry: (envelope: QueuedEnvelope) => Promise<void>
  readonly onGiveUp: (envelope: QueuedEnvelope, action: GivenUp) => Promise<void>
  readonly onExpired: (envelope: QueuedEnvelope) => Promise<void>
  /** The queue is empty, or the agent is attached here. */
  readonly onEnd: (sender: PairSender) => void
}

type GivenUp = Action & { type: 'give-up' }
type Delivered = Action & { type: 'delivered' }

interface Attempt {
  readonly envelope: QueuedEnvelope
  readonly ended: Promise<void>
  /** Once it has ended; an error when the attempt threw. */
  result: Action | Error | undefined
}

/** Wait after a fault of the store before the queue is looked at again. */
const AFTER_FAULT = 1000

/**
 * Sends what waits from one agent to an agent elsewhere: an envelope that meets an obstacle keeps those behind it waiting,
 * so that their order holds. Those that were under way behind it are sent again.
 */
export class PairSender {
  readonly #options: PairSenderOptions
  readonly #bell = new Bell()
  /** Taken from the queue and not under way, in order. */
  #next: QueuedEnvelope[] = []
  #underWay: Attempt[] = []
  #position = 0
  /** Attempts that count towards a limit, of the envelope that failed last. */
  #limited = { id: '', count: 0 }
  #offered = false
  #isCancelled = false
  #run: Promise<void> | undefined

  constructor(options: PairSenderOptions) {
    this.#options = options
  }

  /** Takes the newest envelope; false when it has to be written first. */
  offer(envelope: QueuedEnvelope): boolean {
    this.#offered = true
    this.#bell.ring()
    return this.#options.reader.offer(envelope)
  }

  /** There may be one in the store that was not offered. */
  missed(): void {
    this.#offered = true
    this.#options.reader.missed()
    this.#bell.ring()
  }

  /** The agent is attached here now: what is under way is finished, nothing more is begun. */
  cancel(): void {
    this.#isCancelled = true
    this.#bell.ring()
  }

  /** Something has changed for the better: the next attempt is made at once. */
  wake(): void {
    const [first] = this.#next
    if (first) first.nextAttemptAt = 0
    this.#bell.ring()
  }

  /** Sends until there is nothing more to send from here; resolves then, never rejects. */
  run(): Promise<void> {
    this.#run ??= this.#work()
    return this.#run
  }

  async #work(): Promise<void> {
    const { signal } = this.#options
    while (!signal.aborted) {
      try {
        if (!(await this.#step())) return
      } catch {
        await sleep(AFTER_FAULT, undefined, { signal }).catch(() => {})
      }
    }
    await Promise.all(this.#underWay.map(({ ended }) => ended))
  }

  /** False when there is nothing more to do. */
  async #step(): Promise<boolean> {
    const { waitBefore, window } = this.#options
    const { rings } = this.#bell
    if (this.#underWay[0]?.result) return this.#settle()
    const before = this.#isCancelled ? undefined : waitBefore()
    if (before === undefined) return this.#underWay.length > 0 ? this.#waitForFirst() : this.#end()
    if (before > 0 && this.#underWay.length === 0) {
      await this.#bell.wait(rings, before)
      return true
    }
    if (before > 0 || this.#underWay.length >= window()) return this.#waitForFirst()
    const envelope = await this.#take()
    if (!envelope) return this.#underWay.length > 0 ? this.#waitForMore(rings) : this.#offered || this.#end()
    if (this.#isCancelled) return true
    const now = Date.now()
    const { nextAttemptAt, expiresAt } = envelope
    if (expiresAt > now && nextAttemptAt <= now) {
      this.#next.shift()
      this.#begin(envelope)
    } else if (this.#underWay.length > 0) {
      return this.#waitForFirst()
    } else if (expiresAt <= now) {
      await this.#options.onExpired(envelope)
      this.#next.shift()
    } else {
      await this.#bell.wait(rings, Math.min(nextAttemptAt, expiresAt) - now)
    }
    return true
  }

  /** The next envelope of the queue, which stays in {@link #next}. */
  async #take(): Promise<QueuedEnvelope | undefined> {
    if (this.#next.length === 0) {
      this.#offered = false
      const envelope = await this.#options.reader.next()
      if (envelope) this.#next.push(envelope)
    }
    return this.#next[0]
  }

  /** Called in the same turn as the last look at the queue, so that nothing is offered to one that has ended. */
  #end(): false {
    this.#options.onEnd(this)
    return false
  }

  #begin(envelope: QueuedEnvelope): void {
    const { to, sender, id } = envelope
    this.#options.underWay.begin(to, sender, id)
    const attempt = this.#options.attempt(envelope, this.#position++)
    const begun: Attempt = {
      envelope,
      result: undefined,
      ended: attempt.then(
        (action) => {
          begun.result = action
          this.#bell.ring()
        },
        (error: unknown) => {
          begun.result = error instanceof Error ? error : new Error('attempt failed')
          this.#bell.ring()
        },
      ),
    }
    this.#underWay.push(begun)
  }

  async #waitForFirst(): Promise<true> {
    await this.#underWay[0]?.ended
    return true
  }

  /** Until one has ended, or there is something more in the queue. */
  async #waitForMore(rings: number): Promise<true> {
    if (!this.#offered) await this.#bell.wait(rings)
    return true
  }

  /** The first has ended: what arrived is noted together; behind one that did not, all are waited for. */
  async #settle(): Promise<true> {
    const failed = this.#underWay.findIndex(({ result }) => !isDelivered(result))
    const delivered = this.#underWay.splice(0, failed === -1 ? this.#underWay.length : failed)
    await Promise.all(delivered.map((attempt) => this.#noteEnd(attempt)))
    const [first] = this.#underWay
    if (!first) {
      this.#position = 0
      return true
    }
    // It may have ended while the others were noted.
    if (!first.result || isDelivered(first.result)) return true
    await Promise.all(this.#underWay.map(({ ended }) => ended))
    const [, ...behind] = this.#underWay
    this.#underWay = []
    this.#position = 0
    this.#next.unshift(
      first.envelope,
      ...behind.filter(({ result }) => !isDelivered(result)).map((one) => one.envelope),
    )
    for (const attempt of [first, ...behind]) await this.#noteEnd(attempt)
    this.#options.signal.throwIfAborted()
    if (!(first.result instanceof Error)) await this.#onFailed(first.envelope, first.result)
    return true
  }

  /** An attempt has ended; notes it when the envelope was delivered. */
  async #noteEnd({ envelope, result }: Attempt): Promise<void> {
    const { to, sender, id } = envelope
    try {
      if (isDelivered(result)) await this.#options.onDelivered(envelope, result)
    } finally {
      this.#options.underWay.end(to, sender, id)
    }
  }

  async #onFailed(envelope: QueuedEnvelope, action: Action): Promise<void> {
    if (action.type === 'delivered') return
    const end = action.type === 'give-up' ? action : this.#limitOf(envelope, action)
    if (end) {
      await this.#options.onGiveUp(envelope, end)
      this.#next.shift()
      return
    }
    const now = Date.now()
    envelope.attempts++
    envelope.nextAttemptAt = now + retryDelay(envelope.attempts, now - envelope.receivedAt)
    if (action.type === 'retry' && action.status !== undefined) envelope.lastStatus = action.status
    await this.#options.onRetry(envelope)
  }

  /** What ends an envelope that failed as often as it may. */
  #limitOf({ id }: QueuedEnvelope, { limit, status }: Action & { type: 'retry' }): GivenUp | undefined {
    if (this.#limited.id !== id) this.#limited = { id, count: 0 }
    if (limit === undefined || ++this.#limited.count < limit) return undefined
    return { type: 'give-up', reason: status === undefined ? 'unanswered' : 'refused', status: status ?? 0 }
  }
}

function isDelivered(result: Action | Error | undefined): result is Delivered {
  return result !== undefined && !(result instanceof Error) && result.type === 'delivered'
}
