import { CARRIED, type NotDelivered, type TraceEvent } from '@parley/acn/store'
import type { EnvelopeState } from '../channel/index.ts'

/** Where an envelope is now. */
export type TracedState =
  /** At this node: its way, or its channel, is not there. */
  | 'waiting'
  /** In a private channel, on its way to the receiver's router, or there. */
  | 'sent'
  /** At the receiver's router. */
  | 'at router'
  /** The receiver's node has it. On the plain way no more than this is told. */
  | 'at peer'
  /** The receiving agent has it. */
  | 'delivered'
  | 'not delivered'

/** One step on an envelope's way. */
export interface TracedStep {
  /** ISO 8601. */
  readonly at: string
  /** `received`, `handed over` to the channel, `attempt-failed`, `delivered`, `unanswered`, `not-delivered`. */
  readonly event: string
  /** Who it came from or went to, or a status: `private channel`, `agent`, `peer`, a peer id, … */
  readonly detail?: string
}

/** Which way an envelope went and what became of it, without its contents. */
export interface EnvelopeTrace {
  readonly id: string
  readonly from?: string
  readonly to?: string
  /** Absent as long as it has not gone any. */
  readonly way?: 'private' | 'plain'
  readonly state: TracedState
  /** Why it was not delivered, or why the last attempt failed. */
  readonly reason?: string
  readonly hops: readonly TracedStep[]
}

/** What happened to an envelope, as the stores have it. */
export interface TraceParts {
  readonly steps: readonly TraceEvent[]
  readonly lost: readonly NotDelivered[]
  /** The state of an envelope in the channels. */
  privateState(from: string, to: string): Promise<EnvelopeState | 'at router' | undefined>
}

const STATES: Record<EnvelopeState | 'at router', TracedState> = {
  waiting: 'waiting',
  sent: 'sent',
  'at router': 'at router',
  stored: 'at peer',
  delivered: 'delivered',
  refused: 'not delivered',
  expired: 'not delivered',
}

/** Puts together what is known of an envelope; undefined when nothing is. */
export async function traceOf(id: string, parts: TraceParts): Promise<EnvelopeTrace | undefined> {
  const { steps, lost } = parts
  const [first] = lost
  const named = steps.find(({ sender }) => sender !== undefined)
  const [from, to] = [named?.sender ?? first?.sender, named?.to ?? first?.to]
  const inChannel = from === undefined || to === undefined ? undefined : await parts.privateState(from, to)
  if (steps.length === 0 && !first && inChannel === undefined) return undefined
  const way = wayOf(steps, inChannel !== undefined)
  const state = lost.length > 0 ? 'not delivered' : stateOf(steps, inChannel)
  const reason = reasonOf(steps, state, first)
  return {
    id,
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
    ...(way && { way }),
    state,
    ...(reason !== undefined && { reason }),
    hops: steps.map(({ at, event, detail }) => ({
      at: new Date(at).toISOString(),
      event,
      ...(detail !== undefined && { detail }),
    })),
  }
}

function wayOf(steps: readonly TraceEvent[], isInChannel: boolean): EnvelopeTrace['way'] {
  if (isInChannel || steps.some(({ detail }) => detail === CARRIED)) return 'private'
  return steps.some(({ event }) => event === 'delivered') ? 'plain' : undefined
}

function stateOf(steps: readonly TraceEvent[], inChannel: EnvelopeState | 'at router' | undefined): TracedState {
  const last = steps.findLast(({ event }) => event === 'delivered' || event === 'not-delivered')
  if (last?.event === 'not-delivered') return 'not delivered'
  if (last) return last.detail === 'peer' ? 'at peer' : 'delivered'
  if (inChannel) return STATES[inChannel]
  // The channels remember for 8 days; without them it is somewhere behind the hand-over.
  return steps.some(({ event }) => event === 'handed over') ? 'sent' : 'waiting'
}

function reasonOf(steps: readonly TraceEvent[], state: TracedState, lost?: NotDelivered): string | undefined {
  if (lost) return lost.status === undefined ? lost.reason : `${lost.reason}, status ${lost.status}`
  if (state === 'not delivered') return steps.findLast(({ event }) => event === 'not-delivered')?.detail
  if (state !== 'waiting') return undefined
  return steps.findLast(({ event }) => event === 'attempt-failed')?.detail
}
