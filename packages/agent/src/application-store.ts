import { type AgentContext, applyEffects } from './agent-context.ts'
import type { AgentError } from './agent-error.ts'
import { commandError } from './client-errors.ts'
import { type MessageToSend, type SentMessage, storeMessages } from './connection/send.ts'
import { Effects } from './effects.ts'
import type { InstalledReceiver, MessageReceiver } from './message-receiver.ts'
import type { Db, SqliteDatabase, SqlValue } from './store/database.ts'

/** A transaction in the agent's store: what the application writes to its own tables, and what it sends about it. */
export interface AgentTransaction extends Db {
  /**
   * Accepts messages, as `Agent.sendMessages` does: they are sent once the transaction is on disk.
   * @returns for each message its id or why it was refused, in the order given
   */
  sendMessages(messages: readonly MessageToSend[]): (SentMessage | AgentError)[]
}

/** What an application with tables in the agent's database may ask for. */
export interface ApplicationStoreOptions {
  /**
   * Called when nothing is stored of a transaction of this store, or of one in which its receiver was offered a message:
   * what the application keeps in memory may be ahead of its tables. They can be read again here unless the store is
   * closed.
   */
  readonly onUndone?: () => void
}

/** The application's tables in the agent's database. Reads see what is committed, at once. */
export class ApplicationStore implements Db {
  readonly #context: AgentContext
  readonly #database: SqliteDatabase
  readonly #onUndone: () => void

  /** @param database the agent's, with the application's tables in it */
  constructor(
    context: AgentContext,
    database: SqliteDatabase,
    { onUndone = () => undefined }: ApplicationStoreOptions = {},
  ) {
    this.#context = context
    this.#database = database
    this.#onUndone = onUndone
  }

  /** True once the agent has released its store. */
  get isClosed(): boolean {
    return this.#database.isClosed
  }

  get<Row>(sql: string, ...parameters: readonly SqlValue[]): Row | undefined {
    return this.#database.get<Row>(sql, ...parameters)
  }

  all<Row>(sql: string, ...parameters: readonly SqlValue[]): Row[] {
    return this.#database.all<Row>(sql, ...parameters)
  }

  run(sql: string, ...parameters: readonly SqlValue[]): number {
    return this.#database.run(sql, ...parameters)
  }

  /**
   * Runs `work` in a transaction; resolves when everything in it is on disk, what it sends included. `work` is
   * synchronous: nothing runs in between.
   * @param hasTime wait up to 20 ms for another transaction whose commit carries this one as well: for what may be done
   *   once more after a crash
   * @throws what `work` throws; StoreError: then nothing of it is stored
   */
  async transaction<T>(work: (tx: AgentTransaction) => T, hasTime = false): Promise<T> {
    const context = this.#context
    const effects = new Effects()
    const stored = this.#database.transaction((db) => {
      const tx: AgentTransaction = {
        get: (sql, ...parameters) => db.get(sql, ...parameters),
        all: (sql, ...parameters) => db.all(sql, ...parameters),
        run: (sql, ...parameters) => db.run(sql, ...parameters),
        sendMessages: (messages) => storeMessages(context, db, messages, effects),
      }
      return work(tx)
    }, hasTime)
    const result = await stored.catch((error: unknown) => {
      this.#onUndone()
      throw error
    })
    applyEffects(context, effects)
    return result
  }

  /**
   * Messages are offered to the receiver first, in the transaction that stores them; returns how to stop that. An agent
   * has one receiver at most.
   * @throws AgentError CMD PROHIBITED when there is one
   */
  receiveWith(receive: MessageReceiver): () => void {
    const context = this.#context
    if (context.receiver) throw commandError('PROHIBITED', 'there is a receiver of messages already')
    const receiver: InstalledReceiver = { receive, onUndone: this.#onUndone }
    context.receiver = receiver
    return () => {
      if (context.receiver === receiver) context.receiver = undefined
    }
  }
}
