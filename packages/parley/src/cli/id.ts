import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { LEDGERS, type Ledger, ledgerOf } from '@parley/acn/record'
import { type Command, InvalidArgumentError } from 'commander'
import { writeWhole } from '../files/write-whole.ts'
import { aeaKeyForm, readAeaKey, writeAeaKey } from '../identity/aea-keys.ts'
import { cardState, readCardFile } from '../identity/card-file.ts'
import type { IdentityFolder } from '../identity/identity-folder.ts'
import type { PublicIdentity } from '../identity/key-file.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { addIdCardCommand, datesOf } from './id-card.ts'
import { addIdFindCommand } from './id-find.ts'
import { type IdFolderOptions, type IdKeyOptions, idCommand, idFolder, idKeyCommand, mending } from './id-options.ts'
import { addIdRenewContactCommand } from './id-renew-contact.ts'
import { readPassphrase } from './passphrase.ts'
import { printLine, type Terminal } from './terminal.ts'

const LEDGER_NAMES = LEDGERS.map(({ ledgerId }) => ledgerId).join(', ')

/** Adds `parley id` and what belongs to it. */
export function addIdCommands(program: Command, terminal: Terminal): void {
  const print = (value: unknown) => printLine(terminal.output, JSON.stringify(value, undefined, 2))
  const id = program
    .command('id')
    .description('Ledger identities: keys of agents, encrypted with a passphrase')
    .addHelpText('after', HELP)
  idKeyCommand(id, 'new', 'Make an identity')
    .argument('<name>', 'what you call it')
    .requiredOption('--ledger <ledger>', `one of ${LEDGER_NAMES}`, ledgerOption)
    .action((name: string, options: IdKeyOptions & { ledger: Ledger }) =>
      mending(async () => {
        const folder = idFolder(options)
        const passphrase = await newPassphrase(name, options, terminal)
        await print(publicParts(folder, await folder.create(name, options.ledger, passphrase)))
      }),
    )
  idCommand(id, 'list', 'List the identities; needs no passphrase').action((options: IdFolderOptions) =>
    mending(async () => {
      const folder = idFolder(options)
      const listed = await folder.list()
      for (const item of listed) {
        if ('error' in item) await printLine(terminal.error, `parley: ${item.file}: ${item.error.message}`)
        else await printLine(terminal.output, lineOf(item.identity))
      }
      if (listed.some((item) => 'error' in item)) process.exitCode = EXIT.failed
    }),
  )
  idCommand(id, 'show', 'Show what is public of an identity; needs no passphrase')
    .argument('<name>', 'its name or address')
    .action((name: string, options: IdFolderOptions) =>
      mending(async () => {
        const folder = idFolder(options)
        const identity = await folder.find(name)
        await print({ ...publicParts(folder, identity), card: await cardOf(folder, identity) })
      }),
    )
  addIdCardCommand(id, terminal)
  addIdFindCommand(id, terminal)
  addIdRenewContactCommand(id, terminal)
  idKeyCommand(id, 'export', 'Write the key as a file for Python agents')
    .argument('<name>', 'name or address of the identity')
    .requiredOption('--out <file>', 'the file to write; must not be there yet')
    .option('--plain', 'without encryption, as an agent without a password reads it')
    .option('--key-passphrase-file <file>', 'passphrase of the new file, when it is another')
    .action((name: string, options: ExportOptions) => mending(() => exportKey(name, options, terminal)))
  idKeyCommand(id, 'import', 'Take the key of a Python agent: *_private_key.txt, plain or encrypted')
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

interface ExportOptions extends IdKeyOptions {
  readonly out: string
  readonly plain?: true
  readonly keyPassphraseFile?: string
}

async function exportKey(name: string, options: ExportOptions, terminal: Terminal): Promise<void> {
  if (options.plain && options.keyPassphraseFile !== undefined) {
    throw new CliError('--plain or --key-passphrase-file, not both', EXIT.malformed)
  }
  const folder = idFolder(options)
  const { name: exact } = await folder.find(name)
  const passphrase = await readPassphrase({ file: options.passphraseFile, of: exact }, terminal)
  const identity = await folder.unlock(exact, passphrase)
  const ofFile = { file: options.keyPassphraseFile ?? options.passphraseFile, of: options.out, isNew: true }
  const sealedWith = options.plain ? undefined : await readPassphrase(ofFile, terminal)
  const text = await writeAeaKey(identity.ledger, identity.exportPrivateKey(), sealedWith)
  if (!(await writeWhole(options.out, text, { replace: false }))) throw new CliError(`${options.out} exists`)
}

interface ImportOptions extends IdKeyOptions {
  readonly name: string
  readonly ledger?: Ledger
  readonly keyPassphraseFile?: string
}

async function importKey(file: string, options: ImportOptions, terminal: Terminal): Promise<unknown> {
  const folder = idFolder(options)
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

function newPassphrase(name: string, { passphraseFile }: IdKeyOptions, terminal: Terminal): Promise<string> {
  return readPassphrase({ file: passphraseFile, of: name, isNew: true }, terminal)
}

function publicParts(folder: IdentityFolder, { name, ledger, address, publicKey, createdAt }: PublicIdentity) {
  const file = folder.fileOf(name)
  return { name, ledger: ledger.ledgerId, address, publicKey, createdAt: new Date(createdAt).toISOString(), file }
}

/** What there is to say of the newest card in one line. */
async function cardOf(folder: IdentityFolder, identity: PublicIdentity) {
  const signed = await readCardFile(folder.cardFileOf(identity.name), identity)
  if (!signed) return { state: 'none' }
  return { state: cardState(signed), sequence: signed.card.sequence, notAfter: datesOf(signed).notAfter }
}

function lineOf({ name, ledger, address }: PublicIdentity): string {
  return `${name.padEnd(16)} ${ledger.ledgerId.padEnd(8)} ${address}`
}

function ledgerOption(name: string): Ledger {
  const ledger = ledgerOf(name)
  if (!ledger) throw new InvalidArgumentError(`one of ${LEDGER_NAMES}`)
  return ledger
}
