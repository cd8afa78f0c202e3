import type { AgentEvent, AgentEventOf } from './events.ts'
import type { Db } from './store/database.ts'
import { insertEvent } from './store/undelivered-events.ts'

/** Events that come once and that nothing else in the store tells: repeated until the application has taken them. */
export type DurableEvent = AgentEventOf<'INFO' | 'CON'>

/** An event with the id under which it is stored until the application has taken it. */
export interface EffectEvent {
  readonly event: AgentEvent
  readonly eventId?: number
}

/** What a transaction makes the agent do once it is on disk, in this order: wake workers, tell the application. */
export class Effects {
  readonly events: EffectEvent[] = []
  /** Ids of send queues with new messages. */
  readonly deliveries = new Set<number>()
  /** Ids of send queues whose full peer queue was read: waiting for quota ends. */
  readonly released = new Set<number>()
  /** Connections with new commands. */
  readonly commands = new Set<string>()
  /** What the application does about what it has stored in the transaction. */
  readonly ofApplication: (() => void)[] = []
  /** What it does when the transaction is undone. */
  readonly whenUndone: (() => void)[] = []

  emit(event: AgentEvent): void {
    this.events.push({ event })
  }

  /** An event that is repeated after a crash if the application had not taken it. */
  emitDurable(db: Db, event: DurableEvent): void {
    this.events.push({ event, eventId: insertEvent(db, event.connId, encodeDurable(event)) })
  }

  deliver(sndQueueId: number): void {
    this.deliveries.add(sndQueueId)
  }

  release(sndQueueId: number): void {
    this.released.add(sndQueueId)
  }

  runCommands(connId: string): void {
    this.commands.add(connId)
  }
}

interface StoredEvent {
  readonly event: DurableEvent['event']
  readonly connId: string
  readonly pq: boolean
  /** base64 */
  readonly info?: string
}

function encodeDurable(event: DurableEvent): string {
  const { connId, pq } = event
  const info = event.event === 'INFO' ? { info: Buffer.from(event.info).toString('base64') } : {}
  return JSON.stringify({ event: event.event, connId, pq, ...info } satisfies StoredEvent)
}

/** Reads a stored event. */
export function decodeDurable(text: string): DurableEvent {
  const { event, connId, pq, info } = JSON.parse(text) as StoredEvent
  if (event === 'CON') return { event, connId, pq }
  return { event, connId, pq, info: Buffer.from(info ?? '', 'base64') }
}
