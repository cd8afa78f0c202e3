import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import type { Command } from 'commander'
import type { ParleyMessage } from '../message-stream.ts'
import { displayText } from '../talk/display-text.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { type MessengerOptions, messengerCommand, openMessenger } from './messenger-options.ts'
import { printLine, type Terminal } from './terminal.ts'

interface ListenOptions extends MessengerOptions {
  readonly jsonl?: true
  readonly exec?: string
}

/** Adds `parley listen`. */
export function addListenCommand(program: Command, terminal: Terminal): void {
  messengerCommand(program.command('listen').description('Get the messages of an identity until it is stopped'))
    .option('--jsonl', 'each message as one line of JSON')
    .option('--exec <command>', 'run a command of the shell for each, with the text on its standard input')
    .addHelpText(
      'after',
      `
Examples:
  $ parley listen --entry /dns4/… --smp smp://…
  $ parley listen --exec 'mail -s "$PARLEY_FROM" me'

Prints "listening as ADDRESS" on standard error when it is in the network. A message is done with once its line is written,
or the command has ended with 0: otherwise it comes again at the next start. The command has PARLEY_FROM, PARLEY_ID,
PARLEY_WAY, PARLEY_PROTOCOL and PARLEY_AT; when it fails, listening ends with exit code 1. One at a time listens, or talks,
as an identity.`,
    )
    .action((options: ListenOptions) => listen(options, terminal))
}

async function listen(options: ListenOptions, terminal: Terminal): Promise<void> {
  const { jsonl, exec } = options
  if (jsonl && exec !== undefined) throw new CliError('--jsonl or --exec, not both', EXIT.malformed)
  const messenger = await openMessenger(options, terminal)
  let isRunning = false
  // A command that runs is waited for, so that what it has done is not done again.
  const stop = () => void (isRunning || messenger[Symbol.asyncDispose]())
  terminal.stop.addEventListener('abort', stop, { once: true })
  try {
    await printLine(terminal.error, `listening as ${messenger.address}`)
    for await (const message of messenger.messages()) {
      if (terminal.stop.aborted) break
      const at = new Date().toISOString()
      isRunning = exec !== undefined
      if (exec !== undefined) await run(exec, message, at, terminal)
      else await printLine(terminal.output, jsonl ? jsonLine(message, at) : textLine(message))
      isRunning = false
      // A line that was written when nobody read any more may be lost.
      if (terminal.stop.aborted && exec === undefined) break
      message.done()
      if (terminal.stop.aborted) break
    }
    // Until the node has heard of what is done.
    await setImmediate()
  } finally {
    terminal.stop.removeEventListener('abort', stop)
    await messenger[Symbol.asyncDispose]()
  }
}

function jsonLine({ id, from, text, bytes, protocolId, way }: ParleyMessage, at: string): string {
  const content = text === undefined ? { bytes: Buffer.from(bytes).toString('base64') } : { text }
  return JSON.stringify({ ...(id !== undefined && { id }), from, ...content, protocol: protocolId, way, at })
}

function textLine({ from, text, bytes, way }: ParleyMessage): string {
  const shown = text === undefined ? `(${bytes.length} bytes that are no text)` : displayText(text)
  return `${from}${way === 'plain' ? ' (plain)' : ''}: ${shown}`
}

/** Runs a command for a message. @throws CliError unless it ends with 0 */
async function run(command: string, message: ParleyMessage, at: string, { output, error }: Terminal): Promise<void> {
  const { id = '', from, text, bytes, protocolId, way } = message
  const told = { PARLEY_ID: id, PARLEY_FROM: from, PARLEY_WAY: way, PARLEY_PROTOCOL: protocolId, PARLEY_AT: at }
  const child = spawn(command, { shell: true, stdio: 'pipe', env: { ...process.env, ...told } })
  // One that does not read all of it is free to.
  child.stdin.on('error', () => {}).end(text ?? bytes)
  child.stdout.pipe(output, { end: false })
  child.stderr.pipe(error, { end: false })
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  if (code !== 0)
    throw new CliError(`the command ended with ${code ?? signal}: its message comes again at the next start`)
}
