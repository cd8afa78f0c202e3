import { passphraseErrorOf } from '@parley/core/storage'

/** Why the store cannot be used. */
export type StoreErrorCode =
  /** Another process, or another agent of this process, has the store open. */
  | 'LOCKED'
  /** The passphrase is wrong, missing, or given for a store without one. */
  | 'PASSPHRASE'
  /** The store was written by a newer program. */
  | 'NEWER'
  /** Migrations of the store and of the program do not agree. */
  | 'MIGRATION'
  /** The disk or the database engine failed. */
  | 'IO'
  /** What the application does in the agent's transaction has failed: nothing of the transaction is stored. */
  | 'APPLICATION'
  /** The store is closed. */
  | 'CLOSED'

/** A failure of the database of an agent. Never carries what is stored. */
export class StoreError extends Error {
  readonly code: StoreErrorCode

  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StoreError'
    this.code = code
  }
}

interface EngineError {
  readonly code?: unknown
}

/** What an error of the database engine means. */
export function storeErrorOf(error: unknown, path: string): StoreError {
  if (error instanceof StoreError) return error
  const wrong = passphraseErrorOf(error, path)
  if (wrong) return new StoreError('PASSPHRASE', wrong.message, { cause: error })
  const { code } = error as EngineError
  if (code === 'SQLITE_BUSY' || code === 'SQLITE_LOCKED') {
    return new StoreError('LOCKED', `${path} is in use by another agent`, { cause: error })
  }
  return new StoreError('IO', `${path}: ${typeof code === 'string' ? code : 'database failure'}`, { cause: error })
}
