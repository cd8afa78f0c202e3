/** Peers that are remembered. */
const LIMIT = 10_000

/**
 * Through which peer those are reached that look-ups have named, for circuits to them. Peers that no look-up named are
 * not dialled on behalf of others.
 */
export class FoundRelays {
  readonly #providers = new Map<string, string>()

  /** Remembers what a look-up said: the peer of an agent, and the one that gave its record, which may be the same. */
  add({ peerId, provider }: { readonly peerId: string; readonly provider: string }): void {
    this.#providers.delete(peerId)
    this.#providers.set(peerId, provider)
    const [oldest] = this.#providers.keys()
    if (this.#providers.size > LIMIT && oldest !== undefined) this.#providers.delete(oldest)
  }

  /** Peer id of the one through which a peer is reached; undefined for peers that were not found. */
  of(peerId: string): string | undefined {
    return this.#providers.get(peerId)
  }
}
