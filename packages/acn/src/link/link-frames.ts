import { decodeExtended, encodeExtended } from '../entrance/extension.ts'
import { type AgentRecord, type StatusBody, statusMessage, statusOf } from '../protocol/index.ts'
import type { EnvelopeId } from '../store/index.ts'
import { LinkError } from './link-error.ts'

/** Protocol of the streams by which a Parley peer sends envelopes to another: `docs/acn-link.md`. */
export const LINK_PROTOCOL = '/parley-acn/link/1.0.0'

/** Envelopes and bytes without an answer on one link at most. */
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

/** The frame of an envelope: the network's own message, with id and position in Parley's extension. */
export function encodeLinkEnvelope({ id, position, bytes, record }: LinkEnvelope): Uint8Array {
  return encodeExtended({ type: 'aeaEnvelope', envelope: bytes, record }, { id, position })
}

/**
 * @throws DecodeError when the frame is no message; LinkError when it is no envelope with record, id and position
 */
export function decodeLinkEnvelope(body: Uint8Array): LinkEnvelope {
  const { message, extension: { id, position = 0 } = {} } = decodeExtended(body)
  if (message.type !== 'aeaEnvelope' || !message.record || id === undefined) {
    throw new LinkError('PROTOCOL', 'not an envelope with record and id')
  }
  return { id, position, bytes: message.envelope, record: message.record }
}

/** The frame that answers an envelope. */
export function encodeLinkStatus(id: EnvelopeId, { code, msgs }: StatusBody): Uint8Array {
  return encodeExtended(statusMessage(code, ...msgs), { id })
}

/**
 * @throws DecodeError when the frame is no message; LinkError when it is no status with an id
 */
export function decodeLinkStatus(body: Uint8Array): { readonly id: EnvelopeId; readonly status: StatusBody } {
  const { message, extension: { id } = {} } = decodeExtended(body)
  if (message.type !== 'status' || id === undefined) throw new LinkError('PROTOCOL', 'not a status with an id')
  return { id, status: statusOf(message) }
}
