import { AcnStoreReader, StoreError } from '@parley/acn/store'
import type { Command } from 'commander'
import { CliError } from './exit-codes.ts'
import { readPassphraseFile } from './passphrase.ts'
import { printLine, type Terminal } from './terminal.ts'

/** Adds `parley acn trace`. */
export function addAcnTraceCommand(acn: Command, terminal: Terminal): void {
  acn
    .command('trace')
    .description('Show what became of envelopes, as JSON lines: those not delivered, or the way of one')
    .argument('[address-or-id]', 'address of the sending agent, or id of an envelope; all that were not delivered')
    .requiredOption('--data <dir>', 'data folder of the node, which may be running')
    .option('--passphrase-file <file>', "file whose first line opens the node's databases")
    .action(
      async (of: string | undefined, { data, passphraseFile: file }: { data: string; passphraseFile?: string }) => {
        const reader = open(data, file === undefined ? undefined : await readPassphraseFile(file))
        try {
          for (const line of read(reader, of)) await printLine(terminal.output, JSON.stringify(line))
        } finally {
          reader.close()
        }
      },
    )
}

function read(reader: AcnStoreReader, of: string | undefined): unknown[] {
  if (of === undefined) return reader.listNotDelivered().map(readable)
  if (!/^[0-9a-f]{32}$/.test(of)) return reader.listNotDelivered({ sender: of }).map(readable)
  return [...reader.trace(of), ...reader.listNotDelivered({ id: of })].map(readable)
}

function readable(event: { readonly at: number; readonly receivedAt?: number }): unknown {
  const { at, receivedAt } = event
  const time = (milliseconds: number) => new Date(milliseconds).toISOString()
  return { ...event, ...(receivedAt !== undefined && { receivedAt: time(receivedAt) }), at: time(at) }
}

function open(folder: string, passphrase: string | undefined): AcnStoreReader {
  try {
    return new AcnStoreReader(folder, passphrase)
  } catch (error) {
    if (error instanceof StoreError) throw new CliError(error.message, undefined, { cause: error })
    throw error
  }
}
