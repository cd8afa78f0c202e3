import { existsSync } from 'node:fs'
import { openWithPassphrase, type SqliteDatabase } from '../store/index.ts'
import { countInbox } from './store/inbox.ts'
import { listLinks } from './store/links.ts'
import { countOutbox, envelopeState } from './store/outbox.ts'
import { listPairs } from './store/pairs.ts'
import type { ChannelSummary, EnvelopeState } from './types.ts'

/** Looks into the store of an agent with channels that nobody has open: what {@link Channels} tells while they are. */
export class ChannelReader implements Disposable {
  readonly #database: SqliteDatabase

  private constructor(database: SqliteDatabase) {
    this.#database = database
  }

  /**
   * Opens an agent's store; undefined when there is none, or it has never carried channels.
   * @throws StoreError LOCKED when somebody has it open, PASSPHRASE, IO
   */
  static open(file: string, passphrase?: string): ChannelReader | undefined {
    if (!existsSync(file)) return undefined
    const database = openWithPassphrase(file, passphrase)
    if (database.get(`SELECT 1 FROM sqlite_master WHERE name = 'application_migrations'`)) {
      return new ChannelReader(database)
    }
    database.close()
    return undefined
  }

  /** As {@link Channels.stateOf}. */
  stateOf(local: string, peer: string, id: string): EnvelopeState | undefined {
    const pair = listPairs(this.#database).find((one) => one.local === local && one.peer === peer)
    if (!pair) return undefined
    const links = new Map(listLinks(this.#database).map((link) => [link.connId, link]))
    return envelopeState(this.#database, pair.pairId, id, (connId) => links.get(connId))
  }

  /** As {@link Channels.list}. */
  list(): ChannelSummary[] {
    const db = this.#database
    const links = listLinks(db)
    return listPairs(db).map(({ pairId, local, peer }) => {
      const living = links.filter((link) => link.pairId === pairId && link.state !== 'closing')
      const isOpen = living.some(({ state }) => state === 'open')
      return {
        local,
        peer,
        state: isOpen ? 'open' : living.length > 0 ? 'opening' : 'none',
        waiting: countOutbox(db, pairId).count,
        toTake: countInbox(db, pairId).count,
      }
    })
  }

  [Symbol.dispose](): void {
    this.#database.close()
  }
}
