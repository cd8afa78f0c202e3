import type { AcnMessage } from '../../protocol/index.ts'
import { AcnStatusError, type AgentRecord, STATUS, statusOf } from '../../protocol/index.ts'
import { type ProofCache, verifyRepresentation } from '../../record/index.ts'
import { type Answer, unexpectedPayload } from './exchange.ts'
import type { RemotePeer } from './remote-peer.ts'

/** By this stream a peer asks another for the record of an agent. */
export const ADDRESS_PROTOCOL = '/aea-address/0.1.0'

/** Longest address that is looked up, in characters; those of the ledgers have some forty. */
const MAX_ADDRESS = 128

/**
 * Finds the record of an address for another peer: among the agents of this node, or further on.
 * @throws AcnStatusError to answer with another status than ERROR_UNKNOWN_AGENT_ADDRESS
 */
export type LookupHandler = (address: string, from: RemotePeer, signal: AbortSignal) => Promise<AgentRecord | undefined>

/** The serving side. */
export function answerLookups(lookup: LookupHandler): Answer {
  return async (request, from, signal) => {
    if (request.type !== 'lookupRequest') throw unexpectedPayload()
    const { agentAddress } = request
    const record =
      agentAddress === '' || agentAddress.length > MAX_ADDRESS ? undefined : await lookup(agentAddress, from, signal)
    if (!record) throw new AcnStatusError(STATUS.ERROR_UNKNOWN_AGENT_ADDRESS, 'unknown agent address')
    return { type: 'lookupResponse', record }
  }
}

/** The request for an address. */
export function lookupRequest(agentAddress: string): AcnMessage {
  return { type: 'lookupRequest', agentAddress }
}

/**
 * The record in the answer, proven for the address and any peer.
 * @throws AcnStatusError with the peer's status, or what is wrong with the record
 */
export function readLookupAnswer(answer: AcnMessage, address: string, cache?: ProofCache): AgentRecord {
  if (answer.type === 'status') {
    const { code, msgs } = statusOf(answer)
    throw new AcnStatusError(code, `look-up answered with status ${code}`, { msgs })
  }
  if (answer.type !== 'lookupResponse' || !answer.record) throw unexpectedPayload()
  verifyRepresentation(answer.record, { expectedAddress: address }, cache ? { cache } : {})
  return answer.record
}
