export {
  type AddedQueue,
  type AgentMessage,
  type AgentMessageTag,
  type AMessage,
  agentMessageCodec,
  agentMessageTag,
  aMessageCodec,
  type MessageReceipt,
  type QueueKey,
  type UsedQueue,
} from './agent-message.ts'
export { type AgentEnvelope, type AgentEnvelopeType, agentEnvelopeCodec } from './envelope.ts'
export {
  CLIENT_CONFIRMATION_LENGTH,
  CLIENT_MESSAGE_LENGTH,
  maxMessageBodyLength,
  paddedAgentMessageLength,
  paddedConnInfoLength,
} from './sizes.ts'
export {
  AGENT_GATES,
  AGENT_VERSIONS,
  acceptsClientVersion,
  agreeConnectionVersions,
  type ConnectionVersionRanges,
  type ConnectionVersions,
  pqSupported,
  raisedAgentVersion,
} from './versions.ts'
