export type {
  AgentSession,
  DeliveryOutcome,
  DeliveryReport,
  DetachReason,
  EntranceHandler,
  EntranceKind,
  PendingItem,
  PendingSource,
  Submission,
} from '../entrance.ts'
export { type ChallengePolicy, challengeMessage, type LedgerSigner, verifyChallenge } from './challenge.ts'
export { AcnConnectionError, type ConnectionErrorCode } from './connection-error.ts'
export { CONNECTION_LIMITS, type ConnectionLimits } from './connection-limits.ts'
export { PUMP_DEFAULTS, type PumpOptions } from './delivery-pump.ts'
export { type Entry, type EntryConnection, type EntryHandler, MAX_ENVELOPE_LENGTH } from './entry.ts'
export { CAPABILITY, decodeExtended, type Extension, encodeExtended, type WireReport } from './extension.ts'
export {
  type AgentIdentity,
  identityFromKey,
  identityFromRecords,
  identityFromSigner,
  type LedgerAccount,
} from './identity.ts'
export { createSessionCertificate, type SessionCertificate } from './session-certificate.ts'
export { isTold, TOLD_ERRORS, type ToldErrors } from './told-errors.ts'
