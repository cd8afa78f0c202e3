export { IdentityError } from './identity-folder.ts'
export type { RouterCertificates, RouterEvent, SmpRouterOptions } from './options.ts'
export type { ObservedBlock, SessionObserver } from './session-observer.ts'
export { type ConnectionInspection, type RouterInspection, SmpRouter } from './smp-router.ts'
export { SCHEMA_VERSION } from './sqlite/schema.ts'
export { DATABASE_FILE, SqliteRouterStore } from './sqlite/sqlite-router-store.ts'
export {
  type ExpiryStep,
  type LoadedQueue,
  type MessageNumber,
  type MessagePosition,
  type QueueChange,
  type QueueIdKind,
  type QueueInspection,
  type QueueNumber,
  type QueueRecord,
  type QueueStatus,
  type RouterStore,
  type StoredLink,
  type StoredMessage,
  StoreError,
  StoreLockedError,
} from './store.ts'
