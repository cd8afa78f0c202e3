import type { Command } from 'commander'
import type { ChannelRequestSummary } from '../channel/index.ts'
import { askNode, tellNode } from '../node/control-socket.ts'
import type { RequestAnswered } from '../node/private-handlers.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { addressArgument } from './messenger-options.ts'
import { locateNode, NOTHING_PRIVATE, type NodeOptions, nodeCommand, notRunning } from './node-options.ts'
import { printLine, type Terminal } from './terminal.ts'

interface AnswerOptions extends NodeOptions {
  readonly as?: string
}

/** Adds `parley requests` and what belongs to it. */
export function addRequestsCommand(program: Command, terminal: Terminal): void {
  const requests = nodeCommand(program, 'requests', 'Show who asks for a private channel and waits for an answer')
    .option('--json', 'as JSON')
    .addHelpText('after', HELP)
    .action(async (options: NodeOptions & { readonly json?: true }) => {
      const waiting = await requestsOf(options)
      if (options.json) return printLine(terminal.output, JSON.stringify(waiting.map(readable), undefined, 2))
      for (const request of waiting) await printLine(terminal.output, lineOf(request))
    })
  const words = { accept: 'Let somebody open a private channel', refuse: 'Refuse, of which the other is not told' }
  for (const answer of ['accept', 'refuse'] as const) {
    nodeCommand(requests, answer, words[answer])
      .argument('<address>', 'ledger address of whoever asks')
      .option('--as <address>', 'agent of this node that is asked, when the other has asked several')
      .action(async (address: string, options: AnswerOptions) => {
        const { local, peer } = await answerRequest(address, answer, options)
        const done = answer === 'accept' ? 'may open a channel with' : 'is refused a channel with'
        await printLine(terminal.output, `${peer} ${done} ${local}`)
      })
  }
}

const HELP = `
With policy = "ask" in parley.toml a request for a private channel waits here, also over restarts.

Examples:
  $ parley requests --data ./node
  $ parley requests accept fetch1… --data ./node`

async function requestsOf(options: NodeOptions): Promise<readonly ChannelRequestSummary[]> {
  const { folder } = await locateNode(options)
  const told = await askNode(folder, 'requests')
  if (told === undefined) throw notRunning(folder)
  if (told === null) throw new CliError(NOTHING_PRIVATE)
  return told as ChannelRequestSummary[]
}

async function answerRequest(address: string, answer: 'accept' | 'refuse', options: AnswerOptions) {
  const peer = addressArgument(address)
  const local = options.as === undefined ? undefined : addressArgument(options.as)
  const { folder } = await locateNode(options)
  const query = { peer, answer, ...(local !== undefined && { local }) }
  const told = (await tellNode(folder, 'answer-request', { query })) as RequestAnswered | undefined
  switch (told?.outcome) {
    case undefined:
      throw notRunning(folder)
    case 'off':
      throw new CliError(NOTHING_PRIVATE)
    case 'none':
      throw new CliError(`no request of ${peer}${local === undefined ? '' : ` to ${local}`} waits`)
    case 'several':
      throw new CliError(`it has asked several: --as ${told.locals.join(' or ')}`, EXIT.malformed)
    case 'answered':
      return told
  }
}

function readable({ since, ...request }: ChannelRequestSummary) {
  return { ...request, since: new Date(since).toISOString() }
}

function lineOf(request: ChannelRequestSummary): string {
  const { local, peer, card, since } = readable(request)
  const sure = card === 'ledger' ? 'ledger-signed card' : 'represented card'
  return `${since} ${peer} asks ${local} (${sure})`
}
