import type { Agent, AgentTransaction, ApplicationStore } from '@parley/agent'
import type { Db, SqlValue } from '../../store/index.ts'
import { MIGRATIONS } from './schema.ts'

/** The tables of channels, in the database of the agent that carries them. */
export class ChannelStore implements Db {
  readonly #store: ApplicationStore
  readonly #onUndone: () => void

  /**
   * @param onUndone called when nothing of a transaction is stored: what is kept in memory is to be read again
   * @throws StoreError NEWER, MIGRATION, IO; AgentError INACTIVE
   */
  constructor(agent: Agent, onUndone: () => void) {
    this.#store = agent.applicationStore(MIGRATIONS)
    this.#onUndone = onUndone
  }

  /** True once the agent has released its store. */
  get isClosed(): boolean {
    return this.#store.isClosed
  }

  get<Row>(sql: string, ...parameters: readonly SqlValue[]): Row | undefined {
    return this.#store.get<Row>(sql, ...parameters)
  }

  all<Row>(sql: string, ...parameters: readonly SqlValue[]): Row[] {
    return this.#store.all<Row>(sql, ...parameters)
  }

  run(sql: string, ...parameters: readonly SqlValue[]): number {
    return this.#store.run(sql, ...parameters)
  }

  /**
   * Runs `work` in a transaction of the agent's store; resolves when it is on disk, with the messages that it sends.
   * @param hasTime as in `ApplicationStore.transaction`
   * @throws what `work` throws; StoreError
   */
  async transaction<T>(work: (tx: AgentTransaction) => T, hasTime = false): Promise<T> {
    try {
      return await this.#store.transaction(work, hasTime)
    } catch (error) {
      this.#onUndone()
      throw error
    }
  }
}
