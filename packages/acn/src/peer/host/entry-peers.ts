import type { Connection, Libp2p, PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { formatPeerAddress, type PeerAddress } from '../../protocol/index.ts'
import type { RoutingTable } from '../dht/routing-table.ts'
import type { PeerTimeouts } from '../timeouts.ts'
import { Backoff } from './backoff.ts'

/** No entry peer could be reached. */
export class JoinError extends Error {
  constructor(text: string, options?: ErrorOptions) {
    super(text, options)
    this.name = 'JoinError'
  }
}

/** An entry peer, named by its id. */
export type EntryPeer = PeerAddress & { readonly peerId: string }

/** What entry peers are reached with. */
export interface EntryComponents {
  readonly node: Libp2p
  readonly routingTable: RoutingTable
  readonly timeouts: Pick<PeerTimeouts, 'dial' | 'routingTable' | 'rejoin'>
  /** Called with a connection to each entry peer that was reached, and again whenever it was lost and came back. */
  readonly onReached: (connection: Connection, signal: AbortSignal) => Promise<void>
}

/**
 * Connects to the entry peers and stays connected: one that is lost is reached again, as it may have started anew and
 * know nothing of us. Those that could not be reached at first are tried on.
 */
export class EntryPeers {
  readonly #components: EntryComponents
  readonly #entries: Map<string, { readonly id: PeerId; readonly address: Multiaddr }>
  readonly #keeping = new Set<string>()
  readonly #abort = new AbortController()

  constructor(components: EntryComponents, entries: readonly EntryPeer[]) {
    this.#components = components
    this.#entries = new Map(
      entries.map((entry) => {
        const id = peerIdFromString(entry.peerId)
        return [entry.peerId, { id, address: multiaddr(formatPeerAddress(entry)) }]
      }),
    )
  }

  /** Number of entry peers. */
  get size(): number {
    return this.#entries.size
  }

  /** Peer ids of the entry peers that are connected. */
  get connected(): string[] {
    const { node } = this.#components
    return [...this.#entries].filter(([, { id }]) => node.getConnections(id).length > 0).map(([peerId]) => peerId)
  }

  /**
   * Reaches all entry peers at once and returns when each was reached or has failed for now.
   * @throws JoinError when none was reached, with the last reason as its cause; they are tried on nevertheless
   */
  async join(signal?: AbortSignal): Promise<void> {
    const both = signal ? AbortSignal.any([signal, this.#abort.signal]) : this.#abort.signal
    this.#components.node.addEventListener('peer:disconnect', this.#onDisconnect)
    const results = await Promise.allSettled([...this.#entries.keys()].map((peerId) => this.reach(peerId, both)))
    both.throwIfAborted()
    for (const peerId of this.#entries.keys()) this.#keep(peerId)
    if (results.some(({ status }) => status === 'fulfilled')) return
    const failure = results.find((result) => result.status === 'rejected')
    throw new JoinError('no entry peer could be reached', { cause: failure?.reason })
  }

  /**
   * Connects to an entry peer, waits until it is in the routing table, and tells that it was reached.
   * @throws when that fails
   */
  async reach(peerId: string, signal: AbortSignal): Promise<Connection> {
    const entry = this.#entries.get(peerId)
    if (!entry) throw new JoinError('not an entry peer')
    const { node, routingTable, timeouts, onReached } = this.#components
    const connection = await node.dial(entry.address, { signal: withTimeout(signal, timeouts.dial) })
    await routingTable.waitFor(entry.id, withTimeout(signal, timeouts.routingTable))
    await onReached(connection, signal)
    return connection
  }

  /** Lets go of them. */
  stop(): void {
    this.#components.node.removeEventListener('peer:disconnect', this.#onDisconnect)
    this.#abort.abort(new Error('host stops'))
  }

  readonly #onDisconnect = ({ detail }: CustomEvent<PeerId>): void => {
    this.#keep(detail.toString())
  }

  /** Reaches an entry peer that is not connected, however long that takes. */
  #keep(peerId: string): void {
    const entry = this.#entries.get(peerId)
    if (!entry || this.#keeping.has(peerId) || this.#abort.signal.aborted) return
    if (this.#components.node.getConnections(entry.id).length > 0) return
    this.#keeping.add(peerId)
    this.#reachAgain(peerId)
      .catch(() => {})
      .finally(() => {
        this.#keeping.delete(peerId)
        // It may have gone again meanwhile.
        this.#keep(peerId)
      })
  }

  async #reachAgain(peerId: string): Promise<void> {
    const { signal } = this.#abort
    const backoff = new Backoff(this.#components.timeouts.rejoin)
    for (;;) {
      await backoff.wait(signal)
      try {
        await this.reach(peerId, signal)
        return
      } catch {
        signal.throwIfAborted()
      }
    }
  }
}

function withTimeout(signal: AbortSignal, time: number): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(time)])
}
