import { DecodeError } from '@parley/core/encoding'
import type { Command } from 'commander'
import type { DataPaths } from '../node/data-folder.ts'
import { locateData, type ParleySettings, readSettings } from '../node/settings.ts'
import { storePassphraseOf } from '../node/store-passphrase.ts'
import { SettingsError } from '../node/toml-values.ts'
import { defaultDataFolder } from '../talk/conversation-folder.ts'
import { CliError, EXIT } from './exit-codes.ts'

/** What is said where nothing goes in private. */
export const NOTHING_PRIVATE =
  'the node that runs here sends nothing in private: private.mode, [acn] on, or no SMP router'

/** Which node a command is about. */
export interface NodeOptions {
  readonly data?: string
  readonly config?: string
}

/** Adds the options that say which node a command is about. */
export function nodeCommand(program: Command, name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .option('--data <dir>', 'data folder; default $XDG_DATA_HOME/parley or ~/.parley')
    .option('--config <file>', 'configuration; default parley.toml in the data folder')
}

/** Where the node's things are. @throws CliError for a configuration that makes no sense */
export function locateNode(options: NodeOptions): Promise<DataPaths> {
  return inWords(() => locateData(options, defaultDataFolder()))
}

/** What the node's configuration says. @throws CliError for one that makes no sense */
export function readNodeSettings(paths: DataPaths): Promise<ParleySettings> {
  return inWords(() => readSettings(paths), `${paths.config}: `)
}

/** The passphrase of the node's databases; undefined without one. @throws CliError when its file cannot be read */
export function readStorePassphrase(settings: ParleySettings): Promise<string | undefined> {
  return inWords(() => storePassphraseOf(settings), `${settings.file}: `)
}

/** Only a running node can do what is wanted. */
export function notRunning(folder: string): CliError {
  return new CliError(`no node runs on ${folder}: start it (\`parley up\`), and try again`)
}

async function inWords<T>(read: () => Promise<T>, prefix = ''): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (!(error instanceof SettingsError || error instanceof DecodeError)) throw error
    throw new CliError(`${prefix}${error.message}`, EXIT.malformed, { cause: error })
  }
}
