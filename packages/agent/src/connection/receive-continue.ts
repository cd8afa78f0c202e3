import type { Effects } from '../effects.ts'
import { type QueueRef, sameQueue } from '../links/index.ts'
import type { Db } from '../store/database.ts'
import { sndQueuesOf } from '../store/snd-queues.ts'

/** The peer has read its full queue: delivery to it goes on at once. */
export function receiveContinue(db: Db, connId: string, ref: QueueRef, effects: Effects): void {
  const queue = sndQueuesOf(db, connId).find(({ server, sndId }) => sameQueue({ server, senderId: sndId }, ref))
  if (!queue) return
  effects.release(queue.sndQueueId)
  effects.emit({ event: 'QCONT', connId })
}
