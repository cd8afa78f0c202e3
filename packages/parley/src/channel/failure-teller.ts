import { toHex } from '@parley/core/encoding'
import type { ChannelContext } from './context.ts'
import { TRY_AGAIN } from './limits.ts'
import { deleteUntold, listUntold } from './store/untold.ts'

/** Told in one transaction at most. */
const AT_ONCE = 100

/**
 * Tells the application which envelopes will not be delivered: each until its handler has resolved, also after a crash, so
 * that none is given up in silence.
 */
export class FailureTeller {
  readonly #context: ChannelContext
  #isTelling = false
  #again = false

  constructor(context: ChannelContext) {
    this.#context = context
  }

  /** There may be something to tell. */
  kick(): void {
    this.#again = true
    if (this.#isTelling) return
    this.#isTelling = true
    this.#context.run('telling', this.#tell())
  }

  async #tell(): Promise<void> {
    const { db, events, closing, after } = this.#context
    try {
      while (this.#again && !closing.aborted && events.has('notDelivered')) {
        this.#again = false
        const untold = listUntold(db, AT_ONCE)
        const told: number[] = []
        for (const { number, local, peer, id, reason, status } of untold) {
          const event = { local, peer, id: toHex(id), reason, ...(status !== null && { status }) }
          if (!(await events.deliver('notDelivered', event))) break
          told.push(number)
        }
        if (told.length > 0) await db.transaction((tx) => deleteUntold(tx, told))
        if (told.length < untold.length) after(TRY_AGAIN, () => this.kick())
        else this.#again ||= untold.length === AT_ONCE
      }
    } finally {
      this.#isTelling = false
    }
  }
}
