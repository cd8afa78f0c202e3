/** The embedded database, for the stores of other packages: what an agent keeps itself is not theirs. */
export type { Db, SqliteDatabase, SqlValue } from './database.ts'
export { type MigrateOptions, type Migration, type MigrationsTable, migrate } from './migrate.ts'
export { openWithPassphrase } from './passphrase.ts'
export { StoreError, type StoreErrorCode } from './store-error.ts'
