import type { Connection, Listener } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { CIRCUIT_PROTOCOL } from '../relay-v1/message.ts'
import { HOP_V2_PROTOCOL } from '../relay-v1/stop-v2.ts'
import type { PeerTimeouts } from '../timeouts.ts'
import { Backoff } from './backoff.ts'
import type { NodeParts } from './libp2p-node.ts'

/** Tries at one relay before the next is taken. */
const TRIES = 3

/** What a relay client works with. */
export interface RelayComponents {
  readonly parts: NodeParts
  readonly timeouts: Pick<PeerTimeouts, 'reservation' | 'contact'>
  /** Peer ids of the relays, in the order in which they are taken. */
  readonly relays: readonly string[]
  /** Connects to a relay. */
  readonly reach: (relay: string, signal: AbortSignal) => Promise<Connection>
  /** Protocols that a peer is known to speak, as far as identified. */
  readonly protocols: (connection: Connection) => Promise<readonly string[]>
  /** Registers at a relay through which this client can now be reached. */
  readonly register: (relay: string, signal: AbortSignal) => Promise<void>
  /** Told of each change of the contact; undefined while there is none. */
  readonly onChange: (relay: string | undefined) => void
}

/**
 * Keeps a relay client reachable through one relay, its contact: reserves a place there and registers. When the contact
 * is lost it is tried again a few times, then the next one is taken.
 */
export class RelayContact {
  readonly #components: RelayComponents
  readonly #abort = new AbortController()
  readonly #listeners = new Map<string, Listener>()
  #contact: string | undefined

  constructor(components: RelayComponents) {
    this.#components = components
  }

  /** Peer id of the relay through which this client is reached now. */
  get contact(): string | undefined {
    return this.#contact
  }

  /**
   * Finds a contact, trying each relay once, and keeps one from then on.
   * @throws what the last relay failed with
   */
  async start(signal?: AbortSignal): Promise<void> {
    const both = signal ? AbortSignal.any([signal, this.#abort.signal]) : this.#abort.signal
    let failure: unknown = new Error('no relay given')
    for (const relay of this.#components.relays) {
      try {
        this.#hold(relay, await this.#enter(relay, both))
        return
      } catch (error) {
        both.throwIfAborted()
        failure = error
      }
    }
    throw failure
  }

  stop(): void {
    this.#abort.abort(new Error('host stops'))
    this.#contact = undefined
  }

  async #enter(relay: string, signal: AbortSignal): Promise<Connection> {
    const { reach, register, timeouts } = this.#components
    const connection = await reach(relay, signal)
    await this.#reserve(relay, connection, AbortSignal.any([signal, AbortSignal.timeout(timeouts.reservation)]))
    await register(relay, signal)
    return connection
  }

  #hold(relay: string, connection: Connection): void {
    this.#contact = relay
    this.#components.onChange(relay)
    const onClose = () => {
      this.#contact = undefined
      if (this.#abort.signal.aborted) return
      this.#components.onChange(undefined)
      this.#find(relay).catch(() => {})
    }
    if (connection.status === 'open') connection.addEventListener('close', onClose, { once: true })
    else onClose()
  }

  /** Finds a contact again, beginning with the one that was lost, until there is one. */
  async #find(lost: string): Promise<void> {
    const { signal } = this.#abort
    const { relays, timeouts } = this.#components
    const from = Math.max(0, relays.indexOf(lost))
    const backoff = new Backoff(timeouts.contact)
    for (let i = 0; ; i++) {
      const relay = relays[(from + Math.floor(i / TRIES)) % relays.length] ?? lost
      try {
        this.#hold(relay, await this.#enter(relay, signal))
        return
      } catch {
        await backoff.wait(signal)
      }
    }
  }

  /**
   * Reserves a place at a relay and waits for the address that comes of it. A relay that has just started may not offer
   * its service yet; libp2p would never again try one that was asked too early.
   */
  async #reserve(relay: string, connection: Connection, signal: AbortSignal): Promise<void> {
    const { parts, protocols } = this.#components
    const backoff = new Backoff([20, 500])
    const base = connection.remoteAddr.toString().replace(/\/p2p\/[^/]+$/, '')
    const address = multiaddr(`${base}/p2p/${relay}/p2p-circuit`)
    for (;;) {
      const spoken = await protocols(connection)
      if (spoken.includes(HOP_V2_PROTOCOL)) break
      // A relay of the older generation keeps no places: it relays to whoever is connected.
      if (spoken.includes(CIRCUIT_PROTOCOL)) return this.#announce(address, connection)
      await backoff.wait(signal)
    }
    const known = this.#listeners.get(relay)
    if (known) await known.listen(address)
    else await this.#listen(relay, () => parts.transportManager.listen([address]))
    while (!this.#isAnnounced(relay)) await backoff.wait(signal)
  }

  /** Lets others know of an address for as long as a connection holds. */
  #announce(address: Multiaddr, connection: Connection): void {
    const { addressManager } = this.#components.parts
    addressManager.confirmObservedAddr(address, { type: 'transport' })
    connection.addEventListener('close', () => addressManager.removeObservedAddr(address), { once: true })
  }

  /** A listener stays when its relay is lost and is used again when it is back: libp2p removes none. */
  async #listen(relay: string, listen: () => Promise<void>): Promise<void> {
    const { transportManager } = this.#components.parts
    const before = new Set(transportManager.getListeners())
    await listen()
    const added = transportManager.getListeners().find((listener) => !before.has(listener))
    if (added) this.#listeners.set(relay, added)
  }

  #isAnnounced(relay: string): boolean {
    const { addressManager } = this.#components.parts
    return addressManager.getAddresses().some((address) => address.toString().includes(`/p2p/${relay}/p2p-circuit`))
  }
}
