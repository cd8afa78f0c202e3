import { DecodeError } from '@parley/core/encoding'
import { decodeExtended, encodeExtended } from '../../entrance/extension.ts'
import {
  type AcnMessage,
  AcnStatusError,
  type AgentRecord,
  decodeEnvelope,
  type Envelope,
  encodeAcnMessage,
  STATUS,
  SUCCESS_MESSAGE,
} from '../../protocol/index.ts'
import { type ProofCache, verifyRepresentation } from '../../record/index.ts'
import type { EnvelopeId } from '../../store/index.ts'
import { type Answer, unexpectedPayload } from './exchange.ts'
import type { RemotePeer } from './remote-peer.ts'

/** By this stream an envelope goes from the peer of its sender to the peer of its receiver. */
export const ENVELOPE_PROTOCOL = '/aea/0.1.0'

/** An envelope from another peer whose record is proven to be of an agent of that peer. */
export interface ReceivedEnvelope {
  readonly envelope: Envelope
  /** The envelope as it came, to be passed on unchanged. */
  readonly bytes: Uint8Array
  /** Of the sending agent; that `envelope.sender` is its address is not checked here. */
  readonly record: AgentRecord
  /** Its name, when the peer gave one: the same is to be taken once. */
  readonly id?: EnvelopeId
}

/**
 * Takes an envelope; success is answered when it returns.
 * @throws AcnStatusError to refuse it
 */
export type EnvelopeHandler = (received: ReceivedEnvelope, from: RemotePeer, signal: AbortSignal) => Promise<void>

/** The serving side, in the Go node's order: payload, envelope, proof. */
export function answerEnvelopes(receive: EnvelopeHandler, cache?: ProofCache): Answer {
  return async (request, from, signal, message) => {
    if (request.type !== 'aeaEnvelope') throw unexpectedPayload()
    const { envelope: bytes, record } = request
    const envelope = readEnvelope(bytes)
    if (!record) throw unexpectedPayload()
    const expectation = { expectedAddress: record.address, representativePublicKey: from.publicKey }
    verifyRepresentation(record, expectation, cache ? { cache } : {})
    const id = decodeExtended(message).extension?.id
    await receive({ envelope, bytes, record, ...(id !== undefined && { id }) }, from, signal)
    return SUCCESS_MESSAGE
  }
}

function readEnvelope(bytes: Uint8Array): Envelope {
  try {
    return decodeEnvelope(bytes)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw new AcnStatusError(STATUS.ERROR_DECODE, 'envelope cannot be decoded')
  }
}

/** The request that carries an envelope, with the record of the agent that sends it, and its name for Parley peers. */
export function encodeEnvelopeRequest(envelope: Uint8Array, record: AgentRecord, id?: EnvelopeId): Uint8Array {
  const message: AcnMessage = { type: 'aeaEnvelope', envelope, record }
  return id === undefined ? encodeAcnMessage(message) : encodeExtended(message, { id })
}
