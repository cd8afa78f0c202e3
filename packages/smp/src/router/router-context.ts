import type { BrokerMessage } from '../protocol/types.ts'
import type { LiveQueue } from './live-queue.ts'
import type { RouterEvent } from './options.ts'
import type { QueueRegistry } from './queue-registry.ts'
import type { RecentMessages } from './recent-messages.ts'
import type { MessageNumber, RouterStore } from './store.ts'
import { StoreError } from './store.ts'

/** The rules that an operator sets: `spec/smp.md §8.2`. */
export interface RouterRules {
  readonly password: string | undefined
  readonly newQueues: boolean
  readonly queueQuota: number
  /** Seconds, 0 for never. */
  readonly messageTtl: number
  readonly expireOnSend: boolean
}

/** What all connections of a router share. */
export interface RouterContext {
  readonly rules: RouterRules
  readonly store: RouterStore
  readonly queues: QueueRegistry
  readonly messages: RecentMessages
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly log: (event: RouterEvent) => void
  /** The number of the next message of any queue. */
  readonly takeMessageNumber: () => MessageNumber
  /** Bounds what waits for the disk. */
  readonly writeBudget: WriteBudget
}

/** Bytes of messages that all connections together may have on their way to the disk before they wait. */
export class WriteBudget {
  readonly #limit: number
  #used = 0
  #room: PromiseWithResolvers<void> | undefined

  /** @param limit bytes */
  constructor(limit: number) {
    this.#limit = limit
  }

  get isExceeded(): boolean {
    return this.#used > this.#limit
  }

  take(bytes: number): void {
    this.#used += bytes
  }

  giveBack(bytes: number): void {
    this.#used -= bytes
    if (!this.#room || this.isExceeded) return
    this.#room.resolve()
    this.#room = undefined
  }

  /** Waits until there is room. */
  async wait(): Promise<void> {
    while (this.isExceeded) {
      this.#room ??= Promise.withResolvers()
      await this.#room.promise
    }
  }
}

/** Seconds since 1970. */
export function nowSeconds(context: RouterContext): number {
  return Math.floor(context.now() / 1000)
}

/**
 * Waits for a write that memory is already ahead of. When it fails the queue is read again before its next use.
 * @throws StoreError
 */
export async function persisted<T>(context: RouterContext, queue: LiveQueue, write: Promise<T>): Promise<T> {
  queue.uses++
  try {
    return await write
  } catch (error) {
    queue.isStale = true
    if (error instanceof StoreError) context.log({ event: 'storeFailed', reason: error.message })
    throw error
  } finally {
    queue.uses--
  }
}

export const OK: BrokerMessage = { type: 'OK' }
export const SOK: BrokerMessage = { type: 'SOK' }
export const AUTH: BrokerMessage = { type: 'ERR', error: { type: 'AUTH' } }
export const NO_MSG: BrokerMessage = { type: 'ERR', error: { type: 'NO_MSG' } }
export const QUOTA: BrokerMessage = { type: 'ERR', error: { type: 'QUOTA' } }
export const LARGE_MSG: BrokerMessage = { type: 'ERR', error: { type: 'LARGE_MSG' } }
export const PROHIBITED: BrokerMessage = { type: 'ERR', error: { type: 'CMD', error: 'PROHIBITED' } }
export const INTERNAL: BrokerMessage = { type: 'ERR', error: { type: 'INTERNAL' } }
/** The cause stays in the log: clients need not know what fails where. */
export const STORE_FAILED: BrokerMessage = { type: 'ERR', error: { type: 'STORE', detail: 'storage failure' } }
