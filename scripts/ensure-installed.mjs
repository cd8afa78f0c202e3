// Plain JavaScript for any Node from 20 on: runs before anything of the workspace is installed.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The root of the repository. */
export const root = fileURLToPath(new URL('..', import.meta.url))

/** The Node that the repository brings along (npm package `node`): it runs everything but npm itself. */
export const bundledNode = join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')

/** True when every package of the lock file is there in its version; packages for other platforms may be missing. */
function isInstalled() {
  // npm's own record of what it put into node_modules.
  const record = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(bundledNode) || !existsSync(record)) return false
  const { packages: installed } = JSON.parse(readFileSync(record, 'utf8'))
  const { packages: wanted } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  return Object.entries(wanted).every(
    ([path, { version, optional }]) => path === '' || optional || installed[path]?.version === version,
  )
}

/** Runs `npm ci` when something is missing or older than the lock file says; exits with npm's code on failure. */
export function ensureInstalled() {
  if (isInstalled()) return
  process.stderr.write('Installing what the workspace needs (npm ci) …\n')
  const npm = process.env.npm_execpath
  const [program, args] = npm?.endsWith('.js') ? [process.execPath, [npm, 'ci']] : ['npm', ['ci']]
  // Silent on success: npm's talk would stand in the middle of what the caller prints.
  const { status, stdout, stderr } = spawnSync(program, [...args, '--no-audit', '--no-fund'], {
    cwd: root,
    encoding: 'utf8',
    shell: process.platform === 'win32' && program === 'npm',
  })
  if (status !== 0) {
    process.stderr.write(`${stdout}${stderr}\nnpm ci failed\n`)
    process.exit(status ?? 1)
  }
}
