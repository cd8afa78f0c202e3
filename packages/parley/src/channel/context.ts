import type { Agent, ApplicationStore } from '@parley/agent'
import type { ChannelEmitter } from './emitter.ts'
import type { Link, Pair } from './pair.ts'
import type { ChannelLimits, ChannelLogEntry, ChannelsOptions, LocalAgent } from './types.ts'

/** What the parts of the channels share. */
export interface ChannelContext {
  readonly agent: Agent
  /** The tables of channels, in the agent's database. */
  readonly db: ApplicationStore
  readonly limits: ChannelLimits
  readonly pq: boolean
  readonly acceptCard: NonNullable<ChannelsOptions['acceptCard']>
  readonly events: ChannelEmitter
  readonly log: (entry: ChannelLogEntry) => void
  readonly now: () => number
  /** Aborts when the channels close. */
  readonly closing: AbortSignal
  /** Agents of ours that are here, by address. */
  readonly locals: Map<string, LocalAgent>
  /** Pairs by {@link pairKey}. */
  readonly pairs: Map<string, Pair>
  readonly links: Map<string, Link>
  /** Calls `action` after some time unless the channels have closed; returns how to stop that. */
  after(ms: number, action: () => void): () => void
  /** Watches work that nobody waits for: closing waits, a failure is logged. */
  run(what: string, work: Promise<unknown>): void
  /** Tells the application of envelopes that were noted as untold. */
  tellFailures(): void
  /** Logs a step as it is done, in one line at level debug. */
  step(name: string): void
}

/** Names a pair. Addresses hold no space. */
export function pairKey(local: string, peer: string): string {
  return `${local} ${peer}`
}
