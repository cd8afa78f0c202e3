export {
  ENVELOPE_ID_LENGTH,
  MAX_CHANNEL_MESSAGE,
  MAX_ENVELOPE,
  MAX_STATUS,
  REPEATED_REFUSALS,
  STATUS_CORRUPTED,
  UNNUMBERED,
  WINDOW,
} from './limits.ts'
export {
  type Ack,
  type ChannelMessage,
  type CloseCode,
  decodeChannelMessage,
  encodeChannelMessage,
  type Frame,
  type Hello,
} from './message.ts'
export { type OutgoingEnvelope, Packer, type Position, packAgain } from './packing.ts'
export { ACCEPTOR, type ChannelRole, OPENER, signProof, verifyProof } from './proof.ts'
export { type Assembly, type Reassembly, receiveFrame } from './receiving.ts'
export {
  type ChannelRequest,
  decodeChannelRequest,
  encodeChannelRequest,
  signChannelRequest,
  verifyChannelRequest,
} from './request.ts'
