// Types of everything, tests included: one compiler run for each package and one for the root's own programs.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { root } from './ensure-installed.mjs'

const projects = [
  'packages/core/tsconfig.test.json',
  'packages/smp/tsconfig.test.json',
  'packages/acn/tsconfig.test.json',
  'packages/agent/tsconfig.test.json',
  'packages/parley/tsconfig.json',
  'tsconfig.tools.json',
]

let failed = 0
for (const project of projects) {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const { status } = spawnSync(process.execPath, [tsc, '-p', project], { cwd: root, stdio: 'inherit' })
  if (status !== 0) failed++
}
process.stdout.write(`${projects.length - failed} passed, ${failed} failed\n`)
process.exit(failed === 0 ? 0 : 1)
