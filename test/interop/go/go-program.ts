import { execFile, spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** go-libp2p 0.33 needs Go 1.21. */
const OLDEST = 21
const SOURCES = fileURLToPath(new URL('.', import.meta.url))

/** Why tests with the Go program are skipped; false when they are not. */
export const WITHOUT_GO: string | false = (() => {
  const { status, stdout } = spawnSync('go', ['env', 'GOVERSION'], { encoding: 'utf8' })
  if (status !== 0) return 'there is no go command on the PATH (test/interop/go/README.md)'
  const [, minor = '0'] = /^go1\.(\d+)/.exec(stdout) ?? []
  return Number(minor) < OLDEST && `${stdout.trim()} is older than Go 1.${OLDEST}`
})()

/** Builds the program, from Go's own caches where it was built before. */
export async function buildGoProgram(): Promise<{ path: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-go-'))
  const path = join(folder, 'acn-peer')
  await promisify(execFile)('go', ['build', '-o', path, '.'], { cwd: SOURCES })
  return { path, remove: () => rm(folder, { recursive: true, force: true }) }
}
