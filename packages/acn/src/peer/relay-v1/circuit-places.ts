import type { PeerLimits } from '../limits.ts'
import { CircuitError } from './circuit-error.ts'
import { CIRCUIT_STATUS } from './message.ts'

/** Counts circuits, in all and by the peers at their two ends, and refuses those above the limits. */
export class CircuitPlaces {
  readonly #limits: Pick<PeerLimits, 'relayedConnections' | 'relayedConnectionsPerPeer'>
  readonly #perPeer = new Map<string, number>()
  #all = 0

  constructor(limits: Pick<PeerLimits, 'relayedConnections' | 'relayedConnectionsPerPeer'>) {
    this.#limits = limits
  }

  /** Circuits that are open or being opened. */
  get size(): number {
    return this.#all
  }

  /**
   * Takes a place for one circuit. Returns what gives it back; calling that twice does nothing more.
   * @param ends peer ids
   * @throws CircuitError HOP_CANT_OPEN_DST_STREAM when there is none
   */
  enter(...ends: readonly string[]): () => void {
    const { relayedConnections, relayedConnectionsPerPeer } = this.#limits
    const isFull =
      this.#all >= relayedConnections || ends.some((end) => (this.#perPeer.get(end) ?? 0) >= relayedConnectionsPerPeer)
    if (isFull) throw new CircuitError(CIRCUIT_STATUS.HOP_CANT_OPEN_DST_STREAM, 'too many circuits')
    this.#all++
    for (const end of ends) this.#perPeer.set(end, (this.#perPeer.get(end) ?? 0) + 1)
    let left = false
    return () => {
      if (left) return
      left = true
      this.#all--
      for (const end of ends) this.#leave(end)
    }
  }

  #leave(end: string): void {
    const count = (this.#perPeer.get(end) ?? 1) - 1
    if (count === 0) this.#perPeer.delete(end)
    else this.#perPeer.set(end, count)
  }
}
