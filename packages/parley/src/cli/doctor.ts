import type { Command } from 'commander'
import type { CheckResult } from '../node/doctor/check.ts'
import { examine } from '../node/doctor/doctor.ts'
import { EXIT } from './exit-codes.ts'
import { locateNode, type NodeOptions, nodeCommand } from './node-options.ts'
import { printLine, type Terminal } from './terminal.ts'

interface DoctorCommandOptions extends NodeOptions {
  readonly json?: true
  readonly ntp?: string
}

const MARKS: Readonly<Record<CheckResult['outcome'], string>> = { ok: 'ok     ', warning: 'warning', failed: 'FAILED ' }

/** Adds `parley doctor`. */
export function addDoctorCommand(program: Command, terminal: Terminal): void {
  nodeCommand(program, 'doctor', 'Check what a node needs, and say what to do')
    .option('--ntp <server>', 'time server to compare the clock with; nobody is asked without it')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Example:
  $ parley doctor --data ./node

Changes nothing. Exit code 0 when the node can do its work, 1 when something failed.`,
    )
    .action(async (options: DoctorCommandOptions) => {
      const results = await examine({ paths: await locateNode(options), ntpServer: options.ntp })
      if (options.json) await printLine(terminal.output, JSON.stringify(results, undefined, 2))
      else for (const result of results) await printResult(result, terminal)
      if (results.some(({ outcome }) => outcome === 'failed')) process.exitCode = EXIT.failed
    })
}

async function printResult({ name, outcome, found, advice }: CheckResult, { output }: Terminal): Promise<void> {
  await printLine(output, `${MARKS[outcome]} ${name}: ${found}`)
  if (advice !== undefined) await printLine(output, `        → ${advice}`)
}
