import type { AgentRecord } from '../protocol/index.ts'

/** Name of one envelope on its whole way: 32 lower-case hexadecimal digits. */
export type EnvelopeId = string

/** The store's own number of an envelope: grows with each, over restarts too, and is never used twice. */
export type EnvelopeNumber = number

/** Where an agent is attached: at this node in one of four ways, or at another peer that says so with a newer date. */
export type RegistrationKind = 'direct' | 'delegate' | 'mailbox' | 'relay' | 'remote'

/** That a peer represents an agent. An agent is in one place: its newest registration. Times in ms since 1970. */
export interface Registration {
  readonly kind: RegistrationKind
  /** Its `address` is the agent's. */
  readonly record: AgentRecord
  readonly issuedAt: number
  /** Absent when it holds until another takes its place. */
  readonly expiresAt?: number
  /**
   * When the agent was last here with a fresh proof, an answer to a challenge; absent when it never was. A registration
   * at another peer leaves it as it is.
   */
  readonly provenAt?: number
  /** The representing peer's signed statement, in whatever encoding peers exchange it. */
  readonly attestation?: Uint8Array
}

/** An envelope to be kept until it is delivered. Times in ms since 1970. */
export interface NewEnvelope {
  readonly id: EnvelopeId
  /** Address of the receiving agent, at most 256 characters. */
  readonly to: string
  /** Address of the sending agent, at most 256 characters. */
  readonly sender: string
  /** The encoded envelope as it came. */
  readonly bytes: Uint8Array
  /** The sender's record when the envelope came with one. */
  readonly record?: AgentRecord
  /** Who handed it over, in the words of the caller: `delegate`, or a peer id. At most 256 characters. */
  readonly source: string
  readonly receivedAt: number
  /** {@link StoreLimits.maxAge} after `receivedAt` when absent. */
  readonly expiresAt?: number
}

/** Under what an envelope is remembered, so that it is taken once: the id that it has towards somebody. */
export interface SeenAs {
  readonly scope: string
  readonly id: EnvelopeId
}

/** How far delivery of a stored envelope has come. */
export interface DeliveryState {
  /** Attempts that were begun. */
  readonly attempts: number
  /** True from the moment before an attempt until its end is known: after a crash it may have arrived. */
  readonly inFlight: boolean
  /** Milliseconds since 1970 before which it is not tried again; 0 for at once. */
  readonly nextAttemptAt: number
  /** Status code that ended the last attempt, when one was received. */
  readonly lastStatus?: number
}

/** An envelope in the store. */
export interface PendingEnvelope extends NewEnvelope, DeliveryState {
  readonly number: EnvelopeNumber
  readonly expiresAt: number
}

/** Why an envelope was not taken. Nothing was stored then. */
export type EnqueueRefusal =
  /** The same id from the same sender to the same agent waits already, or was marked as seen. */
  | 'duplicate'
  | 'pair-full'
  | 'agent-full'
  | 'store-full'
  /** An address, id or source beyond the lengths above. */
  | 'invalid'

export type EnqueueOutcome =
  | { readonly accepted: true; readonly number: EnvelopeNumber }
  | { readonly accepted: false; readonly reason: EnqueueRefusal }

/** What waits from one sender for one agent. */
export interface PairSummary {
  readonly to: string
  readonly sender: string
  readonly count: number
  readonly bytes: number
  /** Number of the first. */
  readonly first: EnvelopeNumber
}

/** Why an envelope was given up. */
export type NotDeliveredReason =
  /** Its time ran out before a way or an agent was found. */
  | 'expired'
  /** The agent or its peer answered with an error status that is final. */
  | 'refused'
  /** The agent took it the stated number of times and never answered. */
  | 'unanswered'
  /** Nobody knows the receiving agent. */
  | 'unknown-agent'
  /** The sender is not the one that the record proves, or not a local agent. */
  | 'wrong-sender'
  /** A record that proves nothing. */
  | 'invalid-record'
  /** Not an envelope. */
  | 'malformed'
  /** The queue was full and did not move. */
  | 'overflow'

/** An envelope that was given up, without its content. Times in ms since 1970. */
export interface NotDelivered {
  readonly id: EnvelopeId
  readonly to: string
  readonly sender: string
  readonly reason: NotDeliveredReason
  /** Status code that ended the last attempt, when one was received. */
  readonly status?: number
  readonly attempts: number
  /** Bytes of the envelope. */
  readonly size: number
  readonly receivedAt: number
  readonly at: number
}

/** A not-delivered record in the store. */
export interface StoredNotDelivered extends NotDelivered {
  /** Grows with each. */
  readonly number: number
}

/** Source of envelopes that came by a node's carrier, and where those went that it took. */
export const CARRIED = 'private channel'

/** One step on an envelope's way. */
export interface TraceEvent {
  readonly id: EnvelopeId
  /** Milliseconds since 1970. */
  readonly at: number
  /** What happened, in the words of the caller: `received`, `looked-up`, `delivered`. At most 64 characters kept. */
  readonly event: string
  /** A peer id, a status code: never contents. At most 256 characters kept. */
  readonly detail?: string
  /** From whom and for whom the envelope is; with the first step of its way. */
  readonly sender?: string
  readonly to?: string
}

/** A part of a list in the order of its numbers. */
export interface Page {
  /** The first number is greater than this; 0 by default. */
  readonly after?: number
  /** How many at most; 100 by default, never more than 1,000. */
  readonly limit?: number
}

/** Bounds of what a store keeps. */
export interface StoreLimits {
  /** Envelopes from one sender to one agent. */
  readonly maxPerPair: number
  /** Envelopes to one agent from all senders. */
  readonly maxPerAgent: number
  /** Bytes of envelopes to one agent. */
  readonly maxBytesPerAgent: number
  /** Envelopes in all. */
  readonly maxEnvelopes: number
  /** Bytes of envelopes in all. */
  readonly maxBytes: number
  /** How long an envelope waits, ms. */
  readonly maxAge: number
  /** Registrations; beyond it the oldest goes. */
  readonly maxRegistrations: number
  /** Not-delivered records; beyond it the oldest goes. */
  readonly maxNotDelivered: number
  /** Not-delivered records of which one sender is still told; beyond it the oldest is not. */
  readonly maxUnreported: number
  /** Trace events; beyond it the oldest goes. */
  readonly maxTraceEvents: number
  /** Ids remembered as seen; beyond it the oldest goes. */
  readonly maxSeen: number
}

const MIB = 1024 * 1024

/** The bounds unless told otherwise. */
export const DEFAULT_STORE_LIMITS: StoreLimits = {
  maxPerPair: 1000,
  // Above one pair's bound, so that one sender cannot take all the room of an agent.
  maxPerAgent: 10_000,
  maxBytesPerAgent: 256 * MIB,
  maxEnvelopes: 1_000_000,
  maxBytes: 4096 * MIB,
  maxAge: 24 * 60 * 60 * 1000,
  maxRegistrations: 100_000,
  maxNotDelivered: 100_000,
  maxUnreported: 1000,
  maxTraceEvents: 500_000,
  maxSeen: 500_000,
}

/** Why a store cannot be used. */
export type StoreErrorCode =
  /** The passphrase is wrong, missing, or given for a store without one. */
  | 'PASSPHRASE'
  /** The store is of a version that this program cannot use. */
  | 'VERSION'
  /** There is no store. */
  | 'NONE'
  /** The store is closed. */
  | 'CLOSED'
  /** A write or read failed: disk full, file damaged. */
  | 'IO'

/** A store cannot be used. Nothing of the call took effect. Never carries what is stored. */
export class StoreError extends Error {
  readonly code: StoreErrorCode

  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StoreError'
    this.code = code
  }
}

/** Another node works on the same data. */
export class StoreLockedError extends Error {
  /** The data folder. */
  readonly folder: string

  constructor(folder: string, options?: ErrorOptions) {
    super(`the data folder ${folder} is in use by another node`, options)
    this.name = 'StoreLockedError'
    this.folder = folder
  }
}

/**
 * What a node keeps between runs. Calls take effect in the order in which they are made, and a write's promise settles
 * when it is on disk. Any method that returns a promise may reject with {@link StoreError}.
 */
export interface AcnStore {
  readonly limits: StoreLimits

  /**
   * Keeps a registration unless a newer one of the same agent is there; one of the same date is replaced. A remote one
   * is not urgent: it may wait for a moment for others to share a commit with.
   * @returns whether it was kept
   */
  putRegistration(registration: Registration): Promise<boolean>
  /** The agent's newest registration, expired or not. */
  getRegistration(address: string): Promise<Registration | undefined>
  /** Removes an agent's registration if it is the one issued then. */
  deleteRegistration(address: string, issuedAt: number): Promise<boolean>
  /** Registrations in the order of their addresses, from after the given address on. */
  listRegistrations(query: {
    readonly kind?: RegistrationKind
    readonly afterAddress?: string
    readonly limit?: number
  }): Promise<Registration[]>
  /**
   * Keeps registrations that come from elsewhere, once for each name: those newer than what is there.
   * @returns how many were kept; undefined when something of this name was imported before
   */
  importRegistrations(name: string, registrations: readonly Registration[]): Promise<number | undefined>
  /** Whether something of this name was imported. */
  wasImported(name: string): Promise<boolean>

  /**
   * Appends an envelope to its agent's and its pair's queue.
   * @param options `seen` marks an id as seen and refuses what was seen under it: in one step, so that a repeated
   *   envelope is taken once
   */
  enqueue(envelope: NewEnvelope, options?: { readonly seen?: SeenAs }): Promise<EnqueueOutcome>
  /** What waits for an agent, in order of arrival. */
  pending(to: string, page?: Page): Promise<PendingEnvelope[]>
  /** What waits from one sender for an agent, in order of arrival. */
  pendingOfPair(to: string, sender: string, page?: Page): Promise<PendingEnvelope[]>
  /** The pairs with something waiting, in the order of their numbers; the last one's `number` is the next `after`. */
  listPairs(page?: Page): Promise<(PairSummary & { readonly number: number })[]>
  /** Puts what waits of a pair behind what came from `source`, in its order: under new numbers, at the end of the queue. */
  putBehind(to: string, sender: string, source: string): Promise<void>
  /** Notes how far delivery has come; nothing when the envelope is gone. */
  setDeliveryState(envelope: EnvelopeNumber, state: DeliveryState): Promise<void>
  /** Removes envelopes that were delivered. */
  delivered(envelopes: readonly EnvelopeNumber[]): Promise<void>
  /**
   * Removes an envelope that is given up and keeps a not-delivered record of it.
   * @returns the record; undefined when the envelope is gone
   */
  giveUp(
    envelope: EnvelopeNumber,
    outcome: { readonly reason: NotDeliveredReason; readonly status?: number; readonly at: number },
  ): Promise<StoredNotDelivered | undefined>

  /**
   * Keeps a not-delivered record of an envelope that does not wait here.
   * @param options `toReport`: its sender has heard SUCCESS and is to be told
   */
  addNotDelivered(entry: NotDelivered, options?: { readonly toReport?: boolean }): Promise<StoredNotDelivered>
  /** Not-delivered records, oldest first, of an agent as sender or of one envelope when asked. */
  listNotDelivered(query?: Page & { readonly sender?: string; readonly id?: EnvelopeId }): Promise<StoredNotDelivered[]>

  /**
   * Not-delivered records of envelopes that had waited here and whose sender, an agent that was registered at this node
   * with an entrance of its own, has not been told; oldest first. Beyond {@link StoreLimits.maxUnreported} for one sender
   * the oldest are left out: they stay as records.
   */
  unreported(sender: string, page?: Page): Promise<StoredNotDelivered[]>
  /** The sender of this not-delivered record was told. */
  reported(number: number): Promise<void>

  /**
   * Marks an id as seen. Not urgent: it may wait for a moment for others to share a commit with.
   * @returns false when it was seen in this scope before
   */
  markSeen(scope: string, id: EnvelopeId): Promise<boolean>

  /** An id was not seen after all. */
  forgetSeen(scope: string, id: EnvelopeId): Promise<void>

  /**
   * Notes a step of an envelope's way. Does not wait for the disk; steps are left out, and counted, when the disk cannot
   * follow.
   */
  addTrace(event: TraceEvent): void
  /** The steps of an envelope's way, in order. */
  trace(id: EnvelopeId): Promise<TraceEvent[]>
  /** Ids of envelopes from or for an address of which there is a trace, the newest first; 100 by default. */
  tracedOf(address: string, limit?: number): Promise<EnvelopeId[]>
  /** Steps that were left out since the start. */
  readonly droppedTraceEvents: number

  /**
   * Gives up envelopes whose time is over and removes expired registrations, `limit` of each at most.
   * @param now milliseconds since 1970
   * @returns the records of the envelopes; call again while there are `limit` of them
   */
  expire(now: number, limit?: number): Promise<StoredNotDelivered[]>
  /** Numbers for the eyes of the operator. */
  count(): Promise<StoreCounts>
  /** Finishes what was asked and closes. */
  close(): Promise<void>
}

/** How much a store holds. */
export interface StoreCounts {
  readonly registrations: number
  readonly envelopes: number
  readonly envelopeBytes: number
  readonly notDelivered: number
}
