import { existsSync } from 'node:fs'
import { DecodeError } from '@parley/core/encoding'
import { askNode } from '../control-socket.ts'
import type { DataPaths } from '../data-folder.ts'
import { type ParleySettings, readSettings } from '../settings.ts'
import type { NodeStatus } from '../status.ts'
import { SettingsError } from '../toml-values.ts'
import { type CheckResult, codeOf, failed, ok, warning } from './check.ts'
import { checkFolder, checkKeys, secretFiles } from './folder-checks.ts'
import { checkOthers, checkPorts } from './network-checks.ts'
import { checkStores } from './store-checks.ts'
import { checkClock, checkDisk, checkNode } from './system-checks.ts'

/** What the doctor looks at. */
export interface DoctorOptions {
  readonly paths: DataPaths
  /** A time server to compare the clock with: host, or host:port. Nobody is asked without one. */
  readonly ntpServer?: string | undefined
}

/** Looks at everything that a node needs, running or stopped; changes nothing. */
export async function examine({ paths, ntpServer }: DoctorOptions): Promise<CheckResult[]> {
  const files = [paths.config, paths.router, paths.acn, ...secretFiles(paths)]
  const { settings, result } = await checkSettings(paths)
  const results = [
    checkNode(),
    await checkDisk(paths.folder),
    await checkClock(files, ntpServer),
    await checkFolder(paths, settings),
    result,
  ]
  if (!settings) return results
  const { running, result: state } = await checkRunning(paths.folder)
  results.push(state, ...(await checkKeys(settings)))
  if (!running) results.push(...(await checkStores(settings)))
  results.push(...(await checkPorts(settings, running)), ...(await checkOthers(settings, running)))
  return results
}

async function checkSettings(paths: DataPaths): Promise<{ settings?: ParleySettings; result: CheckResult }> {
  const name = 'configuration'
  if (!existsSync(paths.config)) {
    return {
      result: warning(name, `no ${paths.config}`, '`parley up` makes one, or `parley up --init` without starting'),
    }
  }
  try {
    return { settings: await readSettings(paths), result: ok(name, paths.config) }
  } catch (error) {
    const known = error instanceof SettingsError || error instanceof DecodeError
    const found = known ? error.message : codeOf(error)
    return { result: failed(name, `${paths.config}: ${found}`, 'mend it: docs/operating.md has all keys') }
  }
}

async function checkRunning(folder: string): Promise<{ running?: NodeStatus; result: CheckResult }> {
  try {
    const running = (await askNode(folder, 'status')) as NodeStatus | undefined
    if (running) return { running, result: ok('process', `running, pid ${running.pid}`) }
    return { result: ok('process', 'stopped') }
  } catch (error) {
    return { result: failed('process', `does not answer: ${codeOf(error)}`, 'stop it and start it again') }
  }
}
