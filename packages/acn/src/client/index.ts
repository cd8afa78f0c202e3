export { DelegateEntry, type DelegateEntryOptions } from '../delegate/delegate-entry.ts'
export type { LedgerSigner } from '../entrance/challenge.ts'
export { AcnConnectionError, type ConnectionErrorCode } from '../entrance/connection-error.ts'
export type { Entry, EntryConnection, EntryHandler } from '../entrance/entry.ts'
export {
  type AgentIdentity,
  identityFromKey,
  identityFromRecords,
  identityFromSigner,
  type LedgerAccount,
} from '../entrance/identity.ts'
export { MailboxEntry, type MailboxEntryOptions } from '../mailbox/mailbox-entry.ts'
export { PipeEntry, type PipeEntryOptions } from '../pipe/pipe-entry.ts'
export { AcnClient, type AcnClientOptions, type Backoff, type SendOptions } from './acn-client.ts'
export {
  type AcnClientEvent,
  type ConnectedEvent,
  type DisconnectedEvent,
  type EnvelopeEvent,
  EnvelopeLengthError,
  type NotDeliveredEvent,
  type SendOutcome,
} from './acn-client-events.ts'
export type { Acknowledgement } from './inbox.ts'
export { NodeEntry, type NodeEntryOptions } from './node-entry.ts'
export { RelayEntry, type RelayEntryOptions } from './relay-entry.ts'
