import { setTimeout as delay } from 'node:timers/promises'
import { agentMultihash } from '../../protocol/index.ts'
import type { PeerTimeouts } from '../timeouts.ts'
import { compareDistance, pointOf } from './distance.ts'
import type { DhtPeer } from './message.ts'
import { CLOSEST_PEERS } from './search.ts'

/** Addresses for which the closest peers are searched at once, where the network is large. */
const CONCURRENCY = 4
/** Milliseconds from one round to the next at least: agents that come one after the other are announced together. */
const ROUND_GAP = 100
/** Share of the time between two announcements of all by which it varies, lest all peers do it together. */
const JITTER = 0.1
/** Milliseconds that each address adds to the time for announcing. */
const TIME_PER_KEY = 50
/** Milliseconds after which a round that reached nobody is made again. */
const RETRY = 10_000

/** What an announcer works with. */
export interface AnnounceNetwork {
  /** Known peers closest to a point, as far as known without asking. */
  closestKnown(point: Uint8Array, count: number): DhtPeer[]
  /** The peers closest to a key that answer. */
  findClosest(key: Uint8Array, signal: AbortSignal): Promise<DhtPeer[]>
  /**
   * Tells a peer that we provide the keys.
   * @throws when it cannot be told
   */
  tell(peer: DhtPeer, keys: readonly Uint8Array[], signal: AbortSignal): Promise<void>
}

interface Announced {
  readonly key: Uint8Array
  /** When it was last told to others; undefined while it never was. */
  at?: number
}

/**
 * Keeps the addresses of this node's agents announced: tells the peers closest to each, tells them again before they
 * forget, and tells peers that come (back), as a peer that starts anew knows nothing. Until it is enabled, it keeps
 * the addresses to itself: a peer alone has nobody to tell.
 */
export class Announcer {
  readonly #network: AnnounceNetwork
  readonly #timeouts: Pick<PeerTimeouts, 'announce' | 'reannounce'>
  readonly #addresses = new Map<string, Announced>()
  /** Keys in base64, for those who ask this peer. */
  readonly #keys = new Set<string>()
  readonly #abort = new AbortController()
  #enabled = false
  #due = new Set<string>()
  #round: Promise<void> | undefined
  /** Milliseconds since 1970 before which there is no other round. */
  #nextRoundAt = 0
  #timer: NodeJS.Timeout | undefined
  #retryTimer: NodeJS.Timeout | undefined
  /** Peers that are being told all; true when they are to be told once more. */
  readonly #telling = new Map<string, boolean>()

  constructor(network: AnnounceNetwork, timeouts: Pick<PeerTimeouts, 'announce' | 'reannounce'>) {
    this.#network = network
    this.#timeouts = timeouts
  }

  /** Whether addresses are told to others. */
  get isEnabled(): boolean {
    return this.#enabled
  }

  /** The addresses, announced or waiting to be. */
  get addresses(): string[] {
    return [...this.#addresses.keys()]
  }

  /** True when the address was told to others. */
  isAnnounced(address: string): boolean {
    return this.#addresses.get(address)?.at !== undefined
  }

  /** True for a key (34 bytes) that is ours to provide. */
  provides(key: Uint8Array): boolean {
    return this.#keys.has(Buffer.from(key).toString('base64'))
  }

  /**
   * Announces an address from now on. Returns when it was told to those whom it concerns or the time for that is over;
   * at once when announcing is not enabled yet. Failures are made up for by the next round.
   */
  async announce(address: string): Promise<void> {
    if (!this.#addresses.has(address)) {
      const key = agentMultihash(address)
      this.#addresses.set(address, { key })
      this.#keys.add(Buffer.from(key).toString('base64'))
    } else if (this.isAnnounced(address)) return
    if (!this.#enabled || this.#abort.signal.aborted) return
    this.#due.add(address)
    await this.#nextRound()
  }

  /** Announces an address no more. What others were told of it they forget with time. */
  withdraw(address: string): void {
    const announced = this.#addresses.get(address)
    if (!announced) return
    this.#addresses.delete(address)
    this.#due.delete(address)
    this.#keys.delete(Buffer.from(announced.key).toString('base64'))
  }

  /** Tells all from now on. */
  async enable(): Promise<void> {
    if (this.#enabled || this.#abort.signal.aborted) return
    this.#enabled = true
    this.#schedule()
    for (const address of this.#addresses.keys()) this.#due.add(address)
    if (this.#due.size > 0) await this.#nextRound()
  }

  /** Tells a peer that came into the network what it should keep. */
  async peerCame(peer: DhtPeer): Promise<void> {
    if (!this.#enabled || this.#addresses.size === 0) return
    const id = Buffer.from(peer.id).toString('base64')
    if (this.#telling.has(id)) {
      this.#telling.set(id, true)
      return
    }
    do {
      this.#telling.set(id, false)
      await this.#tellAllDue(peer)
    } while (this.#telling.get(id) && !this.#abort.signal.aborted)
    this.#telling.delete(id)
  }

  /** Tells nothing any more. */
  stop(): void {
    this.#enabled = false
    clearTimeout(this.#timer)
    clearTimeout(this.#retryTimer)
    this.#abort.abort(new Error('host stops'))
  }

  /** What is due now, or, if a round is under way, all that is due after it. */
  async #nextRound(): Promise<void> {
    while (this.#due.size > 0) {
      this.#round ??= this.#runRound().finally(() => {
        this.#round = undefined
      })
      await this.#round
    }
    await this.#round
  }

  async #runRound(): Promise<void> {
    // Those that come in the same turn go together, and those that come soon after others.
    const wait = Math.min(ROUND_GAP, this.#nextRoundAt - Date.now())
    if (wait > 0) await delay(wait, undefined, { signal: this.#abort.signal, ref: false }).catch(() => {})
    else await Promise.resolve()
    this.#nextRoundAt = Date.now() + ROUND_GAP
    const due = [...this.#due]
    this.#due.clear()
    const keys = due.flatMap((address) => this.#addresses.get(address)?.key ?? [])
    if (!(await this.#publish(keys))) {
      this.#retry(due)
      return
    }
    const at = Date.now()
    for (const address of due) {
      const announced = this.#addresses.get(address)
      if (announced) announced.at = at
    }
  }

  /** Nobody was reached: later, unless a peer comes before that. */
  #retry(addresses: string[]): void {
    if (this.#abort.signal.aborted) return
    this.#retryTimer ??= setTimeout(() => {
      this.#retryTimer = undefined
      for (const address of addresses) if (this.#addresses.has(address)) void this.announce(address)
    }, RETRY).unref()
  }

  /** True when at least one peer was told. */
  async #publish(keys: Uint8Array[]): Promise<boolean> {
    const [first] = keys
    if (!first) return false
    return this.#withDeadline(keys.length, async (signal) => {
      const closest = await this.#network.findClosest(first, signal)
      // In a network this small every peer is among the closest to every key.
      if (closest.length < CLOSEST_PEERS) return this.#tell(closest, keys, signal)
      let told = await this.#tell(closest, [first], signal)
      const rest = keys.slice(1).values()
      const work = async () => {
        for (const key of rest) {
          told = (await this.#tell(await this.#network.findClosest(key, signal), [key], signal)) || told
        }
      }
      await Promise.all(Array.from({ length: CONCURRENCY }, work))
      return told
    })
  }

  async #tell(peers: DhtPeer[], keys: Uint8Array[], signal: AbortSignal): Promise<boolean> {
    const results = await Promise.allSettled(peers.map((peer) => this.#network.tell(peer, keys, signal)))
    return results.some(({ status }) => status === 'fulfilled')
  }

  /** All keys to which the peer is among the closest that are known. */
  async #tellAllDue(peer: DhtPeer): Promise<void> {
    const point = pointOf(peer.id)
    const keys = [...this.#addresses.values()].map(({ key }) => key).filter((key) => this.#concerns(point, key))
    if (keys.length === 0) return
    await this.#withDeadline(keys.length, async (signal) => {
      const told = await this.#tell([peer], keys, signal)
      if (!told) return false
      const at = Date.now()
      for (const announced of this.#addresses.values()) if (keys.includes(announced.key)) announced.at ??= at
      return true
    })
  }

  #concerns(point: Uint8Array, key: Uint8Array): boolean {
    const target = pointOf(key)
    const known = this.#network.closestKnown(target, CLOSEST_PEERS)
    const last = known.at(-1)
    return known.length < CLOSEST_PEERS || !last || compareDistance(target, point, pointOf(last.id)) <= 0
  }

  async #withDeadline(keys: number, action: (signal: AbortSignal) => Promise<boolean>): Promise<boolean> {
    const deadline = new AbortController()
    const time = this.#timeouts.announce + keys * TIME_PER_KEY
    const timer = setTimeout(() => deadline.abort(new Error('announcement took too long')), time)
    try {
      return await action(AbortSignal.any([deadline.signal, this.#abort.signal]))
    } catch {
      return false
    } finally {
      clearTimeout(timer)
    }
  }

  #schedule(): void {
    const time = this.#timeouts.reannounce * (1 - JITTER * Math.random())
    this.#timer = setTimeout(() => {
      for (const address of this.#addresses.keys()) this.#due.add(address)
      this.#nextRound().finally(() => {
        if (this.#enabled) this.#schedule()
      })
    }, time).unref()
  }
}
