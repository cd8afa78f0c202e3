import type { PeerId } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'

/** What is used of kad-dht's routing table; the package's own types show only its size. */
interface KadRoutingTable extends EventTarget {
  readonly size: number
  find(peer: PeerId): Promise<PeerId | undefined>
  closestPeers(kadId: Uint8Array, options: { count: number }): PeerId[]
  remove(peer: PeerId): Promise<void>
}

/** The peers that this one knows to take part in the DHT, kept by kad-dht, which adds those that answer a ping. */
export class RoutingTable {
  readonly #table: KadRoutingTable

  constructor(dht: KadDHT) {
    this.#table = (dht as unknown as { routingTable: KadRoutingTable }).routingTable
  }

  get size(): number {
    return this.#table.size
  }

  async has(peer: PeerId): Promise<boolean> {
    return (await this.#table.find(peer)) !== undefined
  }

  /** The peers closest to a point of the DHT (32 bytes), the closest first. */
  closest(point: Uint8Array, count: number): PeerId[] {
    return this.#table.closestPeers(point, { count })
  }

  /** Forgets a peer that did not answer; it comes back when it connects. */
  async remove(peer: PeerId): Promise<void> {
    await this.#table.remove(peer)
  }

  /**
   * Waits until a peer is in the table.
   * @throws the signal's reason
   */
  async waitFor(peer: PeerId, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onAdd = (event: Event) => {
      if ((event as CustomEvent<PeerId>).detail.equals(peer)) resolve()
    }
    const onAbort = () => reject(signal.reason)
    this.#table.addEventListener('peer:add', onAdd)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      if (!(await this.has(peer))) await promise
    } finally {
      this.#table.removeEventListener('peer:add', onAdd)
      signal.removeEventListener('abort', onAbort)
      promise.catch(() => {})
    }
  }
}
