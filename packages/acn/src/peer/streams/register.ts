import { type AcnMessage, type AgentRecord, SUCCESS_MESSAGE } from '../../protocol/index.ts'
import { type ProofCache, verifyRepresentation } from '../../record/index.ts'
import { type Answer, unexpectedPayload } from './exchange.ts'
import type { RemotePeer } from './remote-peer.ts'

/** By this stream a relay client registers its agent at its relay. */
export const REGISTER_PROTOCOL = '/aea-register/0.1.0'

/**
 * Takes a registration whose proof is valid for the peer that sent it; success is answered when it returns.
 * @throws AcnStatusError to refuse it
 */
export type RegisterHandler = (record: AgentRecord, from: RemotePeer, signal: AbortSignal) => Promise<void>

/** The serving side. */
export function answerRegistrations(register: RegisterHandler, cache?: ProofCache): Answer {
  return async (request, from, signal) => {
    if (request.type !== 'register' || !request.record) throw unexpectedPayload()
    const { record } = request
    const expectation = { expectedAddress: record.address, representativePublicKey: from.publicKey }
    verifyRepresentation(record, expectation, cache ? { cache } : {})
    await register(record, from, signal)
    return SUCCESS_MESSAGE
  }
}

/** The request that registers an agent. */
export function registration(record: AgentRecord): AcnMessage {
  return { type: 'register', record }
}
