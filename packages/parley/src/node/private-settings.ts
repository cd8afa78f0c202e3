import { NodeSettingsError } from '@parley/acn/protocol'
import { DecodeError } from '@parley/core/encoding'
import { parseSmpServer } from '@parley/smp/protocol'
import { choiceOf, listOf, SettingsError, type TomlTable, tableOf } from './toml-values.ts'

/** When envelopes travel in a private channel, and how cards are found. */
export interface PrivateSettings {
  /** `prefer`: to those that have a contact card; `require`: never the plain way; `off`: always the plain way. */
  readonly mode: 'prefer' | 'require' | 'off'
  /** `private`: through another peer when one is there; `required`: not otherwise; `direct`: never. */
  readonly lookup: 'private' | 'required' | 'direct'
  /** Who may open a channel to an agent of this node. */
  readonly policy: 'everyone' | 'allow' | 'ask'
  /** Ledger addresses: for `allow` those that may, for `ask` those that are not asked about. */
  readonly allow: readonly string[]
}

/** The same of a node that runs without anything beside it. */
export interface AcnPrivateSettings extends PrivateSettings {
  /** Addresses of the routers at which it receives. */
  readonly smp: readonly string[]
}

const MODES = ['prefer', 'require', 'off'] as const
const LOOKUPS = ['private', 'required', 'direct'] as const
const KEYS = ['mode', 'lookup', 'policy', 'allow']

/** Variables of the environment that say the same for a node that is started as the Go node is. */
export const PRIVATE_ENV = { mode: 'PARLEY_PRIVATE', lookup: 'PARLEY_LOOKUP', smp: 'PARLEY_SMP_SERVERS' } as const

/**
 * Reads the table `private` of `parley.toml`.
 * @throws SettingsError
 */
export function readPrivate(table: unknown): PrivateSettings {
  return privateOf(tableOf('private', table, KEYS))
}

/**
 * Reads the table `private` of a node that runs by itself.
 * @throws SettingsError
 */
export function readAcnPrivate(table: unknown): AcnPrivateSettings {
  const { smp, ...rest } = tableOf('private', table, [...KEYS, 'smp'])
  const settings = { ...privateOf(rest), smp: smpServersOf('private.smp', smp) }
  if (settings.mode === 'require' && settings.smp.length === 0) {
    throw new SettingsError(
      'private.smp',
      'needed for mode = "require": nothing private can be received without a router',
    )
  }
  return settings
}

/**
 * Reads the same from the environment.
 * @throws NodeSettingsError
 */
export function readPrivateEnvironment(environment: Readonly<Record<string, string | undefined>>): AcnPrivateSettings {
  const list = (environment[PRIVATE_ENV.smp] ?? '').split(',').map((item) => item.trim())
  const word = (variable: string) => environment[variable]?.trim() || undefined
  try {
    const settings: AcnPrivateSettings = {
      mode: choiceOf(PRIVATE_ENV.mode, word(PRIVATE_ENV.mode), MODES),
      lookup: choiceOf(PRIVATE_ENV.lookup, word(PRIVATE_ENV.lookup), LOOKUPS),
      policy: 'everyone',
      allow: [],
      smp: smpServersOf(
        PRIVATE_ENV.smp,
        list.filter((item) => item !== ''),
      ),
    }
    if (settings.mode === 'require' && settings.smp.length === 0) {
      throw new SettingsError(PRIVATE_ENV.smp, `needed with ${PRIVATE_ENV.mode}=require`)
    }
    return settings
  } catch (error) {
    throw inTermsOfEnvironment(error)
  }
}

/** What is wrong with a variable, as the settings of the environment say it. */
export function inTermsOfEnvironment(error: unknown): unknown {
  if (!(error instanceof SettingsError)) return error
  return new NodeSettingsError(error.key, error.message.replace(`${error.key}: `, ''), { cause: error })
}

/**
 * Addresses of SMP routers.
 * @throws SettingsError
 */
export function smpServersOf(name: string, value: unknown): readonly string[] {
  const servers = listOf(name, value)
  for (const server of servers) {
    try {
      parseSmpServer(server)
    } catch (cause) {
      if (!(cause instanceof DecodeError)) throw cause
      throw new SettingsError(name, 'addresses of routers are needed: smp://…', { cause })
    }
  }
  return servers
}

function privateOf(table: TomlTable): PrivateSettings {
  const allow = listOf('private.allow', table.allow)
  const policy = choiceOf('private.policy', table.policy, ['everyone', 'allow', 'ask'])
  if (allow.length > 0 && policy === 'everyone') {
    throw new SettingsError('private.allow', 'needs policy = "allow" or "ask"')
  }
  return {
    mode: choiceOf('private.mode', table.mode, MODES),
    lookup: choiceOf('private.lookup', table.lookup, LOOKUPS),
    policy,
    allow,
  }
}
