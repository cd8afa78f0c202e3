export type { Db, Migration, SqliteDatabase, SqlValue } from '@parley/agent/store'
export { openWithPassphrase, StoreError, type StoreErrorCode } from '@parley/agent/store'
export { type DatabaseOptions, openDatabase } from './database.ts'
