import type { Migration } from '../migrate.ts'
import { connectionsMigration } from './0001-connections.ts'

/** All schema changes in the order in which they are applied. Released ones are never edited. */
export const MIGRATIONS: readonly Migration[] = [connectionsMigration]
