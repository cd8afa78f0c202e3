import { AGENT_GATES } from './versions.ts'

/** Length that the content of the per-queue box is padded to; less when the envelope carries the sender's key. */
export const CLIENT_MESSAGE_LENGTH = 16000
export const CLIENT_CONFIRMATION_LENGTH = 15904

/** Bytes of an agent message besides a user message's body: tag, id, short hash, tag. */
const MESSAGE_HEADER_LENGTH = 1 + 8 + 33 + 1
const PAD_LENGTH = 2

/**
 * Length that agent messages are padded to inside the ratchet, in bytes: `spec/agent.md §3.4`.
 * Smaller with PQ by what its headers are longer.
 */
export function paddedAgentMessageLength(agentVersion: number, pqSupport: boolean): number {
  return pqSupport && agentVersion >= AGENT_GATES.pq ? 13618 : 15840
}

/** Length that connection information is padded to inside the ratchet, in bytes: `spec/agent.md §3.4`. */
export function paddedConnInfoLength(agentVersion: number, pqSupport: boolean): number {
  return pqSupport && agentVersion >= AGENT_GATES.pq ? 11106 : 14832
}

/** Largest body of a user message, in bytes: 15,795 or with PQ 13,573. */
export function maxMessageBodyLength(agentVersion: number, pqSupport: boolean): number {
  return paddedAgentMessageLength(agentVersion, pqSupport) - PAD_LENGTH - MESSAGE_HEADER_LENGTH
}
