import { readLedgerAddress } from '@parley/acn/record'
import type { Command } from 'commander'
import { decodeSignedCard } from '../card/index.ts'
import type { ContactErrorCode } from '../gateway/contact-error.ts'
import { IdentityFolder } from '../identity/identity-folder.ts'
import { tellNode } from '../node/control-socket.ts'
import type { ContactRenewed } from '../node/private-handlers.ts'
import { CliError } from './exit-codes.ts'
import { readableCard } from './id-card.ts'
import { mending } from './id-options.ts'
import { locateNode, NOTHING_PRIVATE, type NodeOptions, nodeCommand, notRunning } from './node-options.ts'
import { printLine, type Terminal } from './terminal.ts'

/** Longer than the node lets its router take, and than its channels take to close, ms. */
const TIME = 90_000

/** Adds `parley id renew-contact`. */
export function addIdRenewContactCommand(id: Command, terminal: Terminal): void {
  nodeCommand(id, 'renew-contact', 'Give an agent of the running node another contact address, key and card')
    .argument('<address>', 'ledger address of the agent; of an identity its name as well')
    .addHelpText(
      'after',
      `
For after a theft of the node's files, or of a copy: the old contact address is deleted, private channels are closed and
opened anew, what waits in them goes on. Also for agents that only attach to the node. Prints the new contact card.

Example:
  $ parley id renew-contact fetch1… --data ./node`,
    )
    .action((of: string, options: NodeOptions) => mending(() => renew(of, options, terminal)))
}

async function renew(of: string, options: NodeOptions, terminal: Terminal): Promise<void> {
  const { folder, identities } = await locateNode(options)
  const address = readLedgerAddress(of) ?? (await new IdentityFolder(identities).find(of)).address
  const told = await tellNode(folder, 'renew-contact', { query: { address }, timeout: TIME })
  const renewed = told as ContactRenewed | undefined
  switch (renewed?.outcome) {
    case undefined:
      throw notRunning(folder)
    case 'off':
      throw new CliError(NOTHING_PRIVATE)
    case 'failed':
      throw new CliError(`${renewed.reason}${adviceOn(renewed.code)}`)
    case 'renewed': {
      const signed = decodeSignedCard(Buffer.from(renewed.card, 'hex'))
      await printLine(terminal.output, JSON.stringify(readableCard(signed), undefined, 2))
    }
  }
}

function adviceOn(code: ContactErrorCode | 'LATE'): string {
  switch (code) {
    case 'UNKNOWN':
      return ''
    case 'NOT_READY':
      return ': try again when its router can be reached'
    case 'FAILED':
    case 'LATE':
      return ': nothing was changed, try again'
    case 'LEDGER_KEY':
      return `: nothing was changed, as a card by this node alone would not count beside it. Bring the key to the node
(\`parley id import\`), name the identity under [identity] use in parley.toml, start the node again, and renew; the key may
go again afterwards`
  }
}
