import type { AgentContext } from '../agent-context.ts'
import type { AgentConfig } from '../config.ts'
import type { Effects } from '../effects.ts'
import { getConnection } from '../store/connections.ts'
import type { Db } from '../store/database.ts'
import { getRatchet } from '../store/ratchets.ts'
import { getRcvQueue } from '../store/rcv-queues.ts'
import { sendableQueuesOf } from '../store/snd-queues.ts'
import { ackQuotaMarker } from './ack.ts'
import { enqueueMessage, SharedBody } from './enqueue.ts'
import type { Received } from './received.ts'

/** The marker says that the queue was full; the messages before it are read. */
export async function receiveQuotaMarker(
  { store }: AgentContext,
  { connection: { connId }, ref }: Pick<Received, 'connection' | 'ref'>,
  effects: Effects,
): Promise<void> {
  await store.lockConnForUpdate(connId, (db) => ackQuotaMarker(db, ref, effects))
}

/**
 * The router has deleted the marker, so that the queue is empty and accepts messages: the peer is told that it may go
 * on. Told before, it would be refused once more, and wait for long: `spec/agent.md §9`.
 */
export function quotaMarkerDeleted(db: Db, config: AgentConfig, rcvQueueId: number, effects: Effects): void {
  const queue = getRcvQueue(db, rcvQueueId)
  const connection = queue && getConnection(db, queue.connId)
  if (!queue || !connection || connection.deletedAt !== undefined) return
  const { connId } = connection
  const queues = sendableQueuesOf(db, connId)
  if (queues.length === 0 || !getRatchet(db, connId)?.sending) return
  const body = new SharedBody({ type: 'A_QCONT', queue: { server: queue.server, senderId: queue.sndId } })
  enqueueMessage(db, config, connection, queues, { body, notification: false }, effects)
}
