import { BoundedQueue } from '@parley/core/queue'
import type { AgentEvent, AgentEventName, AgentEventOf } from './events.ts'

/** An event on its way to the application. */
export interface QueuedEvent {
  readonly event: AgentEvent
  /** Called once the application has taken the event. */
  readonly taken?: () => void
  /** Asked when the event's turn comes: true for one that is not to be told any more. */
  readonly isStale?: () => boolean
}

/** Takes one kind of events; the next event waits until it has returned or its promise is settled. */
export type EventHandler<N extends AgentEventName> = (event: AgentEventOf<N>) => void | Promise<void>

type AnyHandler = (event: AgentEvent) => void | Promise<void>

/**
 * `subQ`: the events for the application. Bounded: when the application does not take them, the agent stops reading
 * from its routers. Events are lost in no case; with several readers each gets every event, at the pace of the slowest.
 */
export class SubQueue {
  readonly #queue: BoundedQueue<QueuedEvent>
  readonly #handlers = new Map<AgentEventName, Set<AnyHandler>>()
  readonly #readers = new Set<EventReader>()
  readonly #onHandlerError: (error: unknown) => void
  #pumping = false
  /** Taken from the queue when nobody was there to read it any more. */
  #held: QueuedEvent | undefined

  /** @param onHandlerError told of what a handler threw; the event counts as taken */
  constructor(capacity: number, onHandlerError: (error: unknown) => void) {
    this.#queue = new BoundedQueue(capacity)
    this.#onHandlerError = onHandlerError
  }

  /**
   * Adds an event, waiting for room.
   * @throws QueueClosedError after {@link close}
   */
  put(event: QueuedEvent): Promise<void> {
    return this.#queue.put(event)
  }

  /** No more events; readers end once they have those that are left. */
  close(): void {
    this.#queue.close()
    this.#pump()
  }

  /** Calls `handler` for every event with this name; returns how to stop that. */
  on<N extends AgentEventName>(name: N, handler: EventHandler<N>): () => void {
    const handlers = this.#handlers.get(name) ?? new Set()
    this.#handlers.set(name, handlers)
    handlers.add(handler as AnyHandler)
    this.#pump()
    return () => handlers.delete(handler as AnyHandler)
  }

  /** All events from now on. An event counts as taken when the next one is asked for. */
  async *read(): AsyncGenerator<AgentEvent, void, undefined> {
    const reader = new EventReader()
    this.#readers.add(reader)
    this.#pump()
    try {
      yield* reader.events()
    } finally {
      this.#readers.delete(reader)
      reader.stop()
    }
  }

  get #hasTakers(): boolean {
    return this.#readers.size > 0 || [...this.#handlers.values()].some((handlers) => handlers.size > 0)
  }

  /** Moves events on while there is somebody to take them. */
  async #pump(): Promise<void> {
    if (this.#pumping || !this.#hasTakers) return
    this.#pumping = true
    for (;;) {
      this.#held ??= await this.#queue.take()
      const item = this.#held
      if (!item || !this.#hasTakers) break
      this.#held = undefined
      await this.#deliver(item)
    }
    this.#pumping = false
    if (this.#queue.isClosed && !this.#held) for (const reader of this.#readers) reader.stop()
  }

  async #deliver({ event, taken, isStale }: QueuedEvent): Promise<void> {
    if (isStale?.()) return
    for (const handler of this.#handlers.get(event.event) ?? []) {
      try {
        await handler(event)
      } catch (error) {
        this.#onHandlerError(error)
      }
    }
    await Promise.all([...this.#readers].map((reader) => reader.hand(event)))
    taken?.()
  }
}

/** One iteration over the events: hands over one event at a time. */
class EventReader {
  readonly #queue = new BoundedQueue<AgentEvent>(1)
  #handed = Promise.withResolvers<void>()

  /** Resolves when the reader asks for the event after this one, or stops. */
  async hand(event: AgentEvent): Promise<void> {
    this.#handed = Promise.withResolvers<void>()
    if (this.#queue.tryPut(event)) await this.#handed.promise
  }

  async *events(): AsyncGenerator<AgentEvent, void, undefined> {
    for await (const event of this.#queue) {
      yield event
      this.#handed.resolve()
    }
  }

  stop(): void {
    this.#queue.close()
    this.#handed.resolve()
  }
}
