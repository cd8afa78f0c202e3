import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { CliError, EXIT } from './exit-codes.ts'
import type { Terminal } from './terminal.ts'

/** The variable of the environment with the passphrase. */
export const PASSPHRASE_VARIABLE = 'PARLEY_PASSPHRASE'

/** Where a passphrase comes from. */
export interface PassphraseSource {
  /** A file whose first line it is; goes before everything else. */
  readonly file?: string | undefined
  /** What it is of, for the question. */
  readonly of: string
  /** It is new: asked for twice. */
  readonly isNew?: boolean
}

/**
 * A passphrase: the first line of a file, else that of the environment, else asked for on the terminal without showing
 * it. Never an argument, which other users of the machine could see.
 * @throws CliError when there is none
 */
export async function readPassphrase({ file, of, isNew }: PassphraseSource, terminal: Terminal): Promise<string> {
  if (file !== undefined) return readPassphraseFile(file)
  const fromEnvironment = process.env[PASSPHRASE_VARIABLE]
  if (fromEnvironment) return fromEnvironment
  if (!isTerminal(terminal.input)) {
    const ways = `--passphrase-file, ${PASSPHRASE_VARIABLE}, or a terminal to ask on`
    throw new CliError(`the passphrase of ${of} is needed: ${ways}`)
  }
  const passphrase = await ask(`Passphrase of ${of}: `, terminal)
  if (passphrase === '') throw new CliError('an empty passphrase is none')
  if (isNew && (await ask('Once more: ', terminal)) !== passphrase) throw new CliError('the two are not the same')
  return passphrase
}

/**
 * The first line of a file.
 * @throws CliError when it cannot be read or is empty
 */
export async function readPassphraseFile(path: string): Promise<string> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    throw new CliError(`the passphrase cannot be read: ${(error as Error).message}`, EXIT.failed, { cause: error })
  }
  const [passphrase = ''] = text.split(/\r?\n/)
  if (passphrase === '') throw new CliError(`${path} has no passphrase in its first line`)
  return passphrase
}

function isTerminal(input: Terminal['input']): boolean {
  return 'isTTY' in input && input.isTTY === true
}

/** Asks on standard error, so that the answer of the command stays alone on standard output. */
async function ask(question: string, { input, error, stop }: Terminal): Promise<string> {
  // Readline takes the terminal out of its own echo, and what it would write goes nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const lines = createInterface({ input, output: nowhere, terminal: true, historySize: 0 })
  const interrupted = new AbortController()
  lines.on('SIGINT', () => interrupted.abort(new CliError('no passphrase was given')))
  lines.on('close', () => interrupted.abort(new CliError('no passphrase was given')))
  try {
    // First the one who waits for the answer: it may come at once.
    const answer = lines.question('', { signal: AbortSignal.any([stop, interrupted.signal]) })
    error.write(question)
    return await answer
  } catch (failure) {
    throw interrupted.signal.aborted ? interrupted.signal.reason : failure
  } finally {
    lines.close()
    error.write('\n')
  }
}
