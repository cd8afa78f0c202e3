import { join } from 'node:path'
import { DecodeError, EncodeError } from '@parley/core/encoding'
import type { Command } from 'commander'
import { CardError } from '../card/index.ts'
import { LedgerIdentityError } from '../identity/identity-error.ts'
import { IdentityFolder } from '../identity/identity-folder.ts'
import { defaultDataFolder } from '../talk/conversation-folder.ts'
import { CliError, EXIT } from './exit-codes.ts'

/** Where the identities are. */
export interface IdFolderOptions {
  readonly data?: string
}

/** Where they are, and how one is unlocked. */
export interface IdKeyOptions extends IdFolderOptions {
  readonly passphraseFile?: string
}

/** A command of `parley id`. */
export function idCommand(parent: Command, name: string, description: string): Command {
  return parent
    .command(name)
    .description(description)
    .option('--data <dir>', 'data folder; default $XDG_DATA_HOME/parley or ~/.parley')
}

/** A command of `parley id` that needs a key. */
export function idKeyCommand(parent: Command, name: string, description: string): Command {
  const passphraseFile = 'file whose first line is the passphrase'
  return idCommand(parent, name, description).option('--passphrase-file <file>', passphraseFile)
}

/** The folder of identities. */
export function idFolder({ data }: IdFolderOptions): IdentityFolder {
  return new IdentityFolder(join(data ?? defaultDataFolder(), 'identities'))
}

/** Runs what a command of `parley id` does; what its user can mend becomes a CliError. */
export async function mending(action: () => Promise<void>): Promise<void> {
  try {
    await action()
  } catch (error) {
    const isMalformed = error instanceof EncodeError || error instanceof RangeError
    if (!isMalformed && ![LedgerIdentityError, CardError, DecodeError].some((kind) => error instanceof kind))
      throw error
    const isName = error instanceof LedgerIdentityError && error.code === 'NAME'
    throw new CliError((error as Error).message, isMalformed || isName ? EXIT.malformed : EXIT.failed, { cause: error })
  }
}
