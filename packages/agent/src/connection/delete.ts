import { formatSmpServer } from '@parley/smp/protocol'
import { type AgentContext, applyEffects, applyEffectsAndWait } from '../agent-context.ts'
import type { AgentError } from '../agent-error.ts'
import { isSmpError, toAgentError } from '../client-errors.ts'
import { Effects } from '../effects.ts'
import { insertCommand } from '../store/commands.ts'
import { getConnection, removeConnection, updateConnection } from '../store/connections.ts'
import type { Db } from '../store/database.ts'
import { removeJoin } from '../store/joins.ts'
import { getRcvQueue, rcvQueuesOf, removeRcvQueue, updateRcvQueue } from '../store/rcv-queues.ts'
import { hasDeliveries, queuesWithDeliveries, removeDeliveries } from '../store/snd-messages.ts'

/**
 * Deletes a connection: it is gone for the application at once; its queues are deleted at their routers in the
 * background, also after a crash.
 * @param waitDelivery let pending messages be sent first, for at most the configured time
 * @throws AgentError CONN NOT_FOUND
 */
export async function deleteConnection(context: AgentContext, connId: string, waitDelivery: boolean): Promise<void> {
  const { store, config } = context
  const effects = new Effects()
  const { queues, interrupted } = await store.lockConnForUpdate(connId, (db) => {
    const now = config.now()
    const interrupted = waitDelivery ? [] : queuesWithDeliveries(db, connId)
    if (!waitDelivery) removeDeliveries(db, connId)
    removeJoin(db, connId)
    const wait = waitDelivery && hasDeliveries(db, connId)
    updateConnection(db, connId, { deletedAt: now, ...(wait && { deleteWaitUntil: now + config.deleteWait }) })
    return { queues: deleteQueues(db, connId, effects), interrupted }
  })
  for (const queue of queues) context.subscriptions.remove(queue)
  for (const sndQueueId of interrupted) context.delivery.interrupt(sndQueueId)
  applyEffects(context, effects)
}

/** Marks the receive queues of a connection for deletion. */
export function deleteQueues(db: Db, connId: string, effects: Effects) {
  const queues = rcvQueuesOf(db, connId).filter(({ deleted }) => !deleted)
  for (const { rcvQueueId } of queues) {
    updateRcvQueue(db, rcvQueueId, { deleted: true })
    insertCommand(db, connId, { type: 'DELETE_RCV_QUEUE', rcvQueueId })
  }
  effects.runCommands(connId)
  return queues
}

/**
 * DELETE_RCV_QUEUE.
 * @throws AgentError of the router
 */
export async function runDeleteQueue(context: AgentContext, rcvQueueId: number): Promise<void> {
  const { store, clients, closing } = context
  const queue = store.read((db) => getRcvQueue(db, rcvQueueId))
  if (!queue) return
  const request = { mode: 'background', signal: closing } as const
  try {
    const client = await clients.get(queue.server, request)
    await client.delete({ rcvId: queue.rcvId, key: queue.rcvPrivateKey }, request)
  } catch (thrown) {
    const error = toAgentError(thrown)
    // The router does not know the queue: an answer to an earlier DEL was lost.
    if (!isSmpError(error, 'AUTH')) throw error
  }
  const effects = new Effects()
  await store.transaction((db) => queueDeleted(db, rcvQueueId, undefined, effects))
  await applyEffectsAndWait(context, effects)
}

/** Forgets a queue that is deleted at its router, or that is given up because of `error`. */
export function queueDeleted(db: Db, rcvQueueId: number, error: AgentError | undefined, effects: Effects): void {
  const queue = getRcvQueue(db, rcvQueueId)
  if (!queue) return
  removeRcvQueue(db, rcvQueueId)
  const { connId, server } = queue
  const deleted = { connId, server: formatSmpServer(server), ...(error && { error }) }
  effects.emit({ event: 'DEL_RCVQS', queues: [deleted] })
}

/** Removes a deleted connection once nothing is left to do for it. */
export async function finishDeletion(context: AgentContext, connId: string): Promise<void> {
  const { store, config } = context
  const isFinished = (db: Db) => {
    const connection = getConnection(db, connId)
    if (connection?.deletedAt === undefined || rcvQueuesOf(db, connId).length > 0) return false
    const waits = (connection.deleteWaitUntil ?? 0) > config.now() && hasDeliveries(db, connId)
    return !waits
  }
  if (!store.read(isFinished)) return
  const effects = new Effects()
  await store.transaction((db) => {
    if (!isFinished(db)) return
    removeConnection(db, connId)
    effects.emit({ event: 'DEL_CONNS', connIds: [connId] })
  })
  await applyEffectsAndWait(context, effects)
}
