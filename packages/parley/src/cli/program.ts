import { Command } from 'commander'
import { addAcnCommands } from './acn.ts'
import { addInspectCommand } from './inspect.ts'
import { addSmpCommands } from './smp-serve.ts'
import type { Terminal } from './terminal.ts'

/** The command line, as a value: `parseAsync` runs one command and throws CliError or CommanderError when it fails. */
export function createProgram(terminal: Terminal): Command {
  const program = new Command('parley')
    .description('Private, post-quantum end-to-end encrypted conversations over SMP routers.')
    .version('0.1.0', '-V, --version')
    // `parley inspect --version 9` is the protocol's version, not a question for ours.
    .enablePositionalOptions()
    .exitOverride()
    .showHelpAfterError('(--help shows how to use it)')
    .configureOutput({
      writeOut: (text) => terminal.output.write(text),
      writeErr: (text) => terminal.error.write(text),
    })
  addSmpCommands(program, terminal)
  addInspectCommand(program, terminal)
  addAcnCommands(program, terminal)
  return program
}
