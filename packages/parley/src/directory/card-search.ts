import type { ProofCache } from '@parley/acn/record'
import {
  bestCard,
  CardError,
  type CardErrorCode,
  type CardKind,
  holdsAt,
  knownCard,
  type VerifiedCard,
  verifyCard,
} from '../card/index.ts'
import type { CardStore } from './card-store.ts'
import { CARD_PROTOCOL, type DirectoryHost } from './directory-host.ts'
import { askPeer } from './exchange.ts'
import type { DirectoryLimits, DirectoryTimeouts } from './limits.ts'

/** A card that was refused. */
export interface RefusedCard {
  readonly address: string
  readonly code: CardErrorCode
  /** Who gave it: a peer id, or `link`. */
  readonly from: string
}

/** What a search is made from. */
export interface CardSearchOptions {
  readonly host: DirectoryHost
  readonly store: CardStore
  readonly limits: Pick<DirectoryLimits, 'cached' | 'providers'>
  readonly timeouts: Pick<DirectoryTimeouts, 'ask' | 'gather' | 'search' | 'found' | 'notFound'>
  /** Whether the cards of an address that are in the store are served. */
  readonly isServed: (address: string) => boolean
  readonly proofs: ProofCache
  readonly onRefused: (refused: RefusedCard) => void
  /** Ends all searches. */
  readonly signal: AbortSignal
}

interface Entry {
  readonly cards: readonly VerifiedCard[]
  /** Milliseconds since 1970. */
  readonly until: number
}

const KINDS: readonly CardKind[] = ['ledger', 'represented']

/**
 * Finds the cards of an address in the open: those of this node, and those of the providers that the DHT names. Remembers
 * for a while what it found, and what it did not.
 */
export class CardSearch {
  readonly #options: CardSearchOptions
  readonly #known = new Map<string, Entry>()
  readonly #running = new Map<string, Promise<readonly VerifiedCard[]>>()

  constructor(options: CardSearchOptions) {
    this.#options = options
  }

  /** Valid cards that this node serves itself. */
  served(address: string): VerifiedCard[] {
    const { store, isServed } = this.#options
    if (!isServed(address)) return []
    const now = Date.now()
    return store
      .served(address)
      .map(knownCard)
      .filter((card) => holdsAt(card, now))
  }

  /**
   * The newest valid card of each kind; empty when there is none.
   * @param fresh looks again, whatever is remembered
   * @throws the signal's reason
   */
  async find(
    address: string,
    { signal, fresh = false }: { readonly signal: AbortSignal; readonly fresh?: boolean },
  ): Promise<readonly VerifiedCard[]> {
    const served = this.served(address)
    if (served.length > 0) return served
    const known = this.#known.get(address)
    if (!fresh && known && known.until > Date.now()) return known.cards
    // Those who look for the same at the same time look together; the first who loses patience does not end it.
    const running = this.#running.get(address) ?? this.#search(address)
    return abortable(running, signal)
  }

  /** Forgets what was found of an address. */
  forget(address: string): void {
    this.#known.delete(address)
  }

  async #search(address: string): Promise<readonly VerifiedCard[]> {
    const searching = this.#gather(address)
    this.#running.set(address, searching)
    try {
      const cards = await searching
      this.#remember(address, cards)
      return cards
    } finally {
      this.#running.delete(address)
    }
  }

  async #gather(address: string): Promise<readonly VerifiedCard[]> {
    const { host, limits, timeouts, signal } = this.#options
    const end = new AbortController()
    const all = AbortSignal.any([signal, end.signal, AbortSignal.timeout(timeouts.search)])
    const found: VerifiedCard[] = []
    let timer: NodeJS.Timeout | undefined
    const ask = async (peerId: string) => {
      found.push(...(await this.#ask(peerId, address, all)))
      // Others may know a newer one, but not all of them will ever answer.
      if (found.length > 0) timer ??= setTimeout(() => end.abort(new Error('found')), timeouts.gather)
    }
    const asking: Promise<void>[] = []
    const finish = Promise.withResolvers<void>()
    all.addEventListener('abort', () => finish.resolve(), { once: true })
    const search = async () => {
      try {
        for await (const peerId of host.providersOf(address, all)) {
          if (peerId === host.peerId) continue
          asking.push(ask(peerId).catch(() => {}))
          if (asking.length >= limits.providers) break
        }
      } catch {
        // The search was ended, or the DHT has nobody.
      }
      await Promise.all(asking)
    }
    try {
      await Promise.race([search(), finish.promise])
    } finally {
      clearTimeout(timer)
      end.abort(new Error('search is over'))
    }
    signal.throwIfAborted()
    return KINDS.flatMap((kind) => bestCard(found.filter((card) => card.kind === kind)) ?? [])
  }

  async #ask(peerId: string, address: string, signal: AbortSignal): Promise<VerifiedCard[]> {
    const { host, timeouts } = this.#options
    if ((await host.speaks(peerId, CARD_PROTOCOL)) === false) return []
    const options = { timeout: timeouts.ask, signal }
    const { cards } = await askPeer(host, peerId, { type: 'request', address }, 'answer', options)
    return this.verified(address, cards, peerId)
  }

  /** Those of the cards that prove themselves; the others are reported. */
  verified(address: string, cards: readonly Uint8Array[], from: string): VerifiedCard[] {
    const { proofs: cache, onRefused } = this.#options
    return cards.flatMap((bytes) => {
      try {
        return [verifyCard(bytes, { expectedAddress: address, cache })]
      } catch (error) {
        if (!(error instanceof CardError)) throw error
        onRefused({ address, code: error.code, from })
        return []
      }
    })
  }

  #remember(address: string, cards: readonly VerifiedCard[]): void {
    const { timeouts, limits } = this.#options
    const lifetime = cards.length > 0 ? timeouts.found : timeouts.notFound
    const until = Math.min(Date.now() + lifetime, ...cards.map(({ card }) => card.notAfter))
    this.#known.delete(address)
    this.#known.set(address, { cards, until })
    const [oldest] = this.#known.keys()
    if (this.#known.size > limits.cached && oldest !== undefined) this.#known.delete(oldest)
  }
}

/** Waits for a promise until the signal aborts; the promise goes on. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const onAbort = () => aborted.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  promise.catch(() => {})
  try {
    return await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
