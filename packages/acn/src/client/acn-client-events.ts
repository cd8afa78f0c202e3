import type { Envelope, ErrorStatusCode, StatusBody } from '../protocol/index.ts'
import type { EnvelopeId, NotDeliveredReason } from '../store/index.ts'

/** An envelope for the agent. */
export interface EnvelopeEvent {
  readonly type: 'envelope'
  readonly envelope: Envelope
  /** The envelope's name on its whole way; absent when the node is not Parley. */
  readonly id?: EnvelopeId
  /** It came by the carrier of the node, a private channel. Only a Parley node tells. */
  readonly isCarried?: boolean
  /**
   * Tells the node that the agent has it. Only where the client acknowledges `manual`: there the node gives an envelope
   * again, in a later session, until this is called; otherwise the node knows already and this does nothing.
   */
  acknowledge(): void
  /** Refuses it, which is final: its sender is told. As {@link acknowledge} otherwise. */
  refuse(code: ErrorStatusCode, text: string): void
}

/** An envelope that the agent sent was given up. Only Parley nodes tell. */
export interface NotDeliveredEvent {
  readonly type: 'notDelivered'
  /** As {@link SendOutcome.id}. */
  readonly envelopeId: EnvelopeId
  /** Address it was for. */
  readonly to: string
  /** One of the reasons, or a word of a later version. */
  readonly reason: NotDeliveredReason | (string & {})
  /** Status code that ended the last attempt, when there was one. */
  readonly status?: number
  /** Milliseconds since 1970. */
  readonly at: number
}

/** The client is attached at a node. */
export interface ConnectedEvent {
  readonly type: 'connected'
  /** Name of the entry. */
  readonly entry: string
  /** Whether the node is Parley: envelopes to and from it arrive exactly once, and it reports what it gives up. */
  readonly isParley: boolean
}

/** The client has lost its node, or could not attach at one, and tries again or elsewhere. */
export interface DisconnectedEvent {
  readonly type: 'disconnected'
  readonly entry: string
  /** Absent when the node closed the connection in good order. */
  readonly error?: Error
}

/** What a client tells its agent. */
export type AcnClientEvent = EnvelopeEvent | NotDeliveredEvent | ConnectedEvent | DisconnectedEvent

/** What the node said of an envelope that was handed to it. */
export interface SendOutcome extends StatusBody {
  /** The envelope's name, under which it may be reported later. */
  readonly id: EnvelopeId
}

/** An envelope is too long for the node: one that is not Parley would deliver it damaged, or end the connection. */
export class EnvelopeLengthError extends Error {
  /** Bytes of the encoded envelope. */
  readonly length: number
  /** Bytes that the node takes. */
  readonly limit: number

  constructor(length: number, limit: number) {
    super(`envelope of ${length} bytes, the node takes ${limit}`)
    this.name = 'EnvelopeLengthError'
    this.length = length
    this.limit = limit
  }
}
