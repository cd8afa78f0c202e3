import { existsSync } from 'node:fs'
import { NodeSettingsError } from '@parley/acn/protocol'
import * as acn from '@parley/acn/store'
import { AgentError, StoreError } from '@parley/agent'
import { EncodeError } from '@parley/core/encoding'
import * as smp from '@parley/smp/router'
import type { Command } from 'commander'
import { LedgerIdentityError } from '../identity/identity-error.ts'
import { inTermsOfConfig } from '../node/acn-settings.ts'
import { prepareDataFolder } from '../node/data-folder.ts'
import type { ParleyNode } from '../node/parley-node.ts'
import type { ParleySettings } from '../node/settings.ts'
import { SettingsError } from '../node/toml-values.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { locateNode, type NodeOptions, nodeCommand, readNodeSettings } from './node-options.ts'
import { readPassphrase } from './passphrase.ts'
import { statusLines } from './status-lines.ts'
import { printLine, stopped, type Terminal } from './terminal.ts'
import { keepYoungGenerationSmall } from './young-generation.ts'

/** What keeps a node from running and can be mended by its user, besides the system's errors. */
const EXPECTED = [
  ...[acn.StoreError, acn.StoreLockedError, smp.StoreError, smp.StoreLockedError, smp.IdentityError],
  ...[AgentError, StoreError, EncodeError, LedgerIdentityError],
]

interface UpOptions extends NodeOptions {
  readonly init?: true
  readonly json?: true
}

/** Adds `parley up`. */
export function addUpCommand(program: Command, terminal: Terminal): void {
  nodeCommand(program, 'up', 'Run everything in one process: SMP router, ACN peer with its services, agent')
    .option('--init', 'make the keys and parley.toml, and do not start')
    .option('--json', 'print what it is as one line of JSON')
    .addHelpText(
      'after',
      `
Example:
  $ parley up --data ./node

The first run makes keys and a commented parley.toml. Listens on loopback unless that says otherwise. SIGINT or SIGTERM
stops it after everything is stored: exit code 0; 1 when it cannot start or go on (\`parley doctor\` says why), 2 for a
configuration that makes no sense.`,
    )
    .action((options: UpOptions) => up(options, terminal))
}

async function up(options: UpOptions, terminal: Terminal): Promise<void> {
  const paths = await locateNode(options)
  if (options.config !== undefined && !existsSync(paths.config)) {
    throw new CliError(`${paths.config} is not there`, EXIT.malformed)
  }
  const made = await prepareDataFolder(paths, { withConfig: options.config === undefined })
  for (const file of made) await printLine(terminal.error, `made ${file}`)
  const settings = await readNodeSettings(paths)
  if (options.init) return
  keepYoungGenerationSmall()
  const node = await start(settings, terminal)
  if (!node) return
  try {
    const status = await node.status()
    if (options.json) await printLine(terminal.output, JSON.stringify(status))
    else for (const line of [...statusLines(status), 'ready']) await printLine(terminal.output, line)
    await Promise.race([node.failed, stopped(terminal.stop)])
  } catch (error) {
    throw failure(error)
  } finally {
    await node.stop()
  }
}

/** The running node; undefined when it was asked to stop before it ran. */
async function start(settings: ParleySettings, terminal: Terminal): Promise<ParleyNode | undefined> {
  const { passphraseFile } = settings.identity
  const of = `the identities (${settings.identity.use.join(', ')})`
  // Loaded when a node is run: libp2p would double the time in which every other command starts.
  const { ParleyNode } = await import('../node/parley-node.ts')
  try {
    return await ParleyNode.start(
      {
        settings,
        passphrase: () => readPassphrase({ file: passphraseFile, of }, terminal),
        log: (level, line) => void printLine(terminal.error, `${new Date().toISOString()} ${level}: ${line}`),
      },
      terminal.stop,
    )
  } catch (error) {
    if (terminal.stop.aborted) return undefined
    throw failure(error)
  }
}

/** What the user can mend becomes a CliError. */
function failure(error: unknown): unknown {
  const reason = inTermsOfConfig(error, 'acn')
  if (reason instanceof CliError) return reason
  if (reason instanceof SettingsError || reason instanceof NodeSettingsError) {
    return new CliError(reason.message, EXIT.malformed, { cause: error })
  }
  const isExpected = EXPECTED.some((kind) => reason instanceof kind) || (reason instanceof Error && 'code' in reason)
  if (!isExpected) return error
  return new CliError(`the node cannot run: ${(reason as Error).message}`, EXIT.failed, { cause: error })
}
