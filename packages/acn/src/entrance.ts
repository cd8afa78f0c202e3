/**
 * Where the three entrances of a node (pipe, delegate, mailbox) meet what stands behind them: registrations, routing
 * and the durable queues. The entrances speak with agents, prove who they are and match statuses; everything that must
 * be remembered is done by an {@link EntranceHandler}.
 */
import type { AgentRecord, Envelope, StatusBody } from './protocol/index.ts'
import type { EnvelopeId, NotDeliveredReason } from './store/index.ts'

/** How an agent is attached; the same words as the store's kinds of registration. */
export type EntranceKind = 'direct' | 'delegate' | 'mailbox'

/** Why a session was ended by this node. */
export type DetachReason =
  /** The agent registered again, here or at another entrance. */
  | 'superseded'
  /** It took envelopes and did not answer them. */
  | 'unanswered'
  /** The node stops. */
  | 'stopping'

/** An agent that is attached. A new one for each registration, each connection of a pipe and each mailbox session. */
export interface AgentSession {
  readonly kind: EntranceKind
  /** Address that the record proves. */
  readonly address: string
  /** Proven to be the agent's, for this peer. */
  readonly record: AgentRecord
  /** Where it comes from, such as `delegate 10.0.0.7:52144`: for logs and as source of its envelopes. */
  readonly source: string
  /** Milliseconds since 1970. */
  readonly registeredAt: number
  /**
   * Whether the other end is Parley: it understands error statuses and delivery reports and knows envelopes by their
   * ids. A pipe learns it from the agent's first message, so it may turn true later.
   */
  readonly isParley: boolean
  /** Whether the agent signed a challenge of this session: its record is not a stolen copy. */
  readonly answeredChallenge: boolean
  /** False for an agent that is not to be found by others: it is not announced, and no look-up finds it. */
  readonly isListed?: boolean
  /**
   * Whether the agent would be told of an error status with this code. Those whose programs do not survive it hear
   * SUCCESS instead: see docs/acn.md.
   */
  tellsError(code: number): boolean
  /** Ends the session; nothing when it has ended. A pipe connects again unless its node stops. */
  detach(reason: DetachReason): void
}

/** An envelope that an agent hands over. */
export interface Submission {
  readonly session: AgentSession
  /** The agent's own id of it; absent when the agent is not Parley. Repeated when it had no answer. */
  readonly id?: EnvelopeId
  readonly envelope: Envelope
  /** The encoded envelope as it came, of its own memory. */
  readonly bytes: Uint8Array
  /** Milliseconds since 1970 at which the agent stops waiting for the answer. */
  readonly deadline: number
}

/** How giving an item to an agent ended. */
export type DeliveryOutcome =
  /** The agent answered with this status. */
  | { readonly type: 'answered'; readonly status: StatusBody }
  /** It had the item longer than the time for an answer, and the session ended without one. */
  | { readonly type: 'unanswered' }
  /** The session ended while the answer could still come; the agent may have the item. */
  | { readonly type: 'interrupted' }
  /** The item was never sent. */
  | { readonly type: 'unsent' }

/** Tells the sender of an envelope that it was given up. Only for Parley ends. */
export interface DeliveryReport {
  /** The id under which the sender handed it over. */
  readonly envelopeId: EnvelopeId
  /** Address it was for. */
  readonly to: string
  readonly reason: NotDeliveredReason
  /** Status code that ended the last attempt, when one was received. */
  readonly status?: number
  /** When it was given up, milliseconds since 1970. */
  readonly at: number
}

interface PendingBase {
  /** Name of this item towards a Parley agent, which takes each one once: for an envelope its own id. */
  readonly id: EnvelopeId
  /**
   * Called exactly once. What the agent's session does next waits for the promise only where order demands it; a
   * rejection ends the session.
   */
  settle(outcome: DeliveryOutcome): Promise<void> | void
}

/** What waits for an agent. */
export type PendingItem =
  | (PendingBase & {
      readonly type: 'envelope'
      /** The encoded envelope. */
      readonly bytes: Uint8Array
      /** It came by the node's carrier and not through the network. */
      readonly isCarried?: boolean
    })
  | (PendingBase & { readonly type: 'report'; readonly report: DeliveryReport })

/**
 * What waits for one agent, in order, for one session. Gives each item once; what is not answered with a status is given
 * again by the next session's source. Several items may be out at once. One caller at a time.
 */
export interface PendingSource {
  /** The next item when there is one now. */
  poll(): Promise<PendingItem | undefined>
  /**
   * The next item, waiting for one; undefined when this source has ended.
   * @throws the signal's reason when it aborts
   */
  next(signal: AbortSignal): Promise<PendingItem | undefined>
  /** The session has ended; all items that it gave are settled by then. */
  close(): void
}

/** What stands behind the entrances. */
export interface EntranceHandler {
  /**
   * An agent whose record is proven registers. Resolves when that is kept durably; the agent hears of it afterwards. An
   * older session of the agent at another entrance is to be detached here; at the same entrance the entrance does it.
   * @throws AcnStatusError to refuse it; anything else is ERROR_GENERIC to the agent
   */
  onRegister(session: AgentSession): Promise<void>
  /**
   * An envelope from an agent, called in the order in which they came, without waiting for the earlier ones.
   * SUCCESS means delivered or stored. An error status that the session does not tell ({@link AgentSession.tellsError})
   * reaches the agent as SUCCESS, so the handler has to keep a not-delivered record.
   * @throws AcnStatusError as a way to return its status; anything else is ERROR_GENERIC
   */
  onEnvelope(submission: Submission): Promise<StatusBody>
  /** What waits for the agent. Called once for each session, after its registration was answered. */
  pending(session: AgentSession): PendingSource
  /** A session has ended, its source is closed. Called once for each that was registered. */
  onDetached?(session: AgentSession): void
}
