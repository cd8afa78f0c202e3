export { saltPath } from '@parley/core/storage'
export { Agent, type AgentOptions, type CallOptions } from './agent.ts'
export type { AgentLogEntry } from './agent-context.ts'
export {
  type AgentCryptoError,
  AgentError,
  type AgentErrorType,
  type CommandErrorType,
  type ConnectionErrorType,
  type DroppedMessage,
  type FileErrorType,
  type PeerErrorType,
  type ProxyClientErrorType,
  type RatchetSyncState,
} from './agent-error.ts'
export type { AgentErrorJson, TaggedJson } from './agent-error-json.ts'
export type { AgentTransaction, ApplicationStore, ApplicationStoreOptions } from './application-store.ts'
export { type AgentConfig, DEFAULT_CONFIG } from './config.ts'
export type { AcceptContactOptions } from './connection/contact.ts'
export type { CreateConnectionOptions, CreatedConnection } from './connection/create.ts'
export type { JoinConnectionOptions } from './connection/join-link.ts'
export type { ConnectionInMaking, OwnInfo } from './connection/own-info.ts'
export type { AckOptions, MessageToSend, SentMessage } from './connection/send.ts'
export type {
  ConnectionState,
  ConnectionStats,
  ConnectionSummary,
  RcvQueueStats,
  SndQueueStats,
} from './connection/stats.ts'
export type { AgentEvent, AgentEventName, AgentEventOf, DeletedRcvQueue, MsgReceipt } from './events.ts'
export { formatMsgIntegrity, type MsgIntegrity } from './integrity.ts'
export type { IncomingMessage, MessageReceiver } from './message-receiver.ts'
export type { MessageState, MessageStatus, StatusReason } from './message-status.ts'
export type { RetryInterval } from './retry-interval.ts'
export { changePassphrase } from './store/passphrase.ts'
export type { QueueStatus } from './store/records.ts'
export { StoreError, type StoreErrorCode } from './store/store-error.ts'
export type { EventHandler } from './sub-queue.ts'
export type { SubscriptionStatus } from './subscriptions.ts'
