import { setTimeout as sleep } from 'node:timers/promises'
import type { FoundCard } from '../directory/index.ts'

/** Waits between two looks for a card that leads somewhere, ms. */
const WAITS = { first: 500, longest: 60_000 }
/** Looks for the card of a peer for which nothing waits. */
const LOOKS_FOR_NOTHING = 8

/** What cards are looked for with. */
export interface CardNeedsOptions {
  readonly find: (address: string) => Promise<FoundCard | undefined>
  /** Goes on with a card; what it throws ends the search. */
  readonly open: (local: string, peer: string, found: FoundCard) => Promise<void>
  /** Whether something waits for the peer. */
  readonly isWaiting: (local: string, peer: string) => boolean
  readonly signal: AbortSignal
}

/** Peers whose card leads nowhere: another one is looked for, less and less often, until a channel is open. */
export class CardNeeds {
  readonly #options: CardNeedsOptions
  /** Looks since the last channel, by pair. */
  readonly #looks = new Map<string, number>()
  /** Pairs for which a card is looked for, and whether one is needed that was not found yet. */
  readonly #looking = new Map<string, boolean>()

  constructor(options: CardNeedsOptions) {
    this.#options = options
  }

  /** The card of a peer is of no use. */
  need(local: string, peer: string): void {
    const key = keyOf(local, peer)
    const isLooking = this.#looking.has(key)
    this.#looking.set(key, true)
    if (!isLooking) void this.#look(key, local, peer)
  }

  /** There is a channel. */
  opened(local: string, peer: string): void {
    this.#looks.delete(keyOf(local, peer))
  }

  async #look(key: string, local: string, peer: string): Promise<void> {
    const { find, open, isWaiting, signal } = this.#options
    try {
      while (!signal.aborted) {
        const looks = this.#looks.get(key) ?? 0
        this.#looks.set(key, looks + 1)
        // A card that was found and led nowhere is not tried again at once either.
        const wait = looks === 0 ? 0 : Math.min(WAITS.longest, WAITS.first * 2 ** Math.min(looks - 1, 16))
        await sleep(wait, undefined, { signal, ref: false }).catch(() => {})
        if (signal.aborted) return
        const found = await find(peer).catch(() => undefined)
        if (found) {
          // What is needed from here on is another one: that this leads nowhere may be heard before it is taken.
          this.#looking.set(key, false)
          await open(local, peer, found)
          if (!this.#looking.get(key)) return
        } else if (looks >= LOOKS_FOR_NOTHING && !isWaiting(local, peer)) {
          this.#looks.delete(key)
          return
        }
      }
    } catch {
      this.#looks.delete(key)
    } finally {
      // With the last look at what is needed, so that nothing comes between.
      this.#looking.delete(key)
    }
  }
}

function keyOf(local: string, peer: string): string {
  return `${local.length}:${local}${peer}`
}
