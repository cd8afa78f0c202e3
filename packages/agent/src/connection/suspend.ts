import type { AgentContext } from '../agent-context.ts'
import { connError } from '../client-errors.ts'
import { requireConnection } from '../store/agent-store.ts'
import { updateConnection } from '../store/connections.ts'
import { rcvQueuesOf } from '../store/rcv-queues.ts'
import { atRouter } from './short-links.ts'

/**
 * OFF for all queues of the connection: `spec/agent.md §14`.
 * @throws AgentError CONN NOT_FOUND, CONN SIMPLEX without own queues; of the routers
 */
export async function suspendConnection(context: AgentContext, connId: string, signal?: AbortSignal): Promise<void> {
  const { store, config } = context
  const queues = store.read((db) => {
    requireConnection(db, connId)
    return rcvQueuesOf(db, connId)
  })
  if (queues.length === 0) throw connError('SIMPLEX', 'suspend')
  for (const queue of queues) {
    await atRouter(context, queue, signal, (client, recipient, request) => client.suspend(recipient, request))
  }
  await store.lockConnForUpdate(connId, (db) => updateConnection(db, connId, { suspendedAt: config.now() }))
}
