import { readFile, stat } from 'node:fs/promises'
import { setImmediate } from 'node:timers/promises'
import { AcnStatusError } from '../protocol/index.ts'
import { readGoRecordStore, verifyRepresentation } from '../record/index.ts'
import type { AcnStore, Registration } from './store.ts'

/** Name under which the store remembers that the file was read. */
const IMPORT_NAME = 'go-record-store'
/** A file beyond this was not written by a node that works; it is left alone. */
const MAX_FILE_LENGTH = 64 * 1024 * 1024
/** Proofs that are checked before others of this thread get their turn. */
const PROOFS_AT_ONCE = 32

/** What became of a Go node's record store file. */
export interface GoRecordsImport {
  /** `none`: there is no file. `before`: an earlier start has read it. */
  readonly outcome: 'imported' | 'none' | 'before'
  /** Registrations that were kept. */
  readonly kept: number
  /** What was left out and why, without contents: for the log. */
  readonly warnings: readonly string[]
}

/**
 * Takes over the relay registrations that a Go node left in its `agent_records_store_*` file: at the first start only,
 * and only records whose proof holds. A damaged file gives what can be read, with a warning. They are dated with the
 * file's last change, so that anything newer goes before them.
 * @throws StoreError; the system's error when the file is there and cannot be read
 */
export async function importGoRecords(store: AcnStore, file: string): Promise<GoRecordsImport> {
  const found = await findFile(file)
  if (!found) return { outcome: 'none', kept: 0, warnings: [] }
  if (found.size > MAX_FILE_LENGTH) return { outcome: 'none', kept: 0, warnings: ['record store is too large'] }
  if (await store.wasImported(IMPORT_NAME)) return { outcome: 'before', kept: 0, warnings: [] }
  const { records, warnings } = readGoRecordStore(await readFile(file))
  const refused: string[] = []
  const issuedAt = Math.trunc(found.mtimeMs)
  const registrations: Registration[] = []
  for (const [index, record] of records.entries()) {
    if (index % PROOFS_AT_ONCE === 0) await setImmediate()
    try {
      verifyRepresentation(record, { expectedAddress: record.address })
      registrations.push({ kind: 'relay', record, issuedAt })
    } catch (error) {
      if (!(error instanceof AcnStatusError)) throw error
      refused.push(`record left out: ${error.message}`)
    }
  }
  const kept = await store.importRegistrations(IMPORT_NAME, registrations)
  if (kept === undefined) return { outcome: 'before', kept: 0, warnings: [] }
  return { outcome: 'imported', kept, warnings: [...warnings, ...refused] }
}

async function findFile(file: string) {
  try {
    return await stat(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
