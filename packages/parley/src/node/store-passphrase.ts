import { readFile } from 'node:fs/promises'
import { inTermsOfEnvironment } from './private-settings.ts'
import type { ParleySettings } from './settings.ts'
import { SettingsError } from './toml-values.ts'

/** Variable of the environment that names the file with the passphrase of a node that is started as the Go node is. */
const PASSPHRASE_FILE_VARIABLE = 'PARLEY_STORE_PASSPHRASE_FILE'

/**
 * The first line of a file that a configuration names.
 * @param key of the configuration, for the error
 * @throws SettingsError when it cannot be read or is empty
 */
export async function firstLineOf(key: string, file: string): Promise<string> {
  try {
    const [line = ''] = (await readFile(file, 'utf8')).split(/\r?\n/)
    if (line !== '') return line
  } catch (cause) {
    const { code = 'unreadable' } = cause as NodeJS.ErrnoException
    throw new SettingsError(key, `the file cannot be read: ${code}`, { cause })
  }
  throw new SettingsError(key, 'the file has nothing in its first line')
}

/**
 * The passphrase of all databases of a node; undefined when it has none.
 * @throws SettingsError when its file cannot be read or is empty
 */
export async function storePassphraseOf({
  storePassphraseFile: file,
}: Pick<ParleySettings, 'storePassphraseFile'>): Promise<string | undefined> {
  return file === undefined ? undefined : firstLineOf('data.passphrase_file', file)
}

/**
 * The same of a node that is started as the Go node is.
 * @throws NodeSettingsError
 */
export async function storePassphraseOfEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): Promise<string | undefined> {
  const file = environment[PASSPHRASE_FILE_VARIABLE]?.trim()
  if (!file) return undefined
  try {
    return await firstLineOf(PASSPHRASE_FILE_VARIABLE, file)
  } catch (error) {
    throw inTermsOfEnvironment(error)
  }
}
