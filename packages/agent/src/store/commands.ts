import type { Db } from './database.ts'

/** Work that must be done at a router even after a crash: `spec/agent.md §5.4`, internal commands. */
export type InternalCommand =
  /** Tells the router that a message was processed. */
  | { readonly type: 'ACK'; readonly rcvQueueId: number; readonly brokerId: string }
  /** Tells the router that the application has processed a message; then the message's record is removed. */
  | { readonly type: 'ACK_DEL'; readonly rcvQueueId: number; readonly brokerId: string }
  /** Tells the router that the marker of a full queue was read; then the peer is told that it may go on. */
  | { readonly type: 'ACK_QUOTA'; readonly rcvQueueId: number; readonly brokerId: string }
  /** Secures queues after the application allowed a connection, and sends the confirmation back. */
  | { readonly type: 'ALLOW_SECURE'; readonly confirmationId: string }
  /** Secures the joiner's queue in the slow handshake, then sends HELLO. */
  | { readonly type: 'DUPLEX_SECURE'; readonly rcvQueueId: number }
  /** Deletes a queue at its router. */
  | { readonly type: 'DELETE_RCV_QUEUE'; readonly rcvQueueId: number }

/** Commands of one connection run one after the other in each lane: acknowledgements do not wait for other routers. */
export type CommandLane = 'ack' | 'work'

/** A stored command. */
export interface CommandRecord {
  readonly commandId: number
  readonly connId: string
  readonly command: InternalCommand
}

interface CommandRow {
  readonly command_id: number
  readonly conn_id: string
  readonly command: string
}

/** Stores a command before it runs. */
export function insertCommand(db: Db, connId: string, command: InternalCommand): number {
  const row = db.get<{ command_id: number }>(
    'INSERT INTO commands (conn_id, lane, command, created_at) VALUES (?, ?, ?, ?) RETURNING command_id',
    connId,
    laneOf(command),
    JSON.stringify(command),
    Date.now(),
  )
  return (row as { command_id: number }).command_id
}

/** The oldest command of a connection in a lane. */
export function nextCommand(db: Db, connId: string, lane: CommandLane): CommandRecord | undefined {
  const columns = 'command_id, conn_id, command'
  const sql = `SELECT ${columns} FROM commands WHERE conn_id = ? AND lane = ? ORDER BY command_id LIMIT 1`
  const row = db.get<CommandRow>(sql, connId, lane)
  return row && { commandId: row.command_id, connId: row.conn_id, command: JSON.parse(row.command) as InternalCommand }
}

/** Forgets a command that has run. */
export function removeCommand(db: Db, commandId: number): void {
  db.run('DELETE FROM commands WHERE command_id = ?', commandId)
}

function laneOf({ type }: InternalCommand): CommandLane {
  return type.startsWith('ACK') ? 'ack' : 'work'
}
