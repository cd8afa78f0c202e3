import { text } from 'node:stream/consumers'
import { DecodeError } from '@parley/core/encoding'
import { type Command, InvalidArgumentError } from 'commander'
import { inspectionJson } from '../inspect/json.ts'
import { INSPECTION_KINDS, type InspectionKind, inspectionKind } from '../inspect/kinds.ts'
import { CliError, EXIT } from './exit-codes.ts'
import { printLine, type Terminal } from './terminal.ts'

interface InspectOptions {
  readonly version?: number
  readonly reencode?: true
}

/** Adds `parley inspect`. */
export function addInspectCommand(program: Command, terminal: Terminal): void {
  const kinds = INSPECTION_KINDS.map(({ name, description }) => `  ${name.padEnd(16)}${description}`).join('\n')
  program
    .command('inspect')
    .description('Decode links, addresses, commands and messages, and print them as JSON')
    .argument('<kind>', 'what the input is, see below', kindArgument)
    .argument('<input>', 'text, or bytes as hexadecimal, base64 or base64url; - reads it from standard input')
    .option('--version <n>', 'version of the protocol, where the layout depends on it', versionOption)
    .option('--reencode', 'print the canonical encoding instead, in the notation of the input')
    .option('--json', 'print JSON: the default')
    .addHelpText(
      'after',
      `
Kinds:
${kinds}

Examples:
  $ parley inspect server-address smp://LcJUMfVhwD8yxjAiSaDzzGF3-kLG4Uh0Fl_ZIjrRwjI=@smp.example.org
  $ parley inspect smp-command 535542 --version 9
  $ cat link.txt | parley inspect link -

Byte strings are printed as base64url. Exit code 2 when the input is malformed, with the offset and the reason.`,
    )
    .action((kind: InspectionKind, input: string, options: InspectOptions) => inspect(kind, input, options, terminal))
}

async function inspect(kind: InspectionKind, input: string, options: InspectOptions, terminal: Terminal) {
  const version = options.version ?? kind.versions?.max ?? 0
  if (kind.versions && (version < kind.versions.min || version > kind.versions.max)) {
    const { min, max } = kind.versions
    throw new CliError(`${kind.name} has versions ${min} to ${max}, not ${version}`, EXIT.malformed)
  }
  try {
    const inspection = kind.inspect(input === '-' ? await text(terminal.input) : input, version)
    await printLine(terminal.output, options.reencode ? inspection.reencode() : inspectionJson(inspection.value))
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw new CliError(`malformed ${kind.name} at offset ${error.offset}: ${error.reason}`, EXIT.malformed)
  }
}

function kindArgument(name: string): InspectionKind {
  const kind = inspectionKind(name)
  if (!kind) throw new InvalidArgumentError(`one of ${INSPECTION_KINDS.map((known) => known.name).join(', ')}`)
  return kind
}

function versionOption(text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw new InvalidArgumentError('a version is a number')
  return Number(text)
}
