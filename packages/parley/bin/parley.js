#!/usr/bin/env node
// The launcher. Plain JavaScript that any Node from 14 on can read, since it may be started by an older one:
// the program itself needs Node 24 and runs on the one that the npm package `node` brings along.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import module, { createRequire } from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const NEEDED_MAJOR = 24

const packageRoot = join(dirname(fileURLToPath(import.meta.url)), '..')
const bundle = join(packageRoot, 'dist', 'parley.js')

function fail(message) {
  process.stderr.write(`parley: ${message}\n`)
  process.exit(1)
}

function bundledNode() {
  try {
    const folder = dirname(createRequire(import.meta.url).resolve('node/package.json'))
    const path = join(folder, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
    return existsSync(path) ? path : undefined
  } catch (_) {
    return undefined
  }
}

/** Starts the program under another Node; signals go in, the exit code comes back. */
function runUnder(node) {
  // The channel tells the program that this process is gone, even when nothing could be said any more (SIGKILL).
  const child = spawn(node, [bundle].concat(process.argv.slice(2)), { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => fail(`cannot start ${node}: ${error.message}`))
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
    // A signal that does not end this process: the code a shell would show.
    setTimeout(() => process.exit(128 + constants.signals[signal]), 100)
  })
}

if (!existsSync(bundle)) fail(`the program is not built: run "npm run build" in ${join(packageRoot, '..', '..')}`)

if (Number(process.versions.node.split('.')[0]) >= NEEDED_MAJOR) {
  // Beside the program, where only those can write who can change the program itself; nothing happens elsewhere.
  if (module.enableCompileCache) module.enableCompileCache(join(packageRoot, 'dist', 'compile-cache'))
  import(pathToFileURL(bundle).href).catch((error) => fail(error.stack))
} else {
  const node = bundledNode()
  if (node === undefined) {
    fail(`needs Node ${NEEDED_MAJOR} or newer, or the npm package "node" beside it; this is ${process.version}`)
  }
  runUnder(node)
}
