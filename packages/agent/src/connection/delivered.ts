import type { AgentConfig } from '../config.ts'
import type { Effects } from '../effects.ts'
import { removeConfirmations } from '../store/confirmations.ts'
import { getConnection, updateConnection } from '../store/connections.ts'
import type { Db } from '../store/database.ts'
import { rcvQueuesOf, updateRcvQueue } from '../store/rcv-queues.ts'
import type { SndQueueRecord } from '../store/records.ts'
import { getSndQueue, setSndQueueStatus } from '../store/snd-queues.ts'

/**
 * The initiator's confirmation has reached the joiner's queue. In a queue that the sender secures both sides are
 * ready; otherwise the joiner has yet to secure it and says HELLO then: `spec/agent.md §5.2`.
 */
export function confirmationDelivered(
  db: Db,
  config: AgentConfig,
  { connId, sndQueueId, queueMode }: SndQueueRecord,
  pq: boolean,
  effects: Effects,
): void {
  if (queueMode !== 'messaging') {
    // A HELLO that overtook the router's answer has made it active already.
    if (getSndQueue(db, sndQueueId)?.status === 'new') setSndQueueStatus(db, sndQueueId, 'confirmed')
    return
  }
  setSndQueueStatus(db, sndQueueId, 'active')
  activateRcvQueues(db, connId)
  connected(db, config, connId, pq, effects)
}

/** HELLO has reached the peer's queue, which is therefore secured. The side that heard HELLO before is ready. */
export function helloDelivered(
  db: Db,
  config: AgentConfig,
  { connId, sndQueueId }: SndQueueRecord,
  pq: boolean,
  effects: Effects,
): void {
  setSndQueueStatus(db, sndQueueId, 'active')
  const heard = rcvQueuesOf(db, connId).some(({ status }) => status === 'active')
  if (heard) connected(db, config, connId, pq, effects)
}

/** Both directions work: tells the application, once. */
export function connected(db: Db, { now }: AgentConfig, connId: string, pq: boolean, effects: Effects): void {
  if (getConnection(db, connId)?.connectedAt !== undefined) return
  updateConnection(db, connId, { connectedAt: now() })
  removeConfirmations(db, connId)
  effects.emitDurable(db, { event: 'CON', connId, pq })
}

/** The queues of the connection are in use. */
export function activateRcvQueues(db: Db, connId: string): void {
  for (const { rcvQueueId, status } of rcvQueuesOf(db, connId)) {
    if (status !== 'active') updateRcvQueue(db, rcvQueueId, { status: 'active' })
  }
}
