/** What is wrong with a configuration, with the key at fault. Never repeats values. */
export class SettingsError extends Error {
  /** As in `acn.listen`. */
  readonly key: string

  constructor(key: string, reason: string, options?: ErrorOptions) {
    super(`${key}: ${reason}`, options)
    this.name = 'SettingsError'
    this.key = key
  }
}

/** A table of a configuration. */
export type TomlTable = Readonly<Record<string, unknown>>

/**
 * A table with no other keys than these; an empty one when there is none.
 * @throws SettingsError
 */
export function tableOf(name: string, value: unknown, keys: readonly string[]): TomlTable {
  if (value === undefined) return {}
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SettingsError(name, 'a table is needed')
  }
  const unknown = Object.keys(value).find((key) => !keys.includes(key))
  if (unknown !== undefined) throw new SettingsError(`${name}.${unknown}`, 'unknown key')
  return value as TomlTable
}

/** @throws SettingsError when it is no text, or empty */
export function textOf(name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw new SettingsError(name, 'a text is needed')
  return value
}

/** @throws SettingsError */
export function optionalTextOf(name: string, value: unknown): string | undefined {
  return value === undefined ? undefined : textOf(name, value)
}

/**
 * True or false; `otherwise` when nothing is said.
 * @throws SettingsError
 */
export function flagOf(name: string, value: unknown, otherwise: boolean): boolean {
  if (value === undefined) return otherwise
  if (typeof value !== 'boolean') throw new SettingsError(name, 'true or false is needed')
  return value
}

/**
 * One of the words; the first when nothing is said.
 * @throws SettingsError
 */
export function choiceOf<T extends string>(name: string, value: unknown, words: readonly [T, ...T[]]): T {
  const choice = words.find((word) => word === (value ?? words[0]))
  if (choice === undefined) throw new SettingsError(name, `one of ${words.join(', ')} is needed`)
  return choice
}

/**
 * A list of texts; an empty one when nothing is said.
 * @throws SettingsError
 */
export function listOf(name: string, value: unknown): readonly string[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw new SettingsError(name, 'a list is needed')
  return value.map((item) => textOf(name, item))
}
