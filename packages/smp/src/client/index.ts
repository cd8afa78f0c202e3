export type { ClientCommand } from './command-channel.ts'
export { SmpClientError, type SmpClientErrorCode, type SmpClientErrorType } from './errors.ts'
export type { ServerTransmission, ServerTransmissionBatch } from './events.ts'
export {
  CONNECT_TIMEOUTS,
  KEEP_ALIVE,
  type KeepAlive,
  type ModeTimeouts,
  type NetworkOptions,
  REQUEST_TIMEOUTS,
  type RequestMode,
  type RequestOptions,
  type ServiceOptions,
  type SmpClientOptions,
} from './options.ts'
export type { RequestResult } from './requests.ts'
export {
  type LinkContents,
  type MessageOf,
  type NewQueue,
  type RecipientQueue,
  SmpClient,
  type Subscription,
} from './smp-client.ts'
