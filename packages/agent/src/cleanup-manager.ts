import type { AgentContext } from './agent-context.ts'
import { toAgentError } from './client-errors.ts'
import { finishDeletion } from './connection/delete.ts'
import { pause } from './retry-interval.ts'
import { listDeletedConnections } from './store/connections.ts'
import { removeEncryptedHashes } from './store/dedup.ts'
import { removeOldInvShortLinks } from './store/inv-short-links.ts'
import { closeOldMessages, removeClosedMessages } from './store/snd-messages.ts'

/** Forgets what is not needed any more, every few minutes: `spec/agent.md §11`. */
export class CleanupManager {
  readonly #context: AgentContext
  readonly #loop: Promise<void>

  constructor(context: AgentContext) {
    this.#context = context
    this.#loop = this.#run()
  }

  /** Waits for the manager to end after the agent began to close. */
  stopped(): Promise<void> {
    return this.#loop
  }

  async #run(): Promise<void> {
    const { closing, config, log } = this.#context
    let delay = config.cleanupDelay
    while (!closing.aborted) {
      try {
        await pause(delay, closing)
        await this.#cleanUp()
      } catch (error) {
        if (closing.aborted) return
        log({ level: 'error', message: 'cleanup failed', error: toAgentError(error).message })
      }
      delay = config.cleanupInterval
    }
  }

  async #cleanUp(): Promise<void> {
    const { store, config } = this.#context
    for (const { connId } of store.read(listDeletedConnections)) await finishDeletion(this.#context, connId)
    const now = config.now()
    await store.transaction((db) => {
      removeEncryptedHashes(db, now - config.historyAge)
      removeOldInvShortLinks(db, now - config.historyAge)
      closeOldMessages(db, now - config.historyAge, now)
      removeClosedMessages(db, now - config.statusAge)
    })
  }
}
