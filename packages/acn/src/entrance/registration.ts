import { AcnStatusError, type AgentRecord, STATUS } from '../protocol/index.ts'
import { type PeerKey, type ProofCache, verifyRepresentation } from '../record/index.ts'

/** What an entrance checks records with. */
export interface RegistrationOptions {
  readonly peerKey: Pick<PeerKey, 'publicKeyHex'>
  /** Proofs that were found valid, shared by the whole node. */
  readonly proofs?: ProofCache | undefined
}

/**
 * The record of an agent that registers, proven for this peer.
 * @throws AcnStatusError
 */
export function provenRecord(record: AgentRecord | undefined, { peerKey, proofs }: RegistrationOptions): AgentRecord {
  if (!record) throw new AcnStatusError(STATUS.ERROR_UNEXPECTED_PAYLOAD, 'register without record')
  const expectation = { expectedAddress: record.address, representativePublicKey: peerKey.publicKeyHex }
  verifyRepresentation(record, expectation, proofs ? { cache: proofs } : {})
  return record
}

/** The status error that a refusal is to the agent: that of a handler, or one that tells nothing of how it failed. */
export function refusal(error: unknown): AcnStatusError {
  if (error instanceof AcnStatusError) return error
  return new AcnStatusError(STATUS.ERROR_GENERIC, 'internal error', { cause: error })
}
