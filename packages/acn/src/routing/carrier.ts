import type { AgentRecord, Envelope } from '../protocol/index.ts'
import { CARRIED, type EnvelopeId, type NotDeliveredReason } from '../store/index.ts'

/** An envelope that may go another way than through the network. Times in ms since 1970. */
export interface CarriedEnvelope {
  readonly id: EnvelopeId
  readonly to: string
  /** An agent of this node. */
  readonly sender: string
  /** The encoded envelope. */
  readonly bytes: Uint8Array
  readonly receivedAt: number
  readonly expiresAt: number
}

/** What a carrier says to an envelope. */
export type Carrying =
  /** It has the envelope durably, and tells what becomes of it. */
  | { readonly type: 'carried' }
  /** The network's own way is right. */
  | { readonly type: 'plain' }
  /** Neither now: it is asked again later. `reason` for log and trace, without contents. */
  | { readonly type: 'later'; readonly reason: string }

/** Another way for envelopes than through the network, which a node asks first: a private channel. */
export interface EnvelopeCarrier {
  /**
   * Offers an envelope of an agent of this node for an agent elsewhere, in the order of its pair.
   * @throws the signal's reason; anything else counts as `later`
   */
  carry(envelope: CarriedEnvelope, signal: AbortSignal): Promise<Carrying>
  /**
   * The way on which envelopes of a pair go for now: those are offered without waiting for the answer to the one before.
   * Undefined when that is still to be decided, or again: one is offered then, after all before it have arrived or failed.
   */
  wayOf(sender: string, to: string): 'carried' | 'plain' | undefined
  /**
   * Whether an envelope is for the carrier itself and not for its receiver, which gets nothing of it then.
   * @param from `agent` of this node, or another `peer`
   */
  takes(envelope: Envelope, from: 'agent' | 'peer'): boolean
  /**
   * An agent is registered at this node, attached or away.
   * @param isListed false for one that others are not to find: nothing of it may be told to other peers
   */
  onRegistered(record: AgentRecord, isListed: boolean): void
  /** An agent of this node has gone to another peer. */
  onMoved(address: string): void
  /** A relay client has come to another contact. */
  onContact(): void
}

/** An envelope that came by the carrier; its sender is proven by that. */
export interface FromCarrier {
  readonly id: EnvelopeId
  readonly to: string
  readonly sender: string
  readonly bytes: Uint8Array
}

/** What became of an envelope that came by the carrier. */
export type CarriedEnd =
  /** The agent has it. */
  | { readonly type: 'taken' }
  /** It was given up for good: the agent does not take it, or its time was over. */
  | { readonly type: 'refused'; readonly code: number }
  /** The agent has gone elsewhere without it: it is not kept here, those who carried it send it there. */
  | { readonly type: 'gone' }
  /** There is no place for it now. */
  | { readonly type: 'later' }

/** What a carrier tells of an envelope that it had and gave up. */
export interface CarriedInVain {
  readonly id: EnvelopeId
  readonly to: string
  /** An agent of this node. */
  readonly sender: string
  readonly reason: NotDeliveredReason
  /** Status code that ended it, when one was received. */
  readonly status?: number
}

/** Scope in which ids of envelopes that came by the carrier are remembered. */
export function carriedScope(sender: string): string {
  return `${CARRIED} ${sender}`
}
