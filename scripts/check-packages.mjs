// What npm would publish, seen with the eyes of those who install it: publint for the manifest and the files,
// are-the-types-wrong for the types of every entry point. Run after `tsc -b`.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { root } from './ensure-installed.mjs'

const LIBRARIES = ['core', 'smp', 'acn', 'agent']

const publint = ['publint/src/cli.js', '--strict']
// ESM only: a CommonJS or pre-`exports` resolver is not served.
const attw = ['@arethetypeswrong/cli/dist/index.js', '--profile', 'esm-only', '--pack', '.']

const checks = [...LIBRARIES, 'parley'].map((name) => ({ name, tool: publint }))
for (const name of [...LIBRARIES, 'parley']) checks.push({ name, tool: attw })

let failed = 0
for (const { name, tool } of checks) {
  const [program, ...options] = tool
  const { status } = spawnSync(process.execPath, [join(root, 'node_modules', program), ...options], {
    cwd: join(root, 'packages', name),
    stdio: 'inherit',
  })
  if (status !== 0) failed++
}
process.stdout.write(`${checks.length - failed} passed, ${failed} failed\n`)
process.exit(failed === 0 ? 0 : 1)
