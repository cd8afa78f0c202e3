import type { AgentContext } from './agent-context.ts'
import { toAgentError } from './client-errors.ts'
import { resumeInterruptedJoin } from './connection/run-join.ts'
import { listDeletedConnections } from './store/connections.ts'
import { listRunningJoins } from './store/joins.ts'
import { queuesWithDeliveries } from './store/snd-messages.ts'

/**
 * Goes on, when an agent is opened, with what needs no application: joins that a crash interrupted, and the deletion
 * of connections. Everything else goes on with the subscription of its connection.
 */
export function resumeWork(context: AgentContext): { stopped(): Promise<void> } {
  const { store, commands, delivery, log } = context
  const joins = store.read(listRunningJoins).map(({ connId }) =>
    resumeInterruptedJoin(context, connId).catch((error) => {
      log({ level: 'error', message: 'join failed', connId, error: toAgentError(error).message })
    }),
  )
  for (const { connId } of store.read(listDeletedConnections)) {
    commands.wake(connId)
    for (const sndQueueId of store.read((db) => queuesWithDeliveries(db, connId))) delivery.wake(sndQueueId)
  }
  return {
    async stopped() {
      await Promise.all(joins)
    },
  }
}
