import { type ChannelContext, pairKey } from './context.ts'
import type { Flows } from './flows.ts'
import { CLEANUP_INTERVAL, HISTORY, PAIR_IDLE } from './limits.ts'
import type { Pair } from './pair.ts'
import { expireOutgoing, insertOutcome } from './store/outbox.ts'
import { removeEmptyPair } from './store/pairs.ts'
import { forgetOld } from './store/requests.ts'
import { insertUntold } from './store/untold.ts'

/** Ends from time to time what is too old. */
export class Housekeeping {
  readonly #context: ChannelContext
  readonly #flows: Flows

  constructor(context: ChannelContext, flows: Flows) {
    this.#context = context
    this.#flows = flows
  }

  /** Reports what has expired and forgets what is too old, now and from time to time. */
  start(): void {
    const { limits, after } = this.#context
    this.#context.run('cleaning up', this.#cleanUpOnce())
    after(Math.min(CLEANUP_INTERVAL, limits.lifetime, limits.requestAgain), () => this.start())
  }

  async #cleanUpOnce(): Promise<void> {
    const { db, now, pairs, tellFailures } = this.#context
    const byId = new Map([...pairs.values()].map((pair) => [pair.record.pairId, pair]))
    const expired = await db.transaction((tx) => {
      forgetOld(tx, now(), HISTORY)
      const list = expireOutgoing(tx, now())
      for (const { pairId, id, size } of list) {
        insertOutcome(tx, pairId, id, 'expired', now())
        const pair = byId.get(pairId)
        if (!pair) continue
        insertUntold(tx, pair.names, { id, reason: 'expired', at: now() })
        pair.waiting.count--
        pair.waiting.bytes -= size
      }
      return list
    })
    if (expired.length > 0) tellFailures()
    // Room for those who wait to send.
    if (expired.length > 0) for (const pair of pairs.values()) this.#flows.senderOf(pair).kick()
    this.#flows.openings.cleanUp()
    await this.#forgetPairs()
  }

  /** Forgets pairs of which nothing is left. */
  async #forgetPairs(): Promise<void> {
    const { db, pairs, now } = this.#context
    const isIdle = (pair: Pair) =>
      pair.links.size === 0 &&
      pair.pins === 0 &&
      now() - pair.usedAt > PAIR_IDLE &&
      !this.#flows.admission.isWaitingFor(pair)
    const idle = [...pairs.values()].filter(isIdle)
    if (idle.length === 0) return
    await db.transaction((tx) => {
      for (const pair of idle) {
        if (!isIdle(pair) || !removeEmptyPair(tx, pair.record.pairId)) continue
        pairs.delete(pairKey(pair.local, pair.peer))
        this.#flows.forget(pair)
      }
    })
  }
}
