import { QueueClosedError } from '@parley/core/queue'
import type { EffectEvent } from './effects.ts'
import type { AgentEvent } from './events.ts'
import type { AgentStore } from './store/agent-store.ts'
import { getRcvMessage } from './store/rcv-messages.ts'
import { removeEvent } from './store/undelivered-events.ts'
import type { SubQueue } from './sub-queue.ts'

/**
 * The agent's side of `subQ`. Whoever acts for a router waits for room ({@link putAll}), so that a slow application
 * slows the routers down. Whoever acts for the application must not wait for it and posts.
 *
 * Nobody waits with a message that the router keeps until the application acknowledges it: its queue brings no other
 * meanwhile, so that there is at most one such event for each queue. If the agent stopped reading for them, an
 * application that waits for a router's answer before it takes the next event would wait in vain.
 */
export class EventOutlet {
  readonly #subQ: SubQueue
  readonly #store: AgentStore
  /** Settles, always with success, when all events given so far are in the queue: they get there in their order. */
  #last: Promise<void> = Promise.resolve()
  /** Stored events that are on their way, so that they are not repeated meanwhile. */
  readonly #underway = new Set<number>()
  /** Messages that are on their way to the application: delivered once more meanwhile, they are told of once. */
  readonly #messages = new Set<string>()
  /** Ids of confirmations and requests that this process has told of. */
  readonly #announced = new Set<string>()

  constructor(subQ: SubQueue, store: AgentStore) {
    this.#subQ = subQ
    this.#store = store
  }

  /** True while the stored event waits for the application in this process. */
  isUnderway(eventId: number): boolean {
    return this.#underway.has(eventId)
  }

  /** True when this process has told the application of the confirmation or request. */
  wasAnnounced(id: string): boolean {
    return this.#announced.has(id)
  }

  /** The application has answered the confirmation or request. */
  answered(id: string): void {
    this.#announced.delete(id)
  }

  /**
   * Adds events after all that were given before, waiting for room. After the agent has closed they are dropped:
   * stored ones come again.
   */
  putAll(events: readonly EffectEvent[]): Promise<void> {
    // At once, so that a subscription meanwhile does not repeat them.
    const news = events.filter((item) => this.#announce(item))
    if (news.length === 0) return Promise.resolve()
    const done = this.#last.then(() => this.#putEach(news))
    this.#last = done
    return news.some(({ event }) => messageKey(event) !== undefined) ? Promise.resolve() : done
  }

  /** {@link putAll} of one event that is not stored. */
  put(event: AgentEvent): Promise<void> {
    return this.putAll([{ event }])
  }

  /** {@link putAll} without waiting. */
  post(events: readonly EffectEvent[]): void {
    void this.putAll(events)
  }

  async #putEach(events: readonly EffectEvent[]): Promise<void> {
    try {
      for (const { event, eventId } of events) {
        const taken = () => this.#taken(event, eventId)
        const isStale = () => this.#isAcknowledged(event)
        await this.#subQ.put({ event, taken, isStale })
      }
    } catch (error) {
      if (!(error instanceof QueueClosedError)) throw error
    }
  }

  /** A message may have been delivered again, and acknowledged, while its event waited for the application. */
  #isAcknowledged(event: AgentEvent): boolean {
    if ((event.event !== 'MSG' && event.event !== 'RCVD') || this.#store.isClosed) return false
    const { connId, msgId } = event
    const message = this.#store.read((db) => getRcvMessage(db, connId, msgId))
    const isStale = message === undefined || message.userAck
    if (isStale) this.#taken(event)
    return isStale
  }

  #taken(event: AgentEvent, eventId?: number): void {
    const key = messageKey(event)
    if (key !== undefined) this.#messages.delete(key)
    if (eventId !== undefined) this.#forget(eventId)
  }

  /** Remembers that the event is on its way; false when it was so already. */
  #announce({ event, eventId }: EffectEvent): boolean {
    const key = messageKey(event)
    if (key !== undefined) {
      if (this.#messages.has(key)) return false
      this.#messages.add(key)
    }
    if (eventId !== undefined) this.#underway.add(eventId)
    if (event.event === 'CONF') this.#announced.add(event.confId)
    if (event.event === 'REQ') this.#announced.add(event.invId)
    return true
  }

  #forget(eventId: number): void {
    this.#underway.delete(eventId)
    // A store that is closed by now keeps the event, which then comes once more.
    this.#store.transaction((db) => removeEvent(db, eventId)).catch(() => undefined)
  }
}

/** Names a message that the router keeps until the application acknowledges it. */
function messageKey(event: AgentEvent): string | undefined {
  return event.event === 'MSG' || event.event === 'RCVD' ? `${event.connId} ${event.msgId}` : undefined
}
