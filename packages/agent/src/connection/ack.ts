import type { Effects } from '../effects.ts'
import { insertCommand } from '../store/commands.ts'
import type { Db } from '../store/database.ts'

/** Names a message at its router. */
export interface MessageRef {
  readonly connId: string
  readonly rcvQueueId: number
  /** Id given by the router, 24 bytes. */
  readonly brokerId: Uint8Array
}

/** The agent is done with a message that is not for the application: the router is told, also after a crash. */
export function ackByAgent(db: Db, { connId, rcvQueueId, brokerId }: MessageRef, effects: Effects): void {
  insertCommand(db, connId, { type: 'ACK', rcvQueueId, brokerId: Buffer.from(brokerId).toString('base64') })
  effects.runCommands(connId)
}

/** The marker of a full queue was read. */
export function ackQuotaMarker(db: Db, { connId, rcvQueueId, brokerId }: MessageRef, effects: Effects): void {
  insertCommand(db, connId, { type: 'ACK_QUOTA', rcvQueueId, brokerId: Buffer.from(brokerId).toString('base64') })
  effects.runCommands(connId)
}

/** The application is done with a message. */
export function ackByUser(db: Db, { connId, rcvQueueId, brokerId }: MessageRef, effects: Effects): void {
  insertCommand(db, connId, { type: 'ACK_DEL', rcvQueueId, brokerId: Buffer.from(brokerId).toString('base64') })
  effects.runCommands(connId)
}
