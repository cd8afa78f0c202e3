// `node scripts/with-node.mjs ARGUMENTS…` installs what is missing and runs the bundled Node with the arguments,
// resolving the packages of the workspace to their sources. Whatever Node npm was started with may be older.
import { spawn } from 'node:child_process'
import { bundledNode, ensureInstalled, root } from './ensure-installed.mjs'

ensureInstalled()
const child = spawn(bundledNode, ['--conditions=parley-source', ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
child.on('exit', (code, signal) => {
  if (!signal) process.exit(code ?? 1)
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
})
