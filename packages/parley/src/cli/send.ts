import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Command, InvalidArgumentError } from 'commander'
import type { Messenger } from '../messenger/messenger.ts'
import type { EnvelopeTrace } from '../node/envelope-trace.ts'
import { ParleyError } from '../parley-error.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { addressArgument, type MessengerOptions, messengerCommand, openMessenger } from './messenger-options.ts'
import { printLine, type Terminal } from './terminal.ts'

interface SendOptions extends MessengerOptions {
  readonly wait?: true
  readonly timeout: number
  readonly json?: true
}

/** How often it is looked where the message is, ms. */
const LOOK_AGAIN = 200

/** Adds `parley send`. */
export function addSendCommand(program: Command, terminal: Terminal): void {
  messengerCommand(program.command('send').description('Send one message to a ledger address, in private'))
    .argument('<address>', 'ledger address: fetch1…, cosmos1…, 0x…')
    .argument('[text]', 'the message; - or nothing: standard input')
    .option('--wait', 'until it was delivered, or cannot be')
    .option('--timeout <seconds>', 'how long at most', secondsOption, 60)
    .option('--json', 'say where the message is as one line of JSON')
    .addHelpText(
      'after',
      `
Example:
  $ parley send fetch1… 'hello' --entry /dns4/… --smp smp://…

Exit code 0: the message was handed over, or with --wait delivered; where it is stands on standard output. 1: it is stored
and waits here, or cannot be delivered. What waits here goes on when a node runs on the data folder.`,
    )
    .action((address: string, given: string | undefined, options: SendOptions) =>
      send(address, given, options, terminal),
    )
}

async function send(to: string, given: string | undefined, options: SendOptions, terminal: Terminal) {
  const address = addressArgument(to)
  const message = given === undefined || given === '-' ? await text(terminal.input) : given
  if (message === '') throw new CliError('nothing to send', EXIT.malformed)
  await using messenger = await openMessenger(options, terminal, { sendsOnly: true })
  const id = await accepted(messenger.send(address, message, terminal.stop))
  const trace = await follow(messenger, id, options, terminal.stop)
  const said = options.json
    ? JSON.stringify(trace ?? { id, to: address, state: 'waiting' })
    : inWords(id, address, trace)
  await printLine(terminal.output, said)
  if (trace?.state === 'not delivered') throw new CliError(`not delivered: ${trace.reason ?? 'no reason is known'}`)
  if (isDone(trace, options.wait === true)) return
  const goesOn = messenger.isServed ? 'the running node goes on' : 'it goes on when a node runs on this folder'
  throw new CliError(`${options.wait ? 'not delivered' : 'not handed over'} yet: ${goesOn}`)
}

async function accepted(sending: Promise<string>): Promise<string> {
  try {
    return await sending
  } catch (error) {
    if (error instanceof ParleyError) throw new CliError(error.message, EXIT.failed, { cause: error })
    throw error
  }
}

/** Looks where the message is until that is far enough, or the time is over. */
async function follow(
  messenger: Messenger,
  id: string,
  { wait = false, timeout }: Pick<SendOptions, 'timeout'> & { readonly wait?: boolean },
  stop: AbortSignal,
): Promise<EnvelopeTrace | undefined> {
  const end = performance.now() + timeout * 1000
  for (;;) {
    const trace = await messenger.trace(id)
    if (trace?.state === 'not delivered' || isDone(trace, wait)) return trace
    if (performance.now() > end || stop.aborted) return trace
    await sleep(LOOK_AGAIN, undefined, { signal: stop }).catch(() => {})
  }
}

/** Whether nothing more is waited for; on the plain way nothing is told beyond the receiver's peer. */
function isDone(trace: EnvelopeTrace | undefined, wait: boolean): boolean {
  if (trace?.state === 'delivered') return true
  if (trace?.state === 'at peer') return !wait || trace.way === 'plain'
  return !wait && trace?.state === 'at router'
}

function inWords(id: string, address: string, trace: EnvelopeTrace | undefined): string {
  const way = trace?.way === undefined ? '' : `, ${trace.way === 'private' ? 'in private' : 'the plain way'}`
  return `${id} ${stateText(trace, address)}${way}`
}

function stateText(trace: EnvelopeTrace | undefined, address: string): string {
  switch (trace?.state) {
    case 'delivered':
      return `delivered to ${address}`
    case 'at peer':
      return trace.way === 'plain' ? `handed to the peer of ${address}` : `waits at ${address}'s node for the agent`
    case 'at router':
      return `waits at the router of ${address}`
    case 'not delivered':
      return `not delivered to ${address}`
    case 'sent':
      return `waits here for the router of ${address}`
    default:
      return `waits here${trace?.reason === undefined ? '' : ` (${trace.reason})`}`
  }
}

function secondsOption(given: string): number {
  const seconds = Number(given)
  if (!/^\d+(\.\d+)?$/.test(given) || seconds > 86_400) throw new InvalidArgumentError('seconds, up to a day')
  return seconds
}
