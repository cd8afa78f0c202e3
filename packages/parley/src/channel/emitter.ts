import type { ChannelEventName, ChannelEvents, ChannelHandler } from './types.ts'

type AnyHandler = (event: never) => void | Promise<void>

/** Tells handlers of events. */
export class ChannelEmitter {
  readonly #handlers = new Map<ChannelEventName, Set<AnyHandler>>()
  readonly #onError: (name: ChannelEventName, error: unknown) => void
  readonly #onAdded: (name: ChannelEventName) => void

  /**
   * @param onError told of what a handler threw or rejected with
   * @param onAdded told of new handlers
   */
  constructor(onError: (name: ChannelEventName, error: unknown) => void, onAdded: (name: ChannelEventName) => void) {
    this.#onError = onError
    this.#onAdded = onAdded
  }

  on<N extends ChannelEventName>(name: N, handler: ChannelHandler<N>): () => void {
    const handlers = this.#handlers.get(name) ?? new Set()
    this.#handlers.set(name, handlers)
    handlers.add(handler as AnyHandler)
    this.#onAdded(name)
    return () => handlers.delete(handler as AnyHandler)
  }

  has(name: ChannelEventName): boolean {
    return (this.#handlers.get(name)?.size ?? 0) > 0
  }

  /** Calls the handlers and waits for them: whether there were some, and none of them failed. */
  async deliver<N extends ChannelEventName>(name: N, event: ChannelEvents[N]): Promise<boolean> {
    const handlers = [...(this.#handlers.get(name) ?? [])] as ChannelHandler<N>[]
    const results = await Promise.allSettled(handlers.map(async (handler) => handler(event)))
    const failures = results.filter((result) => result.status === 'rejected')
    for (const { reason } of failures) this.#onError(name, reason)
    return handlers.length > 0 && failures.length === 0
  }

  /** Calls the handlers; `failed` is called when one of them failed. */
  emit<N extends ChannelEventName>(name: N, event: ChannelEvents[N], failed?: () => void): void {
    for (const handler of this.#handlers.get(name) ?? []) {
      const fail = (error: unknown) => {
        this.#onError(name, error)
        failed?.()
      }
      try {
        Promise.resolve((handler as ChannelHandler<N>)(event)).catch(fail)
      } catch (error) {
        fail(error)
      }
    }
  }
}
