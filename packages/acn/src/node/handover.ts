import { DecodeError } from '@parley/core/encoding'
import { decodeExtended, encodeExtended } from '../entrance/extension.ts'
import type { AcnHost, FrameChannel, RemotePeer } from '../peer/index.ts'
import {
  type AcnMessage,
  AcnStatusError,
  type AgentRecord,
  decodeAcnMessage,
  decodeEnvelope,
  type Envelope,
  encodeAcnMessage,
  STATUS,
  type StatusBody,
  SUCCESS_MESSAGE,
  statusMessage,
  statusOf,
} from '../protocol/index.ts'
import { type ProofCache, verifyRepresentation } from '../record/index.ts'
import type { EnvelopeId } from '../store/index.ts'

/**
 * By this a Parley peer passes an envelope that it stored for an agent to the peer to which the agent has gone. A Go peer
 * does not know it: what waits for an agent that went there waits on.
 *
 * On one stream, in frames: Register with the agent's record for the peer that hands over and the envelope's id,
 * AeaEnvelope with the sender's record for whichever peer and an id of this handing over; then the status. The first record shows that the agent itself took this peer for its
 * representative: only such a peer could have given it any envelope before, and is believed that it got this one.
 */
export const HANDOVER_PROTOCOL = '/parley-acn/handover/1.0.0'

const TIMEOUT = 20_000

/** An envelope that this peer has for an agent which has gone. */
export interface OwnedEnvelope {
  /** Its name on its whole way, and that of this handing over: it is taken once. */
  readonly id: EnvelopeId
  readonly transfer: EnvelopeId
  /** The receiving agent's, for this peer. */
  readonly agentRecord: AgentRecord
  readonly bytes: Uint8Array
  /** The sender's, for whichever peer. */
  readonly record: AgentRecord
}

/** An envelope that another peer had for an agent. */
export interface HandedOver {
  readonly id: EnvelopeId
  readonly transfer: EnvelopeId
  readonly envelope: Envelope
  readonly bytes: Uint8Array
  /** The sender's, proven for some peer. */
  readonly record: AgentRecord
}

/**
 * Hands an envelope over.
 * @throws when the peer cannot be reached, does not speak the protocol, or does not answer
 */
export async function handOver(
  host: AcnHost,
  peerId: string,
  { id, transfer, agentRecord, bytes, record }: OwnedEnvelope,
  signal: AbortSignal,
): Promise<StatusBody> {
  const both = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)])
  const channel = await host.openChannel(peerId, HANDOVER_PROTOCOL, { signal: both })
  try {
    await channel.write(encodeExtended({ type: 'register', record: agentRecord }, { id }), both)
    await channel.write(encodeExtended({ type: 'aeaEnvelope', envelope: bytes, record }, { id: transfer }), both)
    const answer = await read(channel, both)
    if (answer.type !== 'status') throw unexpected()
    return statusOf(answer)
  } finally {
    channel.abort(new Error('handed over'))
  }
}

/** Takes what other peers hand over. */
export async function serveHandovers(
  host: AcnHost,
  receive: (handedOver: HandedOver, from: RemotePeer) => Promise<void>,
): Promise<void> {
  await host.serveChannels(HANDOVER_PROTOCOL, async (channel, from, signal) => {
    const both = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)])
    await channel.write(encodeAcnMessage(await answer(channel, from, host.proofs, receive, both)), both)
    await channel.close()
  })
}

async function answer(
  channel: FrameChannel,
  from: RemotePeer,
  cache: ProofCache,
  receive: (handedOver: HandedOver, from: RemotePeer) => Promise<void>,
  signal: AbortSignal,
): Promise<AcnMessage> {
  try {
    const { message: register, id } = await readNamed(channel, signal)
    const { message: carrier, id: transfer } = await readNamed(channel, signal)
    if (register.type !== 'register' || !register.record) throw unexpected()
    if (carrier.type !== 'aeaEnvelope' || !carrier.record) throw unexpected()
    const { envelope: bytes, record } = carrier
    const envelope = decodeEnvelope(bytes)
    const expectation = { expectedAddress: envelope.to, representativePublicKey: from.publicKey }
    verifyRepresentation(register.record, expectation, { cache })
    verifyRepresentation(record, { expectedAddress: envelope.sender }, { cache })
    await receive({ id, transfer, envelope, bytes, record }, from)
    return SUCCESS_MESSAGE
  } catch (error) {
    if (error instanceof AcnStatusError) return error.toMessage()
    if (error instanceof DecodeError) return statusMessage(STATUS.ERROR_DECODE, 'message cannot be decoded')
    throw error
  }
}

/** A message with the id in its extension. */
async function readNamed(
  channel: FrameChannel,
  signal: AbortSignal,
): Promise<{ readonly message: AcnMessage; readonly id: EnvelopeId }> {
  const body = await channel.read(signal)
  if (!body) throw unexpected()
  const { message, extension } = decodeExtended(body)
  if (extension?.id === undefined) throw unexpected()
  return { message, id: extension.id }
}

async function read(channel: FrameChannel, signal: AbortSignal): Promise<AcnMessage> {
  const body = await channel.read(signal)
  if (!body) throw unexpected()
  return decodeAcnMessage(body)
}

function unexpected(): AcnStatusError {
  return new AcnStatusError(STATUS.ERROR_UNEXPECTED_PAYLOAD, 'unexpected payload')
}
