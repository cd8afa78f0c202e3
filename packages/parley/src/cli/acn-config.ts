import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { AcnNodeOptions } from '@parley/acn/node'
import { parse } from 'smol-toml'
import { ACN_KEYS, readAcnTables } from '../node/acn-settings.ts'
import { type AcnPrivateSettings, readAcnPrivate } from '../node/private-settings.ts'
import { firstLineOf } from '../node/store-passphrase.ts'
import { optionalTextOf, SettingsError, tableOf } from '../node/toml-values.ts'

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
  const path = (text: string) => resolve(dirname(file), text)
  const { passphrase_file: passphraseFile, ...table } = tableOf(NODE_TABLE, node, [...ACN_KEYS, 'passphrase_file'])
  const { data, ...read } = await readAcnTables({ name: NODE_TABLE, node: table, agent, path })
  const key = `${NODE_TABLE}.passphrase_file`
  const named = optionalTextOf(key, passphraseFile)
  const passphrase = named === undefined ? undefined : await firstLineOf(key, path(named))
  const { storagePaths } = await import('@parley/acn/node')
  const options = { ...read, passphrase, ...(data === undefined ? storagePaths(read.settings) : { dataFolder: data }) }
  return { options, privacy: readAcnPrivate(privateTable) }
}
