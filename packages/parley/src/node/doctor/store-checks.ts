import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DATABASE_FILE as ACN_FILE, SCHEMA_VERSION as ACN_SCHEMA } from '@parley/acn/store'
import { saltPath } from '@parley/agent'
import { DATABASE_FILE as ROUTER_FILE, SCHEMA_VERSION as ROUTER_SCHEMA } from '@parley/smp/router'
import Database from 'libsql'
import type { ParleySettings } from '../settings.ts'
import { type CheckResult, failed, ok, warning } from './check.ts'

interface Store {
  readonly name: string
  readonly file: string
  /** Newest schema that this program knows; absent where the store keeps its version otherwise. */
  readonly schema?: number
}

const RESTORE = 'put the file back from a backup'

/** The databases of a node that does not run: whole, and of a version that this program knows. */
export function checkStores({ paths, acn, smp }: ParleySettings): CheckResult[] {
  const router = { name: 'router store', file: join(paths.router, ROUTER_FILE), schema: ROUTER_SCHEMA }
  return [
    ...(smp.router ? [checkStore(router)] : []),
    ...(acn ? [checkStore({ name: 'ACN store', file: join(acn.dataFolder, ACN_FILE), schema: ACN_SCHEMA })] : []),
    existsSync(saltPath(paths.agent))
      ? ok('agent store', 'encrypted: looked at when it is opened')
      : checkStore({ name: 'agent store', file: paths.agent }),
  ]
}

function checkStore({ name, file, schema }: Store): CheckResult {
  if (!existsSync(file)) return ok(name, 'none yet')
  let database: Database.Database | undefined
  try {
    database = new Database(file, { readonly: true, timeout: 1000 })
    const [version] = database.prepare('PRAGMA user_version').raw().get([]) as [number]
    if (schema !== undefined && version > schema) {
      return failed(name, `schema ${version}, this program knows up to ${schema}`, 'use the newer Parley that wrote it')
    }
    const [verdict] = database.prepare('PRAGMA quick_check(1)').raw().get([]) as [string]
    if (verdict !== 'ok') return failed(name, 'damaged', RESTORE)
    if (schema === undefined) return ok(name, 'whole')
    return ok(
      name,
      version < schema ? `whole, schema ${version}: the next start brings it to ${schema}` : `whole, schema ${version}`,
    )
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'unreadable'
    if (/locked|busy/i.test(reason))
      return warning(name, 'in use by another process', 'stop that one, or ask `parley status`')
    return failed(name, 'cannot be read', RESTORE)
  } finally {
    database?.close()
  }
}
