const LIMIT = 10_000

/**
 * Which peer took the last envelope of each pair, for the pairs used last: it may still have some that go before those
 * which another peer is to get.
 */
export class FormerPeers {
  readonly #byReceiver = new Map<string, Map<string, string>>()

  /** The peer that took the last one; undefined when that is not known. */
  get(to: string, sender: string): string | undefined {
    return this.#byReceiver.get(to)?.get(sender)
  }

  /** Senders whose last envelope for an agent another peer took, each with that peer. */
  of(to: string): ReadonlyMap<string, string> {
    return this.#byReceiver.get(to) ?? new Map()
  }

  put(to: string, sender: string, peerId: string): void {
    const known = this.#byReceiver.get(to)
    this.#byReceiver.delete(to)
    this.#byReceiver.set(to, (known ?? new Map()).set(sender, peerId))
    const [oldest] = this.#byReceiver.keys()
    if (this.#byReceiver.size > LIMIT && oldest !== undefined) this.#byReceiver.delete(oldest)
  }

  /** Nothing waits there any more. */
  delete(to: string, sender: string): void {
    const known = this.#byReceiver.get(to)
    known?.delete(sender)
    if (known?.size === 0) this.#byReceiver.delete(to)
  }
}
