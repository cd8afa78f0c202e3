import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { serveJsonLines } from '../jsonl/session.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { openAgent } from './open-agent.ts'
import { listOption } from './options.ts'
import { readPassphraseFile } from './passphrase.ts'
import type { Terminal } from './terminal.ts'

interface AgentOptions {
  readonly data: string
  readonly smp: [string, ...string[]]
  readonly passphraseFile?: string
  readonly jsonl?: true
}

/** Adds `parley agent`. */
export function addAgentCommand(program: Command, terminal: Terminal): void {
  program
    .command('agent')
    .description('Run an agent for another program, over standard input and output')
    .requiredOption('--data <dir>', 'folder of its database; made when missing')
    .requiredOption('--smp <address,…>', 'routers on which it makes queues', listOption)
    .option('--passphrase-file <file>', 'file whose first line encrypts the database')
    .option('--jsonl', 'speak JSON lines: the one way there is')
    .addHelpText(
      'after',
      `
Example:
  $ parley agent --data ./alice --smp smp://LcJUMfVhwD8yxjAiSaDzzGF3-kLG4Uh0Fl_ZIjrRwjI=@127.0.0.1:5223 --jsonl
  {"id":1,"cmd":"createConnection","mode":"invitation"}
  {"id":1,"result":{"connId":"…","link":"simplex:/invitation#/?v=…","shortLink":"https://…"}}

docs/jsonl.md has all commands and events. The end of the input, "stop" or SIGTERM ends it after everything is stored:
exit code 0; 1 when the database cannot be opened, 2 for arguments that make no sense.`,
    )
    .action((options: AgentOptions) => runAgent(options, terminal))
}

async function runAgent(options: AgentOptions, terminal: Terminal): Promise<void> {
  if (!options.jsonl) throw new CliError('say --jsonl: there is no other way to speak yet', EXIT.malformed)
  const passphrase = options.passphraseFile === undefined ? undefined : await readPassphraseFile(options.passphraseFile)
  makeFolder(options.data)
  const agent = await openAgent({ store: join(options.data, 'agent.db'), passphrase, servers: options.smp })
  await serveJsonLines(agent, terminal)
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new CliError(`no folder can be made there: ${(error as Error).message}`, EXIT.failed, { cause: error })
  }
}
