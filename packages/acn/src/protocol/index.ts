export {
  type AcnMessage,
  type AeaEnvelopeMessage,
  decodeAcnMessage,
  type EmptyMessage,
  encodeAcnMessage,
  type LookupRequestMessage,
  type LookupResponseMessage,
  type RegisterMessage,
  type StatusBody,
  type StatusMessage,
} from './acn-message.ts'
export { agentCid, agentMultihash } from './agent-cid.ts'
export { type AgentRecord, decodeAgentRecord, encodeAgentRecord } from './agent-record.ts'
export { parseEnvFile } from './env-file.ts'
export { decodeEnvelope, type Envelope, encodeEnvelope } from './envelope.ts'
export { encodeFrame, FrameDecoder, type ReadFramesOptions, readFrames } from './frame.ts'
export {
  FRAME_HEADER_LENGTH,
  MAX_FRAME_LENGTH,
  MAX_RECORD_FIELD,
  MAX_REGISTER_LENGTH,
  SAFE_DELEGATE_FRAME,
  SAFE_PIPE_FRAME,
} from './limits.ts'
export {
  announcedAddress,
  formatPeerAddress,
  type HostPort,
  type HostProtocol,
  type PeerAddress,
  parseHostPort,
  parsePeerAddress,
} from './multiaddr.ts'
export { ENV, type NodeSettings, NodeSettingsError, type PipeSettings, readNodeSettings } from './node-settings.ts'
export {
  libp2pPublicKey,
  PEER_PUBLIC_KEY_LENGTH,
  peerIdBytes,
  peerIdOf,
  peerPublicKeyFromHex,
  peerPublicKeyToHex,
  publicKeyOfPeerId,
} from './peer-id.ts'
export {
  AcnStatusError,
  type ErrorStatusCode,
  expectSuccess,
  STATUS,
  type StatusCode,
  type StatusName,
  SUCCESS_BYTES,
  SUCCESS_MESSAGE,
  statusMessage,
  statusName,
  statusOf,
} from './status.ts'
