import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { AcnNodeOptions } from '@parley/acn/node'
import { type HostPort, parseHostPort } from '@parley/acn/protocol'
import { DecodeError } from '@parley/core/encoding'
import { hostKind } from '@parley/smp/protocol'
import { parse, TomlError } from 'smol-toml'
import { ACN_KEYS, readAcnTables } from './acn-settings.ts'
import { type DataPaths, dataPaths } from './data-folder.ts'
import { type PrivateSettings, readPrivate, smpServersOf } from './private-settings.ts'
import { flagOf, listOf, optionalTextOf, SettingsError, type TomlTable, tableOf } from './toml-values.ts'

/** The node's own SMP router. */
export interface RouterSettings {
  readonly listen: HostPort
  /** Host names in its address instead of that of `listen`. */
  readonly announced?: readonly [string, ...string[]]
  readonly passwordFile?: string
}

/** Everything that `parley.toml` says. All paths are absolute. */
export interface ParleySettings {
  /** The file that was read. */
  readonly file: string
  readonly paths: DataPaths
  /** Its first line encrypts the databases: the agent's, the gateway's, the ACN peer's. */
  readonly storePassphraseFile?: string
  readonly smp: {
    /** Absent when the router is off. */
    readonly router?: RouterSettings
    /** Routers on which own queues are made; none: the own one. */
    readonly servers: readonly string[]
  }
  /** Absent when the peer is off. */
  readonly acn?: Pick<AcnNodeOptions, 'settings' | 'senderCheck' | 'challenge' | 'dataFolder'>
  readonly private: PrivateSettings
  readonly identity: {
    /** Names of the identities that this node uses. */
    readonly use: readonly string[]
    readonly passphraseFile?: string
    /** JSON that goes with their contact cards: `readAgentCard`. */
    readonly agentCardFile?: string
  }
}

const TABLES = ['data', 'smp', 'acn', 'agent', 'private', 'identity']
const SMP_KEYS = ['on', 'listen', 'announced', 'password_file', 'servers']
const DEFAULT_SMP_LISTEN = '127.0.0.1:5223'
const DEFAULT_ACN_LISTEN = '127.0.0.1:9000'

/** Where the configuration and the data are, from what a command was told: the one is beside the other. */
export interface SettingsPlace {
  /** Data folder; that of the configuration, or the one beside it, when absent. */
  readonly data?: string | undefined
  /** Configuration; `parley.toml` in the data folder when absent. */
  readonly config?: string | undefined
}

/** The data folder, as far as it is known without reading the configuration. */
export function placeOf({ data, config }: SettingsPlace, defaultFolder: string): { folder: string; config: string } {
  const folder = resolve(data ?? (config === undefined ? defaultFolder : dirname(config)))
  return { folder, config: config === undefined ? dataPaths(folder).config : resolve(config) }
}

/**
 * Where everything of a node is: reads of the configuration, when there is one, only where the data are.
 * @throws SettingsError
 */
export async function locateData(place: SettingsPlace, defaultFolder: string): Promise<DataPaths> {
  const { folder, config } = placeOf(place, defaultFolder)
  if (place.data !== undefined || !existsSync(config)) return { ...dataPaths(folder), config }
  const { data } = parseToml(await readFile(config, 'utf8'))
  const named = optionalTextOf('data.folder', tableOf('data', data, ['folder', 'passphrase_file']).folder)
  return { ...dataPaths(named === undefined ? folder : resolve(dirname(config), named)), config }
}

/**
 * Reads the configuration of a node, and the peer's key.
 * @throws SettingsError with the key at fault; DecodeError for the agent's record; the system's errors for files
 */
export async function readSettings(paths: DataPaths): Promise<ParleySettings> {
  const { config: file } = paths
  const toml = parseToml(await readFile(file, 'utf8'))
  const unknown = Object.keys(toml).find((key) => !TABLES.includes(key))
  if (unknown !== undefined) throw new SettingsError(unknown, 'unknown key')
  const path = (text: string) => resolve(dirname(file), text)
  const optionalPath = (name: string, value: unknown) => {
    const text = optionalTextOf(name, value)
    return text === undefined ? undefined : path(text)
  }
  const data = tableOf('data', toml.data, ['folder', 'passphrase_file'])
  const identity = tableOf('identity', toml.identity, ['use', 'passphrase_file', 'agent_card'])
  const storePassphraseFile = optionalPath('data.passphrase_file', data.passphrase_file)
  const passphraseFile = optionalPath('identity.passphrase_file', identity.passphrase_file)
  const agentCardFile = optionalPath('identity.agent_card', identity.agent_card)
  const use = listOf('identity.use', identity.use)
  if (agentCardFile !== undefined && use.length === 0) {
    throw new SettingsError('identity.agent_card', 'needs identity.use: it goes with the contact cards of those')
  }
  const smp = readSmp(tableOf('smp', toml.smp, SMP_KEYS), path)
  const acn = await readAcn(toml, paths, path)
  return {
    file,
    paths,
    ...(storePassphraseFile !== undefined && { storePassphraseFile }),
    smp,
    ...(acn && { acn }),
    private: readPrivate(toml.private),
    identity: {
      use,
      ...(passphraseFile !== undefined && { passphraseFile }),
      ...(agentCardFile !== undefined && { agentCardFile }),
    },
  }
}

function parseToml(text: string): TomlTable {
  try {
    return parse(text)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    // Its message shows the lines around, which may hold anything.
    throw new SettingsError(`line ${error.line}`, 'not TOML', { cause: error })
  }
}

function readSmp(smp: TomlTable, path: (text: string) => string): ParleySettings['smp'] {
  const servers = smpServersOf('smp.servers', smp.servers)
  if (!flagOf('smp.on', smp.on, true)) {
    if (servers.length === 0) throw new SettingsError('smp.servers', 'needed when the own router is off')
    return { servers }
  }
  const [first, ...others] = listOf('smp.announced', smp.announced)
  for (const host of first === undefined ? [] : [first, ...others]) {
    checked('smp.announced', 'host names or IP addresses are needed', () => hostKind(host))
  }
  const passwordFile = optionalTextOf('smp.password_file', smp.password_file)
  const router = {
    listen: hostPortOf('smp.listen', smp.listen ?? DEFAULT_SMP_LISTEN),
    ...(first !== undefined && { announced: [first, ...others] as const }),
    ...(passwordFile !== undefined && { passwordFile: path(passwordFile) }),
  }
  return { router, servers }
}

async function readAcn(
  toml: TomlTable,
  paths: DataPaths,
  path: (text: string) => string,
): Promise<ParleySettings['acn']> {
  const { on, ...acn } = tableOf('acn', toml.acn, ['on', ...ACN_KEYS])
  if (!flagOf('acn.on', on, true)) return undefined
  const listen = acn.listen ?? DEFAULT_ACN_LISTEN
  // Said first, as it stands for `public` too.
  hostPortOf('acn.listen', listen)
  const node = { key_file: paths.peerKey, public: listen, ...acn, listen }
  const { data = paths.acn, ...read } = await readAcnTables({ name: 'acn', node, agent: toml.agent, path })
  return { ...read, dataFolder: data }
}

function hostPortOf(name: string, value: unknown): HostPort {
  const text = optionalTextOf(name, value) ?? ''
  return checked(name, 'host:port is needed', () => parseHostPort(text))
}

function checked<T>(name: string, reason: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof DecodeError || cause instanceof TypeError) throw new SettingsError(name, reason, { cause })
    throw cause
  }
}
