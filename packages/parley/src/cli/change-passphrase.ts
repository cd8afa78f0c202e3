import { existsSync } from 'node:fs'
import * as acn from '@parley/acn/store'
import { StoreError } from '@parley/agent'
import type { Command } from 'commander'
import { changeNodePassphrase, nodeStores } from '../node/node-stores.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { locateNode, type NodeOptions, nodeCommand, readNodeSettings, readStorePassphrase } from './node-options.ts'
import { readPassphraseFile } from './passphrase.ts'
import { printLine, type Terminal } from './terminal.ts'

interface PassphraseOptions extends NodeOptions {
  readonly passphraseFile?: string
  readonly oldPassphraseFile?: string
}

/** Adds `parley passphrase`. */
export function addPassphraseCommand(program: Command, terminal: Terminal): void {
  nodeCommand(program, 'passphrase', 'Bring all databases of a stopped node to the passphrase of parley.toml')
    .option('--passphrase-file <file>', 'file whose first line they get; default [data] passphrase_file, without: none')
    .option('--old-passphrase-file <file>', 'file whose first line they have; not needed for those that have none')
    .addHelpText(
      'after',
      `
Example, after passphrase_file was named in parley.toml, or after it was exchanged:
  $ parley passphrase --data ./node
  $ parley passphrase --data ./node --old-passphrase-file old.passphrase

Databases that have the passphrase already stay as they are: when it was ended in the middle, do it again. Exit code 0; 1
when one is in use or has another passphrase: nothing is changed then.`,
    )
    .action(async (options: PassphraseOptions) => {
      const paths = await locateNode(options)
      const settings = existsSync(paths.config) ? await readNodeSettings(paths) : undefined
      const { passphraseFile: file, oldPassphraseFile: oldFile } = options
      const to = file === undefined ? settings && (await readStorePassphrase(settings)) : await readPassphraseFile(file)
      const from = oldFile === undefined ? undefined : await readPassphraseFile(oldFile)
      const changes = change(() => changeNodePassphrase(nodeStores(paths, settings), from, to))
      if (changes.length === 0) throw new CliError(`no databases in ${paths.folder}`)
      for (const { store, isChanged } of changes) {
        const what = to === undefined ? 'not encrypted' : 'encrypted'
        await printLine(terminal.output, `${store.file}: ${isChanged ? 'now' : 'already'} ${what}`)
      }
    })
}

function change<T>(action: () => T): T {
  try {
    return action()
  } catch (error) {
    const kinds = [StoreError, acn.StoreError, acn.StoreLockedError]
    if (!(error instanceof Error && kinds.some((kind) => error instanceof kind))) throw error
    throw new CliError(error.message, EXIT.failed, { cause: error })
  }
}
