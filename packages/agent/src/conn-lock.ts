import { KeyedLock } from '@parley/core/lock'

/** One thing at a time per connection: `withConnLock` of the architecture. */
export class ConnLock {
  readonly #locks = new KeyedLock()

  /**
   * Runs `action` when everything asked for before on the same connection has finished.
   * Nothing in it may wait for the application to take events: the application may wait for the lock.
   * @throws what `action` throws; the signal's reason when it aborts before the turn came
   */
  withConnLock<T>(connId: string, action: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#locks.withLock(connId, action, signal)
  }
}
