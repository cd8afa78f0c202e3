import { decodeExtended, type Extension, encodeExtended } from '../entrance/extension.ts'
import {
  type AcnMessage,
  type AgentRecord,
  STATUS,
  type StatusBody,
  statusMessage,
  statusOf,
} from '../protocol/index.ts'
import type { SignedRegistration } from '../record/index.ts'
import type { EnvelopeId } from '../store/index.ts'
import { LinkError } from './link-error.ts'

/** Protocol of the streams by which Parley peers send to each other: `docs/acn-link.md`. */
export const LINK_PROTOCOL = '/parley-acn/link/1.0.0'

/** Frames and bytes without an answer on one link at most. */
export const LINK_WINDOW = 512
export const LINK_WINDOW_BYTES = 8 * 1024 * 1024

/** An envelope on a link. */
export interface LinkEnvelope {
  readonly id: EnvelopeId
  /** Among those of its pair that are under way: a peer takes 0 always, and n only right after n - 1. */
  readonly position: number
  readonly bytes: Uint8Array
  /** The sender's, for the sending peer. */
  readonly record: AgentRecord
}

/** What the opener of a link sends; the other side answers each by its id. */
export type LinkRequest =
  | ({ readonly type: 'envelope' } & LinkEnvelope)
  /** An agent is represented by the sending peer, or by another one that signed it. */
  | { readonly type: 'registration'; readonly id: EnvelopeId; readonly registration: SignedRegistration }
  /** Asks to be told when nothing of a sender waits for an agent any more. */
  | ({ readonly type: 'drained'; readonly id: EnvelopeId } & DrainedQuestion)

/** A pair of which the asking peer has sent envelopes that may still wait at the other one. */
export interface DrainedQuestion {
  /** Address of the receiving agent. */
  readonly to: string
  /** The sending agent's, for the asking peer. */
  readonly record: AgentRecord
}

/** What is answered: a status, and a newer registration where a registration was sent and that is known. */
export interface LinkAnswer {
  readonly id: EnvelopeId
  readonly status: StatusBody
  readonly newer?: SignedRegistration
}

/** The frame of an envelope: the network's own message, with id and position in Parley's extension. */
export function encodeLinkEnvelope({ id, position, bytes, record }: LinkEnvelope): Uint8Array {
  return encodeExtended({ type: 'aeaEnvelope', envelope: bytes, record }, { id, position })
}

/** The frame of a registration. */
export function encodeLinkRegistration(id: EnvelopeId, { record, ...dates }: SignedRegistration): Uint8Array {
  return encodeExtended({ type: 'register', record }, { id, registration: dates })
}

/** The frame of the question whether a queue is empty. */
export function encodeLinkQuestion(id: EnvelopeId, { to, record }: DrainedQuestion): Uint8Array {
  return encodeExtended({ type: 'register', record }, { id, drained: to })
}

/**
 * @throws DecodeError when the frame is no message; LinkError when it is nothing that a link carries
 */
export function decodeLinkRequest(body: Uint8Array): LinkRequest {
  const { message, extension = {} } = decodeExtended(body)
  const { id, position = 0, registration, drained: to } = extension
  if (id !== undefined && message.type === 'aeaEnvelope' && message.record) {
    return { type: 'envelope', id, position, bytes: message.envelope, record: message.record }
  }
  if (id !== undefined && message.type === 'register' && message.record && to !== undefined) {
    return { type: 'drained', id, to, record: message.record }
  }
  const signed = registrationOf(message, extension)
  if (id !== undefined && registration && signed) return { type: 'registration', id, registration: signed }
  throw new LinkError('PROTOCOL', 'nothing that a link carries')
}

/** The frame that answers one; a newer registration takes the place of the status. */
export function encodeLinkAnswer({ id, status, newer }: LinkAnswer): Uint8Array {
  return newer ? encodeLinkRegistration(id, newer) : encodeExtended(statusMessage(status.code, ...status.msgs), { id })
}

/**
 * @throws DecodeError when the frame is no message; LinkError when it is no answer with an id
 */
export function decodeLinkAnswer(body: Uint8Array): LinkAnswer {
  const { message, extension = {} } = decodeExtended(body)
  const { id } = extension
  if (id !== undefined && message.type === 'status') return { id, status: statusOf(message) }
  const newer = registrationOf(message, extension)
  if (id !== undefined && newer) return { id, status: { code: STATUS.SUCCESS, msgs: [] }, newer }
  throw new LinkError('PROTOCOL', 'not an answer with an id')
}

function registrationOf(message: AcnMessage, { registration }: Extension): SignedRegistration | undefined {
  if (message.type !== 'register' || !message.record || !registration) return undefined
  return { record: message.record, ...registration }
}
