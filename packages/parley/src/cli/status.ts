import { existsSync } from 'node:fs'
import { StoreError } from '@parley/acn/store'
import type { Command } from 'commander'
import { askNode } from '../node/control-socket.ts'
import { type NodeStatus, stoppedStatus } from '../node/status.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { locateNode, type NodeOptions, nodeCommand, readNodeSettings, readStorePassphrase } from './node-options.ts'
import { statusLines } from './status-lines.ts'
import { printLine, type Terminal } from './terminal.ts'

interface StatusOptions extends NodeOptions {
  readonly json?: true
}

/** Adds `parley status`. */
export function addStatusCommand(program: Command, terminal: Terminal): void {
  nodeCommand(program, 'status', 'Show what the node of a data folder is and does, running or stopped')
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExample:\n  $ parley status --data ./node')
    .action(async (options: StatusOptions) => {
      const status = await statusOf(options)
      if (options.json) return printLine(terminal.output, JSON.stringify(status, undefined, 2))
      for (const line of statusLines(status)) await printLine(terminal.output, line)
    })
}

async function statusOf(options: NodeOptions): Promise<NodeStatus> {
  const paths = await locateNode(options)
  const running = await askNode(paths.folder, 'status')
  if (running !== undefined) return running as NodeStatus
  if (!existsSync(paths.config)) throw new CliError(`no node in ${paths.folder}: \`parley up\` makes one`)
  const settings = await readNodeSettings(paths)
  try {
    return await stoppedStatus(settings, await readStorePassphrase(settings))
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    throw new CliError(error.message, EXIT.failed, { cause: error })
  }
}
