import { MAX_FRAME_LENGTH, type StatusBody } from '../protocol/index.ts'
import type { EnvelopeId } from '../store/index.ts'
import type { WireReport } from './extension.ts'

/** What an agent does with what its node gives it. */
export interface EntryHandler {
  /**
   * An envelope, in order; its status answers the node. The id is absent when the node is not Parley.
   * @param isCarried it came by the node's carrier, a private channel, as a Parley node says
   */
  onEnvelope(bytes: Uint8Array, id: EnvelopeId | undefined, isCarried?: boolean): Promise<StatusBody>
  /** A Parley node reports an envelope that it gave up. */
  onReport(report: WireReport, id: EnvelopeId): Promise<void>
}

/** An agent's connection to its node, registered and ready. */
export interface EntryConnection {
  /** Whether the node is Parley: it knows envelopes by their ids and takes each once. */
  readonly isParley: boolean
  /** Envelopes that may be without an answer at a time. */
  readonly window: number
  /** Longest encoded envelope that the node takes whole, in bytes. */
  readonly maxEnvelopeLength: number
  /** Resolves when the connection has ended. */
  readonly closed: Promise<void>
  /** Why it ended; undefined while it has not, and when it was closed in good order. */
  readonly error: Error | undefined
  /**
   * Hands an envelope over. Resolves with the node's status.
   * @throws AcnConnectionError when the connection ends before, or TIMEOUT, which ends it
   */
  send(bytes: Uint8Array, id: EnvelopeId): Promise<StatusBody>
  /** Ends it. Resolves with {@link closed}. */
  close(): Promise<void>
}

/** A way into the network: one node and one of its entrances. */
export interface Entry {
  /** For people, such as `delegate acn.example.org:9005`. */
  readonly name: string
  /**
   * Connects and registers the agent.
   * @throws AcnConnectionError; the signal's reason when it aborts
   */
  connect(handler: EntryHandler, signal: AbortSignal): Promise<EntryConnection>
}

/** Bytes that a message adds to an envelope, extension included. */
export const MESSAGE_OVERHEAD = 64
/** Longest encoded envelope that a Parley node takes, in bytes. */
export const MAX_ENVELOPE_LENGTH: number = MAX_FRAME_LENGTH - MESSAGE_OVERHEAD
