import type { AgentContext } from '../agent-context.ts'
import type { Effects } from '../effects.ts'
import { getRatchet } from '../store/ratchets.ts'
import { sndQueuesOf } from '../store/snd-queues.ts'
import { ackByAgent } from './ack.ts'
import { enqueueMessage, isSendable, SharedBody } from './enqueue.ts'
import type { Received } from './received.ts'

/** The queue was full and is read now: the peer is told that it may go on. `spec/agent.md §9` */
export async function receiveQuotaMarker(
  { store, config }: AgentContext,
  { connection: { connId }, queue, ref }: Pick<Received, 'connection' | 'queue' | 'ref'>,
  effects: Effects,
): Promise<void> {
  await store.lockConnForUpdate(connId, (db) => {
    ackByAgent(db, ref, effects)
    const queues = sndQueuesOf(db, connId).filter(isSendable)
    if (queues.length === 0 || !getRatchet(db, connId)?.sending) return
    const body = new SharedBody({ type: 'A_QCONT', queue: { server: queue.server, senderId: queue.sndId } })
    enqueueMessage(db, config, connId, queues, { body, notification: false }, effects)
  })
}
