import { setImmediate as nextTurn } from 'node:timers/promises'
import type { BoundedQueue } from '@parley/core/queue'
import type { ServerTransmissionBatch } from '@parley/smp/client'
import type { SmpServerWithAuth } from '@parley/smp/protocol'
import { toAgentError } from './client-errors.ts'
import type { AgentConfig } from './config.ts'
import type { ConnLock } from './conn-lock.ts'
import type { Effects } from './effects.ts'
import type { EventOutlet } from './event-outlet.ts'
import type { KemKeys } from './kem-keys.ts'
import type { InstalledReceiver } from './message-receiver.ts'
import type { SmpClients } from './smp-clients.ts'
import type { AgentStore } from './store/agent-store.ts'
import type { Subscriptions } from './subscriptions.ts'

/** One line of the agent's log. Never keys, contents or ids of messages. */
export interface AgentLogEntry {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
  readonly connId?: string
  readonly server?: string
  readonly error?: string
}

/** `doWork` of the delivery workers. */
export interface DeliverySignals {
  /** The queue has a new message. */
  wake(sndQueueId: number): void
  /** The peer has read its full queue: waiting for that ends. */
  release(sndQueueId: number): void
  /** The queue is being deleted: waiting ends, so that its worker finds that out. */
  interrupt(sndQueueId: number): void
}

/** `doWork` of the command workers. */
export interface CommandSignals {
  /** The connection has new commands, or its deletion may be finished. */
  wake(connId: string): void
}

/** The components of one agent, as its flows use them. */
export interface AgentContext {
  readonly config: AgentConfig
  /** Routers on which own queues are made. */
  readonly servers: readonly [SmpServerWithAuth, ...SmpServerWithAuth[]]
  readonly store: AgentStore
  readonly locks: ConnLock
  readonly kem: KemKeys
  readonly clients: SmpClients
  readonly subscriptions: Subscriptions
  readonly delivery: DeliverySignals
  readonly commands: CommandSignals
  readonly outlet: EventOutlet
  /** What routers send, in batches, before the subscriber reads it. */
  readonly msgQ: BoundedQueue<ServerTransmissionBatch>
  /** Takes messages for the application, in the transaction that stores them. */
  receiver: InstalledReceiver | undefined
  /** Aborts when the agent closes. */
  readonly closing: AbortSignal
  readonly log: (entry: AgentLogEntry) => void
}

type EffectTargets = Pick<AgentContext, 'delivery' | 'commands' | 'outlet' | 'log'>

/** Wakes the workers that a finished transaction has given work, and hands its events over without waiting. */
export function applyEffects(context: EffectTargets, effects: Effects): void {
  callApplication(context, effects)
  wakeDeliveries(context, effects)
  wakeCommands(context, effects)
  context.outlet.post(effects.events)
}

/**
 * {@link applyEffects} that waits until `subQ` has room for the events: for what is driven by routers. Only then is
 * what they tell of acknowledged, so that a flood of it stays at the router.
 */
export async function applyEffectsAndWait(context: EffectTargets, effects: Effects): Promise<void> {
  callApplication(context, effects)
  wakeDeliveries(context, effects)
  // What the application does about a message is what somebody waits for; the router can wait.
  if (effects.ofApplication.length > 0) await nextTurn()
  await context.outlet.putAll(effects.events)
  wakeCommands(context, effects)
}

function callApplication({ log }: Pick<AgentContext, 'log'>, { ofApplication }: Effects): void {
  for (const call of ofApplication) {
    try {
      call()
    } catch (error) {
      log({ level: 'error', message: 'the application failed', error: toAgentError(error).message })
    }
  }
}

function wakeDeliveries({ delivery }: Pick<AgentContext, 'delivery'>, effects: Effects): void {
  for (const sndQueueId of effects.released) delivery.release(sndQueueId)
  for (const sndQueueId of effects.deliveries) delivery.wake(sndQueueId)
}

function wakeCommands({ commands }: Pick<AgentContext, 'commands'>, effects: Effects): void {
  for (const connId of effects.commands) commands.wake(connId)
}
