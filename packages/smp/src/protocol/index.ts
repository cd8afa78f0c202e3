export {
  type Authorization,
  type AuthPrivateKey,
  authenticatorAlgorithm,
  authorize,
  type ServiceSigner,
  verifyAuthorization,
  verifyServiceSignature,
} from './authorization.ts'
export {
  decodeBatch,
  decodeBrokerBlock,
  decodeCommandBlock,
  encodeBatch,
  type LargeTransmission,
  MAX_BATCH_LENGTH,
  type PackedBlock,
  packTransmissions,
} from './batch.ts'
export { brokerMessageCodec } from './broker-messages.ts'
export {
  type ClientMessage,
  type ClientMessageEnvelope,
  clientMessageCodec,
  clientMessageEnvelopeCodec,
  type NotificationMeta,
  notificationMetaCodec,
  type RcvMessageBody,
  rcvMessageBodyCodec,
} from './client-message.ts'
export { commandCodec, queueRequestCodec } from './commands.ts'
export { checkAnswerCredentials, checkCommandCredentials } from './credentials.ts'
export {
  formatBrokerError,
  formatProxyError,
  formatSmpError,
  parseBrokerError,
  parseProxyError,
  parseSmpError,
  smpErrorCodec,
  transportErrorCodec,
} from './errors.ts'
export { isPassword, queueLinkDataCodec, queueModeCodec } from './fields.ts'
export {
  type ForwardedResponse,
  type ForwardedTransmission,
  forwardedResponseCodec,
  forwardedTransmissionCodec,
} from './forwarding.ts'
export {
  type CertifiedKey,
  type ClientHello,
  clientHelloCodec,
  decodeClientHello,
  decodeServerHello,
  decodeServiceResponse,
  type ServerHello,
  type ServiceResponse,
  type ServiceRole,
  serverHelloCodec,
  serviceResponseCodec,
} from './handshake.ts'
export { type HostKind, hostKind, isOnionHost, readHost } from './host.ts'
export { queueInfoCodec } from './queue-info.ts'
export {
  DEFAULT_SMP_PORT,
  formatServerAddress,
  formatSmpServer,
  parseServerAddress,
  parseSmpServer,
  type ServerScheme,
  smpServerPort,
} from './server-address.ts'
export { legacySmpServerCodec, smpServerCodec } from './server-codec.ts'
export { UnknownTagError } from './tagged-codec.ts'
export {
  authorizedBytes,
  commandDecodeErrorType,
  decodeBrokerMessage,
  decodeCommand,
  type EncodedTransmission,
  encodeBrokerMessage,
  encodeCommand,
  parseTransmission,
  type RawTransmission,
  type ReceivedCommand,
  type ReceivedMessage,
  type Refused,
  type SessionContext,
  type SignedTransmission,
  transmissionLength,
  writeTransmission,
} from './transmission.ts'
export type * from './types.ts'
export {
  hasServiceSlot,
  LEGACY_SMP_VERSIONS,
  MAX_STORED_MESSAGE_LENGTH,
  maxMessageLength,
  PADDED_NOTIFICATION_LENGTH,
  PADDED_PROXIED_LENGTH,
  PADDED_RCV_MESSAGE_LENGTH,
  PROXIED_SMP_VERSIONS,
  type ProtocolContext,
  SMP_GATES,
  SMP_VERSIONS,
  sendsSessionId,
} from './versions.ts'
