import { existsSync } from 'node:fs'
import { formatPeerAddress, parsePeerAddress } from '@parley/acn/protocol'
import { readLedgerAddress } from '@parley/acn/record'
import { AgentError, StoreError } from '@parley/agent'
import { DecodeError } from '@parley/core/encoding'
import type { Command } from 'commander'
import { LedgerIdentityError } from '../identity/identity-error.ts'
import { IdentityFolder } from '../identity/identity-folder.ts'
import type { LedgerIdentity } from '../identity/ledger-identity.ts'
import type { Messenger } from '../messenger/messenger.ts'
import { readAgentCard } from '../node/agent-card.ts'
import { askNode } from '../node/control-socket.ts'
import type { DataPaths } from '../node/data-folder.ts'
import { requestPolicyOf } from '../node/gateway-options.ts'
import { smpServersOf } from '../node/private-settings.ts'
import type { ParleySettings } from '../node/settings.ts'
import type { NodeStatus } from '../node/status.ts'
import { SettingsError } from '../node/toml-values.ts'
import type { ParleyOptions } from '../parley.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { locateNode, readNodeSettings, readStorePassphrase } from './node-options.ts'
import { listOption } from './options.ts'
import { readPassphrase } from './passphrase.ts'
import { printLine, type Terminal } from './terminal.ts'

/** Who sends and gets messages, and where. */
export interface MessengerOptions {
  readonly data?: string
  readonly identity?: string
  readonly passphraseFile?: string
  readonly entry?: readonly string[]
  readonly smp?: readonly string[]
  readonly private?: string
  readonly unlisted?: true
}

/** Adds the options that say who sends and gets messages, except `--data` and `--smp`. */
export function messengerOptions(command: Command): Command {
  return command
    .option('--identity <name>', 'ledger identity to be (`parley id`); default the only one, or that of parley.toml')
    .option('--passphrase-file <file>', 'file whose first line is the passphrase of the identity')
    .option('--entry <multiaddr,…>', 'peers of the network, with /p2p/; default those of parley.toml', listOption)
    .option(
      '--private <mode>',
      '"require": nothing that peers could read; "prefer": the plain way to those without a card',
    )
    .option('--unlisted', 'nobody finds this identity by its address; those to whom it writes know it all the same')
}

/** Adds `--data` and `--smp`, as the commands have them that are about messages alone. */
export function messengerCommand(command: Command): Command {
  return messengerOptions(
    command
      .option('--data <dir>', 'data folder; default $XDG_DATA_HOME/parley or ~/.parley')
      .option('--smp <address,…>', 'routers at which you receive; default those of parley.toml', listOption),
  )
}

/**
 * A ledger address that was given, as the network writes it.
 * @throws CliError when it is none
 */
export function addressArgument(text: string): string {
  const address = readLedgerAddress(text)
  if (address === undefined) throw new CliError(`${text} is not a ledger address`, EXIT.malformed)
  return address
}

/** What the options say of how to be in the network, with what the folder's configuration says. */
interface Place {
  readonly paths: DataPaths
  readonly settings: ParleySettings | undefined
  readonly identity: LedgerIdentity
}

/**
 * Opens a messenger: at the node that runs on the data folder, else as a node of its own.
 * @throws CliError for what the user can mend; the stop signal's reason
 */
export async function openMessenger(
  options: MessengerOptions,
  terminal: Terminal,
  { sendsOnly = false }: { readonly sendsOnly?: boolean } = {},
): Promise<Messenger> {
  const { private: mode } = options
  if (mode !== undefined && mode !== 'require' && mode !== 'prefer') {
    throw new CliError('--private is "prefer" or "require"', EXIT.malformed)
  }
  const paths = await locateNode({ ...(options.data !== undefined && { data: options.data }) })
  const settings = existsSync(paths.config) ? await readNodeSettings(paths) : undefined
  const place: Place = { paths, settings, identity: await unlock(options, { paths, settings }, terminal) }
  try {
    const status = await runningNode(paths.folder)
    if (status) return await atNode(options, place, status, { stop: terminal.stop, sendsOnly })
    const own = await ownOptions(options, place, terminal)
    // Loaded when a node is run: libp2p takes its time.
    const { openOwnMessenger } = await import('../messenger/own-messenger.ts')
    return await openOwnMessenger({ ...own, receives: !sendsOnly })
  } catch (error) {
    if (terminal.stop.aborted) throw terminal.stop.reason
    throw failure(error)
  }
}

/** @throws CliError when something else runs on the folder */
async function runningNode(folder: string): Promise<NodeStatus | undefined> {
  try {
    return (await askNode(folder, 'status')) as NodeStatus | undefined
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new CliError(`what runs on ${folder} cannot be used: ${reason}`, EXIT.failed, { cause })
  }
}

async function unlock(
  { identity: named, passphraseFile }: MessengerOptions,
  { paths, settings }: Pick<Place, 'paths' | 'settings'>,
  terminal: Terminal,
): Promise<LedgerIdentity> {
  const folder = new IdentityFolder(paths.identities)
  try {
    const name = named ?? (await onlyIdentity(folder, settings))
    const { name: of } = await folder.find(name)
    const file = passphraseFile ?? settings?.identity.passphraseFile
    return await folder.unlock(name, await readPassphrase({ file, of }, terminal))
  } catch (error) {
    if (!(error instanceof LedgerIdentityError)) throw error
    throw new CliError(error.message, EXIT.failed, { cause: error })
  }
}

async function onlyIdentity(folder: IdentityFolder, settings: ParleySettings | undefined): Promise<string> {
  const listed = await folder.list()
  const all = listed.flatMap((item) => ('identity' in item ? [item.identity.name] : []))
  const names = settings && settings.identity.use.length > 0 ? settings.identity.use : all
  const [name, second] = names
  if (name === undefined) throw new CliError(`no identity in ${folder.path}: \`parley id new NAME --ledger LEDGER\``)
  if (second !== undefined) throw new CliError(`which identity: --identity ${names.join(' or ')}?`, EXIT.malformed)
  return name
}

async function atNode(
  { private: mode, unlisted }: MessengerOptions,
  { paths, identity }: Place,
  { acn, private: settings }: NodeStatus,
  { stop, sendsOnly }: { readonly stop: AbortSignal; readonly sendsOnly: boolean },
): Promise<Messenger> {
  if (acn?.delegatePort === undefined) {
    throw new CliError('the node that runs here has no service for agents: [acn] delegate in parley.toml')
  }
  if (mode === 'require' && settings.mode !== 'require') {
    throw new CliError(`the node that runs here has private.mode = "${settings.mode}": change it in parley.toml`)
  }
  if (unlisted) throw new CliError('the node that runs here lists its agents: stop it, or leave out --unlisted')
  const { openNodeMessenger } = await import('../messenger/node-messenger.ts')
  const at = { ...acn, delegatePort: acn.delegatePort }
  return openNodeMessenger({ folder: paths.folder, acn: at, identity, sendsOnly }, stop)
}

async function ownOptions(options: MessengerOptions, place: Place, terminal: Terminal): Promise<ParleyOptions> {
  const { paths, settings, identity } = place
  const entry = options.entry ?? settings?.acn?.settings.entryPeers.map(formatPeerAddress) ?? []
  for (const multiaddr of entry) checkEntry(multiaddr)
  const smp = smpServersOf('--smp', options.smp ?? settings?.smp.servers)
  const byNode = settings ? 'start the node of this folder (`parley up`), or give' : 'give'
  if (entry.length === 0)
    throw new CliError(`no peer of the network is known: ${byNode} --entry /dns4/…`, EXIT.malformed)
  if (smp.length === 0) throw new CliError(`no router to receive at is known: ${byNode} --smp smp://…`, EXIT.malformed)
  const configured = settings?.private
  const mode = options.private ?? configured?.mode ?? 'require'
  if (mode === 'off') throw new CliError('private.mode is "off" in parley.toml: say --private', EXIT.malformed)
  const passphrase = settings && (await readStorePassphrase(settings))
  // As the node of this folder has it: without it the card would be another one.
  const { use, agentCardFile } = settings?.identity ?? { use: [] }
  const hasAgentCard = agentCardFile !== undefined && use.includes(identity.name)
  return {
    data: paths.folder,
    identity: { ledger: identity.ledger.ledgerId, privateKey: identity.exportPrivateKey() },
    entry,
    smp,
    listed: !options.unlisted,
    private: mode === 'prefer' ? 'prefer' : 'require',
    ...(configured && { lookup: configured.lookup, policy: requestPolicyOf(configured) }),
    ...(hasAgentCard && { attachment: await readAgentCard(agentCardFile) }),
    ...(passphrase !== undefined && { passphrase }),
    log: (level, line) => {
      if (level === 'warning') void printLine(terminal.error, `parley: ${line}`)
    },
    signal: terminal.stop,
  }
}

function checkEntry(multiaddr: string): void {
  try {
    if (parsePeerAddress(multiaddr).peerId !== undefined) return
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
  }
  throw new CliError(`--entry: a multiaddr with /p2p/ is needed, not ${multiaddr}`, EXIT.malformed)
}

/** What the user can mend becomes a CliError. */
function failure(error: unknown): unknown {
  if (error instanceof SettingsError) return new CliError(error.message, EXIT.malformed, { cause: error })
  if (error instanceof AggregateError) {
    const reasons = error.errors.map((one) => (one instanceof Error ? one.message : String(one)))
    return new CliError(`${error.message}: ${reasons.join('; ')}`, EXIT.failed, { cause: error })
  }
  if (!(error instanceof Error) || error instanceof AgentError || error instanceof CliError) return error
  // By its name, as its class comes with libp2p.
  const isExpected = error instanceof StoreError || error.name === 'JoinError' || 'code' in error
  return isExpected ? new CliError(error.message, EXIT.failed, { cause: error }) : error
}
