import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DATABASE_FILE as ACN_FILE, changePassphrase as changeAcnPassphrase, opensWith } from '@parley/acn/store'
import { changePassphrase } from '@parley/agent'
import { isEncrypted } from '@parley/core/storage'
import { gatewayFiles } from '../gateway/gateway-files.ts'
import { openWithPassphrase, StoreError } from '../store/index.ts'
import type { DataPaths } from './data-folder.ts'
import type { ParleySettings } from './settings.ts'

/** A database that a node's passphrase encrypts. */
export interface NodeStore {
  /** What it is, for people. */
  readonly name: string
  readonly file: string
  /** Folder of the store of the ACN node; absent for all others. */
  readonly acnFolder?: string
}

/** Folder of the store of a node's peer; a node that runs as `parley acn` has it in the data folder itself. */
export function acnFolderOf(paths: DataPaths, settings: ParleySettings | undefined): string {
  const isWhole = settings !== undefined || existsSync(paths.acn)
  return isWhole ? (settings?.acn?.dataFolder ?? paths.acn) : paths.folder
}

/** The databases that a node's passphrase encrypts, whether they are there or not. */
export function nodeStores(paths: DataPaths, settings: ParleySettings | undefined): NodeStore[] {
  const { cards, contacts } = gatewayFiles(paths.folder)
  const acnFolder = acnFolderOf(paths, settings)
  return [
    { name: 'agent store', file: paths.agent },
    { name: 'contacts', file: contacts },
    { name: 'cards', file: cards },
    { name: 'ACN store', file: join(acnFolder, ACN_FILE), acnFolder },
  ]
}

/** A passphrase, or none. */
type Passphrase = string | undefined

/**
 * Brings all databases of a node that does not run to one passphrase, or to none. Those that have it already stay as they
 * are, so that what was ended in the middle is finished by doing it again. Nothing is changed unless all can be opened.
 * @param from of those that have another passphrase; needed for those alone
 * @returns the databases that are there, and which of them were changed
 * @throws StoreError PASSPHRASE (neither opens one), LOCKED (one is in use), IO; StoreLockedError, StoreError of
 *   `@parley/acn/store`
 */
export function changeNodePassphrase(
  stores: readonly NodeStore[],
  from: Passphrase,
  to: Passphrase,
): { readonly store: NodeStore; readonly isChanged: boolean }[] {
  const found = stores
    .filter(({ file }) => existsSync(file))
    .map((store) => ({ store, current: passphraseOf(store, from, to) }))
  return found.map(({ store, current }) => {
    if (current === to) return { store, isChanged: false }
    if (store.acnFolder !== undefined) changeAcnPassphrase(store.acnFolder, current, to)
    else changePassphrase(store.file, current, to)
    return { store, isChanged: true }
  })
}

/** Which of the two opens a database; none for one that is not encrypted. */
function passphraseOf(store: NodeStore, from: Passphrase, to: Passphrase): Passphrase {
  const candidates = isEncrypted(store.file) ? [to, from].filter((one) => one !== undefined) : [undefined]
  for (const candidate of candidates) if (opens(store, candidate)) return candidate
  throw new StoreError('PASSPHRASE', `${store.file} cannot be read: its passphrase is another one`)
}

/** @throws StoreError when it is in use or damaged */
function opens({ file, acnFolder }: NodeStore, passphrase: Passphrase): boolean {
  if (acnFolder !== undefined) return opensWith(acnFolder, passphrase)
  try {
    openWithPassphrase(file, passphrase).close()
    return true
  } catch (error) {
    if (error instanceof StoreError && error.code === 'PASSPHRASE') return false
    throw error
  }
}
