import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** Paths of the original programs. */
export interface Originals {
  readonly smpServer: string
  readonly agentDriver: string
}

/** Where the originals are, or why they cannot be run. */
export function findOriginals(environment: NodeJS.ProcessEnv): Originals | { readonly missing: string } {
  const directory = environment.PARLEY_ORIGINALS
  if (!directory) return { missing: 'PARLEY_ORIGINALS is not set to a directory with the built originals' }
  const originals = {
    smpServer: resolve(join(directory, 'bin', 'smp-server')),
    agentDriver: resolve(join(directory, 'bin', 'agent-driver')),
  }
  const missing = Object.values(originals).find((path) => !existsSync(path))
  return missing ? { missing: `there is no ${missing}` } : originals
}
