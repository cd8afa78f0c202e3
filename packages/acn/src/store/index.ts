export { newEnvelopeId } from './envelope-id.ts'
export { type GoRecordsImport, importGoRecords } from './import-go-records.ts'
export { AcnStoreReader } from './sqlite/acn-store-reader.ts'
export { changePassphrase, opensWith } from './sqlite/change-passphrase.ts'
export { SCHEMA_VERSION } from './sqlite/schema.ts'
export { DATABASE_FILE, SqliteAcnStore } from './sqlite/sqlite-acn-store.ts'
export {
  type AcnStore,
  CARRIED,
  DEFAULT_STORE_LIMITS,
  type DeliveryState,
  type EnqueueOutcome,
  type EnqueueRefusal,
  type EnvelopeId,
  type EnvelopeNumber,
  type NewEnvelope,
  type NotDelivered,
  type NotDeliveredReason,
  type Page,
  type PairSummary,
  type PendingEnvelope,
  type Registration,
  type RegistrationKind,
  type SeenAs,
  type StoreCounts,
  type StoredNotDelivered,
  StoreError,
  type StoreErrorCode,
  type StoreLimits,
  StoreLockedError,
  type TraceEvent,
} from './store.ts'
