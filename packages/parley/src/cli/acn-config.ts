import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { AcnNodeOptions } from '@parley/acn/node'
import { parse } from 'smol-toml'
import { ACN_KEYS, readAcnTables } from '../node/acn-settings.ts'
import { type AcnPrivateSettings, readAcnPrivate } from '../node/private-settings.ts'
import { SettingsError, tableOf } from '../node/toml-values.ts'

/** Name of the node's table in the file. */
export const NODE_TABLE = 'node'

/** A node, and what of it is private. */
export interface AcnConfig {
  readonly options: AcnNodeOptions
  readonly privacy: AcnPrivateSettings
}

/**
 * Reads the configuration of a node for people.
 * @throws SettingsError with the key at fault; the system's errors
 */
export async function readAcnConfig(file: string): Promise<AcnConfig> {
  const { node, agent, private: privateTable, ...rest } = parse(await readFile(file, 'utf8'))
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined) throw new SettingsError(unknown, 'unknown key')
  const { data, ...read } = await readAcnTables({
    name: NODE_TABLE,
    node: tableOf(NODE_TABLE, node, ACN_KEYS),
    agent,
    path: (text) => resolve(dirname(file), text),
  })
  const { storagePaths } = await import('@parley/acn/node')
  const options = { ...read, ...(data === undefined ? storagePaths(read.settings) : { dataFolder: data }) }
  return { options, privacy: readAcnPrivate(privateTable) }
}
