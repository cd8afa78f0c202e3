// Our router and agent with the original SMP server and agent: `npm run test:interop [-- NAME]`, where NAME is a
// regular expression for the groups of checks to run. README.md says what it needs.
import { execFileSync } from 'node:child_process'
import { findOriginals } from './originals.ts'
import { inParallel, print, Report } from './report.ts'
import type { Setting } from './setting.ts'
import { commandsSuite } from './suites/commands.ts'
import { flowsSuite } from './suites/flows.ts'
import { interruptedSuite } from './suites/interrupted.ts'
import { killedSuite } from './suites/killed.ts'
import { limitsSuite } from './suites/limits.ts'
import { matrixSuite } from './suites/matrix.ts'
import { postQuantumSuite } from './suites/post-quantum.ts'
import { upgradeSuite } from './suites/upgrade.ts'
import { versionsSuite } from './suites/versions.ts'
import { Workspace } from './workspace.ts'

// The longest first.
const SUITES = [
  matrixSuite,
  interruptedSuite,
  versionsSuite,
  flowsSuite,
  killedSuite,
  postQuantumSuite,
  upgradeSuite,
  commandsSuite,
  limitsSuite,
]

/** Suites at the same time: much of their time is waiting. */
const PARALLEL = 2

const originals = findOriginals(process.env)
if ('missing' in originals) {
  print(`interop with the originals was not run: ${originals.missing} (see test/interop/README.md)`)
  print('0 passed, 0 failed')
} else {
  const report = new Report(new RegExp(process.argv[2] ?? ''))
  report.note(`original router: ${execFileSync(originals.smpServer, ['--version'], { encoding: 'utf8' }).trim()}`)
  const messages = Number(process.env.PARLEY_INTEROP_MESSAGES ?? 100)
  {
    await using workspace = await Workspace.create()
    const setting: Setting = { originals, workspace, report, messages }
    await inParallel(PARALLEL, SUITES, (suite) => suite(setting))
  }
  report.finish()
  process.exitCode = report.failed === 0 ? 0 : 1
}
