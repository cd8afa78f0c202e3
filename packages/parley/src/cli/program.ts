import { Command } from 'commander'
import manifest from '../../package.json' with { type: 'json' }
import { addAcnCommands } from './acn.ts'
import { addAgentCommand } from './agent.ts'
import { addPassphraseCommand } from './change-passphrase.ts'
import { addDoctorCommand } from './doctor.ts'
import { addIdCommands } from './id.ts'
import { addInspectCommand } from './inspect.ts'
import { addListenCommand } from './listen.ts'
import { addRequestsCommand } from './requests.ts'
import { addSendCommand } from './send.ts'
import { addSmpCommands } from './smp-serve.ts'
import { addStatusCommand } from './status.ts'
import { addTalkCommand } from './talk.ts'
import type { Terminal } from './terminal.ts'
import { addTraceCommand } from './trace.ts'
import { addUpCommand } from './up.ts'

/** The command line, as a value: `parseAsync` runs one command and throws CliError or CommanderError when it fails. */
export function createProgram(terminal: Terminal): Command {
  const program = new Command('parley')
    .description('Private, post-quantum end-to-end encrypted conversations over SMP routers.')
    .version(manifest.version, '-V, --version')
    // `parley inspect --version 9` is the protocol's version, not a question for ours.
    .enablePositionalOptions()
    .exitOverride()
    .showHelpAfterError('(--help shows how to use it)')
    .configureOutput({
      writeOut: (text) => terminal.output.write(text),
      writeErr: (text) => terminal.error.write(text),
    })
    .addHelpText(
      'after',
      `
Example of a node with everything, and of a message to a ledger address by it:
  $ parley up --data ./node
  $ parley send fetch1… 'hello' --data ./node

A conversation, in two terminals:
  $ parley smp serve --data ./router
  $ parley talk --smp smp://…

Exit codes: 0 done, or stopped by the user or a signal; 1 the command did not succeed; 2 arguments or input that make no
sense. \`parley help COMMAND\` shows examples of each command.`,
    )
  addUpCommand(program, terminal)
  addStatusCommand(program, terminal)
  addDoctorCommand(program, terminal)
  addPassphraseCommand(program, terminal)
  addIdCommands(program, terminal)
  addSmpCommands(program, terminal)
  addAgentCommand(program, terminal)
  addTalkCommand(program, terminal)
  addSendCommand(program, terminal)
  addListenCommand(program, terminal)
  addTraceCommand(program, terminal)
  addRequestsCommand(program, terminal)
  addInspectCommand(program, terminal)
  addAcnCommands(program, terminal)
  return program
}
