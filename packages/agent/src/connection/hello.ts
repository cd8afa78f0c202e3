import { prohibited } from '../client-errors.ts'
import type { AgentConfig } from '../config.ts'
import type { Effects } from '../effects.ts'
import { requireConnection } from '../store/agent-store.ts'
import type { Db } from '../store/database.ts'
import { getRcvQueue, updateRcvQueue } from '../store/rcv-queues.ts'
import { hasDeliveryOfType } from '../store/snd-messages.ts'
import { sndQueuesOf } from '../store/snd-queues.ts'
import { connected } from './delivered.ts'
import { enqueueMessage, SharedBody } from './enqueue.ts'
import type { Received } from './received.ts'

const HELLO_TAG = 'H'

/** Says that this side's queue is secured: `spec/agent.md §5.2`. */
export function enqueueHello(db: Db, config: AgentConfig, connId: string, effects: Effects): void {
  const body = new SharedBody({ type: 'HELLO' })
  const queues = sndQueuesOf(db, connId).map(({ sndQueueId }) => sndQueueId)
  enqueueMessage(db, config, requireConnection(db, connId), queues, { body, notification: true }, effects)
}

/**
 * HELLO of the slow handshake. The initiator hears it first and answers; the joiner, whose own HELLO was delivered
 * before, is connected now.
 */
export function receiveHello(
  config: AgentConfig,
  db: Db,
  { connection: { connId }, queue }: Received,
  pq: boolean,
  effects: Effects,
): void {
  if (getRcvQueue(db, queue.rcvQueueId)?.status === 'active') {
    effects.emit({ event: 'ERR', connId, error: prohibited('HELLO on an active queue') })
    return
  }
  updateRcvQueue(db, queue.rcvQueueId, { status: 'active' })
  if (sndQueuesOf(db, connId).some(({ status }) => status === 'active')) {
    connected(db, config, connId, pq, effects)
  } else if (!hasDeliveryOfType(db, connId, HELLO_TAG)) {
    // An own HELLO whose answer from the router is still awaited tells of the connection when that comes.
    enqueueHello(db, config, connId, effects)
  }
}
