import type { Effects } from '../effects.ts'
import type { Db } from '../store/database.ts'
import { getMessageStatus, setMessageState } from '../store/snd-messages.ts'

/**
 * Records that the router has stored a message and tells the application, once: the first who knows of it may be the
 * delivery worker or the peer's receipt.
 */
export function recordSent(db: Db, connId: string, msgId: number, at: number, effects: Effects): void {
  const status = getMessageStatus(db, connId, msgId)
  if (status?.state !== 'pending' && status?.state !== 'waiting') return
  setMessageState(db, connId, msgId, { state: 'sent', at })
  effects.emit({ event: 'SENT', connId, msgId })
  effects.emit({ event: 'STATUS', connId, msgId, state: 'sent' })
}

/** True when the peer has confirmed the message: whatever happens to its repetition is no news. */
export function isReceived(db: Db, connId: string, msgId: number): boolean {
  return getMessageStatus(db, connId, msgId)?.state === 'received'
}
