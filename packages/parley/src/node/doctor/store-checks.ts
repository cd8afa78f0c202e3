import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { SCHEMA_VERSION as ACN_SCHEMA } from '@parley/acn/store'
import { isEncrypted, keyToOpen, passphraseErrorOf, saltPath } from '@parley/core/storage'
import { DATABASE_FILE as ROUTER_FILE, SCHEMA_VERSION as ROUTER_SCHEMA } from '@parley/smp/router'
import Database from 'libsql'
import { nodeStores } from '../node-stores.ts'
import type { ParleySettings } from '../settings.ts'
import { storePassphraseOf } from '../store-passphrase.ts'
import { SettingsError } from '../toml-values.ts'
import { type CheckResult, failed, ok, warning } from './check.ts'

interface Store {
  readonly name: string
  readonly file: string
  /** Newest schema that this program knows; absent where the store keeps its version otherwise. */
  readonly schema?: number | undefined
}

const RESTORE = 'put the file back from a backup'

/** The databases of a node that does not run: whole, of a version that this program knows, encrypted as they should be. */
export async function checkStores(settings: ParleySettings): Promise<CheckResult[]> {
  const { paths, acn, smp } = settings
  const router = { name: 'router store', file: join(paths.router, ROUTER_FILE), schema: ROUTER_SCHEMA }
  const results = smp.router ? [checkStore(router)] : []
  let passphrase: string | undefined
  try {
    passphrase = await storePassphraseOf(settings)
  } catch (error) {
    // The check of the file has said so.
    if (error instanceof SettingsError) return results
    throw error
  }
  for (const { name, file, acnFolder } of nodeStores(paths, settings)) {
    if (acnFolder !== undefined && !acn) continue
    const store = { name, file, schema: acnFolder === undefined ? undefined : ACN_SCHEMA }
    results.push(checkPassphrase(store, passphrase) ?? checkStore(store, passphrase))
  }
  return results
}

/** What is wrong with the passphrase as far as it is seen without opening the database. */
function checkPassphrase({ name, file }: Store, passphrase: string | undefined): CheckResult | undefined {
  if (!existsSync(file) || isEncrypted(file) === (passphrase !== undefined)) return undefined
  if (passphrase === undefined) {
    // Without a salt it was never encrypted: it is damaged.
    if (!existsSync(saltPath(file))) return undefined
    return failed(name, 'encrypted', 'name its passphrase: [data] passphrase_file in parley.toml')
  }
  return failed(name, 'not encrypted, although there is a passphrase', 'encrypt it: `parley passphrase`')
}

function checkStore({ name, file, schema }: Store, passphrase?: string): CheckResult {
  if (!existsSync(file)) return ok(name, 'none yet')
  let database: Database.Database | undefined
  try {
    const key = keyToOpen(file, passphrase)
    const options = { readonly: true, timeout: 1000, ...(key !== undefined && { encryptionKey: key }) }
    database = new Database(file, options as Database.Options)
    const [version] = database.prepare('PRAGMA user_version').raw().get([]) as [number]
    if (schema !== undefined && version > schema) {
      return failed(name, `schema ${version}, this program knows up to ${schema}`, 'use the newer Parley that wrote it')
    }
    const [verdict] = database.prepare('PRAGMA quick_check(1)').raw().get([]) as [string]
    if (verdict !== 'ok') return failed(name, 'damaged', RESTORE)
    const whole = key === undefined ? 'whole' : 'whole, encrypted'
    if (schema === undefined) return ok(name, whole)
    const next = version < schema ? `: the next start brings it to ${schema}` : ''
    return ok(name, `${whole}, schema ${version}${next}`)
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'unreadable'
    if (/locked|busy/i.test(reason))
      return warning(name, 'in use by another process', 'stop that one, or ask `parley status`')
    if (passphrase !== undefined && passphraseErrorOf(error, file)) {
      const advice = 'if it has the passphrase of before: `parley passphrase --old-passphrase-file FILE`'
      return failed(name, 'does not open with the passphrase', `${advice}; else put the file and its .salt back`)
    }
    return failed(name, 'cannot be read', RESTORE)
  } finally {
    database?.close()
  }
}
