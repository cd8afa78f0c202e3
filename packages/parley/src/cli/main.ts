import { AgentError } from '@parley/agent'
import { CommanderError } from 'commander'
import { agentFailure } from './agent-failure.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { createProgram } from './program.ts'

const stopping = new AbortController()
/** A clean end takes less; one that does not, such as when nobody reads the output any more, is cut off. */
const STOP_LIMIT_MS = 20_000
stopping.signal.addEventListener('abort', () => setTimeout(() => process.exit(EXIT.failed), STOP_LIMIT_MS).unref())
// A signal asks for a clean end, and asking twice changes nothing: the terminal and the launcher may both deliver it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => stopping.abort(new Error(`stopped by ${signal}`)))
}
if (process.channel) {
  // The launcher started this process; when it is gone, however it went, nobody could stop it any more.
  process.once('disconnect', () => stopping.abort(new Error('the launcher is gone')))
  process.channel.unref()
}
// A reader that went away (`parley … | head`) is no fault; there is nobody left to tell anything to.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  stopping.abort(error)
})

const program = createProgram({
  input: process.stdin,
  output: process.stdout,
  error: process.stderr,
  stop: stopping.signal,
})

try {
  await program.parseAsync(process.argv)
} catch (error) {
  process.exitCode = exitCode(error)
}
// What was started has stopped in good order; timers of libraries would keep the program for seconds.
if (stopping.signal.aborted) {
  if (process.stdout.writable) process.stdout.write('', () => process.exit())
  else process.exit()
}

function exitCode(error: unknown): number {
  // Commander has printed its own message, or the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.malformed
  if (error instanceof CliError) {
    process.stderr.write(`parley: ${error.message}\n`)
    return error.exitCode
  }
  if (error instanceof AgentError) {
    process.stderr.write(`parley: ${agentFailure(error)}\n`)
    return EXIT.failed
  }
  // What the system refused (no such folder, no permission, no space) is for the user to mend: it needs no stack.
  if (error instanceof Error && 'syscall' in error) {
    process.stderr.write(`parley: ${error.message}\n`)
    return EXIT.failed
  }
  process.stderr.write(`parley: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  return EXIT.failed
}
