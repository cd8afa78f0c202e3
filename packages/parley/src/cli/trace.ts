import { existsSync } from 'node:fs'
import { readLedgerAddress } from '@parley/acn/record'
import { StoreError as AcnStoreError, AcnStoreReader } from '@parley/acn/store'
import { StoreError } from '@parley/agent'
import type { Command } from 'commander'
import { ChannelReader } from '../channel/index.ts'
import { askNode } from '../node/control-socket.ts'
import type { EnvelopeTrace } from '../node/envelope-trace.ts'
import { acnFolderOf } from '../node/node-stores.ts'
import { isTraceId, storedSource, traceEnvelopes } from '../node/trace-source.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { locateNode, type NodeOptions, nodeCommand, readNodeSettings, readStorePassphrase } from './node-options.ts'
import { readPassphraseFile } from './passphrase.ts'
import { printLine, type Terminal } from './terminal.ts'

interface TraceOptions extends NodeOptions {
  readonly json?: true
  readonly passphraseFile?: string
}

/** Adds `parley trace`. */
export function addTraceCommand(program: Command, terminal: Terminal): void {
  nodeCommand(program, 'trace', 'Show which way messages went, and what became of them, without their contents')
    .argument('<address-or-id>', 'a ledger address: the newest from and for it; or the id of one')
    .option('--json', 'each as one line of JSON')
    .option('--passphrase-file <file>', 'file whose first line opens the databases; default that of parley.toml')
    .addHelpText('after', '\nExample:\n  $ parley trace fetch1… --data ./node')
    .action(async (of: string, options: TraceOptions) => {
      const wanted = isTraceId(of) ? of : readLedgerAddress(of)
      if (wanted === undefined) {
        throw new CliError(`${of} is neither a ledger address nor an id`, EXIT.malformed)
      }
      const traces = await tracesOf(wanted, options)
      if (traces.length === 0) throw new CliError(`nothing is known of ${of}`)
      for (const trace of traces) {
        if (options.json) await printLine(terminal.output, JSON.stringify(trace))
        else for (const line of traceLines(trace)) await printLine(terminal.output, line)
      }
    })
}

/** Asks the running node, else looks into its stores. */
async function tracesOf(of: string, options: TraceOptions): Promise<EnvelopeTrace[]> {
  const paths = await locateNode(options)
  const told = await askNode(paths.folder, 'trace', { query: { of } })
  if (told !== undefined) return told as EnvelopeTrace[]
  const settings = existsSync(paths.config) ? await readNodeSettings(paths) : undefined
  const file = options.passphraseFile
  const passphrase =
    file === undefined ? settings && (await readStorePassphrase(settings)) : await readPassphraseFile(file)
  try {
    const reader = new AcnStoreReader(acnFolderOf(paths, settings), passphrase)
    try {
      using channels = ChannelReader.open(paths.agent, passphrase)
      return await traceEnvelopes(storedSource(reader, channels), of)
    } finally {
      reader.close()
    }
  } catch (error) {
    if (!(error instanceof AcnStoreError || error instanceof StoreError)) throw error
    throw new CliError(error.message, EXIT.failed, { cause: error })
  }
}

/** A trace for people. */
function traceLines({ id, from, to, way, state, reason, hops }: EnvelopeTrace): string[] {
  const names = from === undefined ? '' : ` ${from} to ${to}`
  const why = reason === undefined ? '' : `: ${reason}`
  return [
    `${id}${names}`,
    `  ${way ?? 'no way yet'}, ${state}${why}`,
    ...hops.map(({ at, event, detail }) => `  ${at} ${event}${detail === undefined ? '' : `, ${detail}`}`),
  ]
}
