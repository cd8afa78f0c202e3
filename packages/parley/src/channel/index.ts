export { ChannelError, type ChannelErrorCode } from './channel-error.ts'
export { ChannelReader } from './channel-reader.ts'
export { Channels } from './channels.ts'
export { DEFAULT_LIMITS } from './limits.ts'
export type {
  ChannelEnvelope,
  ChannelEventName,
  ChannelEvents,
  ChannelHandler,
  ChannelLimits,
  ChannelLogEntry,
  ChannelPair,
  ChannelRequestSummary,
  ChannelSummary,
  ChannelsOptions,
  CloseReason,
  EnvelopeState,
  LocalAgent,
  NotDeliveredReason,
  RequestPolicy,
  RequestRefusal,
} from './types.ts'
