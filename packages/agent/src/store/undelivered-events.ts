import type { Db } from './database.ts'

/** An event of connection establishment that the application has not taken yet; JSON of the event. */
export interface UndeliveredEvent {
  readonly eventId: number
  readonly connId: string
  readonly event: string
}

interface UndeliveredEventRow {
  readonly event_id: number
  readonly conn_id: string
  readonly event: string
}

/** Stores an event with the change it tells of. */
export function insertEvent(db: Db, connId: string, event: string): number {
  const sql = 'INSERT INTO undelivered_events (conn_id, event) VALUES (?, ?) RETURNING event_id'
  return (db.get<{ event_id: number }>(sql, connId, event) as { event_id: number }).event_id
}

/** Events of a connection that were not taken, oldest first. */
export function eventsOf(db: Db, connId: string): UndeliveredEvent[] {
  const sql = 'SELECT event_id, conn_id, event FROM undelivered_events WHERE conn_id = ? ORDER BY event_id'
  const rows = db.all<UndeliveredEventRow>(sql, connId)
  return rows.map((row) => ({ eventId: row.event_id, connId: row.conn_id, event: row.event }))
}

/** Forgets an event that the application has taken. */
export function removeEvent(db: Db, eventId: number): void {
  db.run('DELETE FROM undelivered_events WHERE event_id = ?', eventId)
}
