import type { Command } from 'commander'
import { decodeSignedCard } from '../card/index.ts'
import { askNode } from '../node/control-socket.ts'
import type { CardFound } from '../node/private-handlers.ts'
import { CliError } from './exit-codes.ts'
import { readableCard } from './id-card.ts'
import { addressArgument } from './messenger-options.ts'
import { locateNode, NOTHING_PRIVATE, type NodeOptions, nodeCommand, notRunning } from './node-options.ts'
import { printLine, type Terminal } from './terminal.ts'

/** A look-up may lead through two peers, ms. */
const TIME = 60_000

/** Adds `parley id find`. */
export function addIdFindCommand(id: Command, terminal: Terminal): void {
  nodeCommand(id, 'find', 'Look up the contact card of a ledger address, with what goes with it, by the running node')
    .argument('<address>', 'ledger address')
    .addHelpText('after', '\nExample:\n  $ parley id find fetch1… --data ./node')
    .action((address: string, options: NodeOptions) => find(address, options, terminal))
}

async function find(text: string, options: NodeOptions, terminal: Terminal): Promise<void> {
  const address = addressArgument(text)
  const { folder } = await locateNode(options)
  const found = (await askNode(folder, 'card', { query: { address }, timeout: TIME })) as CardFound | undefined
  switch (found?.outcome) {
    case undefined:
      throw notRunning(folder)
    case 'off':
      throw new CliError(NOTHING_PRIVATE)
    case 'none':
      throw new CliError(`no contact card of ${address} was found`)
    case 'failed':
      throw new CliError(found.reason)
    case 'found': {
      const signed = decodeSignedCard(Buffer.from(found.card, 'hex'))
      const { proof } = signed
      const readable = { kind: proof.kind, way: found.way, ...readableCard(signed) }
      await printLine(terminal.output, JSON.stringify(readable, undefined, 2))
    }
  }
}
