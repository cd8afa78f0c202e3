import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { LEDGERS, type Ledger, ledgerOf } from '@parley/acn/record'
import { type Command, InvalidArgumentError } from 'commander'
import { writeWhole } from '../files/write-whole.ts'
import { aeaKeyForm, readAeaKey, writeAeaKey } from '../identity/aea-keys.ts'
import { LedgerIdentityError } from '../identity/identity-error.ts'
import { IdentityFolder } from '../identity/identity-folder.ts'
import type { PublicIdentity } from '../identity/key-file.ts'
import { defaultDataFolder } from '../talk/conversation-folder.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { readPassphrase } from './passphrase.ts'
import { printLine, type Terminal } from './terminal.ts'

const LEDGER_NAMES = LEDGERS.map(({ ledgerId }) => ledgerId).join(', ')

interface FolderOptions {
  readonly data?: string
}

interface KeyOptions extends FolderOptions {
  readonly passphraseFile?: string
}

/** Adds `parley id` and what belongs to it. */
export function addIdCommands(program: Command, terminal: Terminal): void {
  const print = (value: unknown) => printLine(terminal.output, JSON.stringify(value, undefined, 2))
  const id = program
    .command('id')
    .description('Ledger identities: keys of agents, encrypted with a passphrase')
    .addHelpText('after', HELP)
  keyCommand(id, 'new', 'Make an identity')
    .argument('<name>', 'what you call it')
    .requiredOption('--ledger <ledger>', `one of ${LEDGER_NAMES}`, ledgerOption)
    .action((name: string, options: KeyOptions & { ledger: Ledger }) =>
      mending(async () => {
        const folder = folderOf(options)
        const passphrase = await newPassphrase(name, options, terminal)
        await print(publicParts(folder, await folder.create(name, options.ledger, passphrase)))
      }),
    )
  folderCommand(id, 'list', 'List the identities; needs no passphrase').action((options: FolderOptions) =>
    mending(async () => {
      const folder = folderOf(options)
      const listed = await folder.list()
      for (const item of listed) {
        if ('error' in item) await printLine(terminal.error, `parley: ${item.file}: ${item.error.message}`)
        else await printLine(terminal.output, lineOf(item.identity))
      }
      if (listed.some((item) => 'error' in item)) process.exitCode = EXIT.failed
    }),
  )
  folderCommand(id, 'show', 'Show what is public of an identity; needs no passphrase')
    .argument('<name>', 'its name or address')
    .action((name: string, options: FolderOptions) =>
      mending(async () => {
        const folder = folderOf(options)
        await print(publicParts(folder, await folder.find(name)))
      }),
    )
  keyCommand(id, 'export', 'Write the key as a file for Python agents')
    .argument('<name>', 'name or address of the identity')
    .requiredOption('--out <file>', 'the file to write; must not be there yet')
    .option('--plain', 'without encryption, as an agent without a password reads it')
    .option('--key-passphrase-file <file>', 'passphrase of the new file, when it is another')
    .action((name: string, options: ExportOptions) => mending(() => exportKey(name, options, terminal)))
  keyCommand(id, 'import', 'Take the key of a Python agent: *_private_key.txt, plain or encrypted')
    .argument('<file>', 'the key file')
    .requiredOption('--name <name>', 'what you call the identity')
    .option('--ledger <ledger>', `one of ${LEDGER_NAMES}; else what name and form of the file say`, ledgerOption)
    .option('--key-passphrase-file <file>', 'passphrase of the key file, when it is another')
    .action((file: string, options: ImportOptions) =>
      mending(async () => print(await importKey(file, options, terminal))),
    )
}

const HELP = `
The passphrase comes from the first line of --passphrase-file, else from PARLEY_PASSPHRASE, else it is asked for.

Examples:
  $ parley id new alice --ledger fetchai
  $ parley id import ./agent/ethereum_private_key.txt --name bob
  $ parley id list`

interface ExportOptions extends KeyOptions {
  readonly out: string
  readonly plain?: true
  readonly keyPassphraseFile?: string
}

async function exportKey(name: string, options: ExportOptions, terminal: Terminal): Promise<void> {
  if (options.plain && options.keyPassphraseFile !== undefined) {
    throw new CliError('--plain or --key-passphrase-file, not both', EXIT.malformed)
  }
  const folder = folderOf(options)
  const { name: exact } = await folder.find(name)
  const passphrase = await readPassphrase({ file: options.passphraseFile, of: exact }, terminal)
  const identity = await folder.unlock(exact, passphrase)
  const ofFile = { file: options.keyPassphraseFile ?? options.passphraseFile, of: options.out, isNew: true }
  const sealedWith = options.plain ? undefined : await readPassphrase(ofFile, terminal)
  const text = await writeAeaKey(identity.ledger, identity.exportPrivateKey(), sealedWith)
  if (!(await writeWhole(options.out, text, { replace: false }))) throw new CliError(`${options.out} exists`)
}

interface ImportOptions extends KeyOptions {
  readonly name: string
  readonly ledger?: Ledger
  readonly keyPassphraseFile?: string
}

async function importKey(file: string, options: ImportOptions, terminal: Terminal): Promise<unknown> {
  const folder = folderOf(options)
  const text = await readFile(file, 'utf8')
  const ledger = options.ledger ?? ledgerOfFile(file, text)
  const ofFile = { file: options.keyPassphraseFile ?? options.passphraseFile, of: file }
  const isPlain = aeaKeyForm(text) === 'plain'
  const privateKey = await readAeaKey(text, isPlain ? undefined : await readPassphrase(ofFile, terminal))
  const passphrase = await newPassphrase(options.name, options, terminal)
  return publicParts(folder, await folder.add(options.name, ledger, privateKey, passphrase))
}

/** Python agents call the files `fetchai_private_key.txt`; only ethereum writes 0x, and the Ethereum programs' JSON. */
function ledgerOfFile(file: string, text: string): Ledger {
  const named = LEDGERS.find(({ ledgerId }) => basename(file).startsWith(`${ledgerId}_`))
  if (named) return named
  const isEthereum = aeaKeyForm(text) === 'v3' || /^\s*0x/i.test(text)
  const ledger = isEthereum ? ledgerOf('ethereum') : undefined
  if (!ledger)
    throw new CliError(`the file does not say of which ledger it is: --ledger ${LEDGER_NAMES}`, EXIT.malformed)
  return ledger
}

function newPassphrase(name: string, { passphraseFile }: KeyOptions, terminal: Terminal): Promise<string> {
  return readPassphrase({ file: passphraseFile, of: name, isNew: true }, terminal)
}

function publicParts(folder: IdentityFolder, { name, ledger, address, publicKey, createdAt }: PublicIdentity) {
  const file = folder.fileOf(name)
  return { name, ledger: ledger.ledgerId, address, publicKey, createdAt: new Date(createdAt).toISOString(), file }
}

function lineOf({ name, ledger, address }: PublicIdentity): string {
  return `${name.padEnd(16)} ${ledger.ledgerId.padEnd(8)} ${address}`
}

function folderCommand(parent: Command, name: string, description: string): Command {
  return parent
    .command(name)
    .description(description)
    .option('--data <dir>', 'data folder; default $XDG_DATA_HOME/parley or ~/.parley')
}

function keyCommand(parent: Command, name: string, description: string): Command {
  return folderCommand(parent, name, description).option(
    '--passphrase-file <file>',
    'file whose first line is the passphrase',
  )
}

function folderOf({ data }: FolderOptions): IdentityFolder {
  return new IdentityFolder(join(data ?? defaultDataFolder(), 'identities'))
}

function ledgerOption(name: string): Ledger {
  const ledger = ledgerOf(name)
  if (!ledger) throw new InvalidArgumentError(`one of ${LEDGER_NAMES}`)
  return ledger
}

/** What the user can mend becomes a CliError. */
async function mending(action: () => Promise<void>): Promise<void> {
  try {
    await action()
  } catch (error) {
    if (!(error instanceof LedgerIdentityError)) throw error
    throw new CliError(error.message, error.code === 'NAME' ? EXIT.malformed : EXIT.failed, { cause: error })
  }
}
