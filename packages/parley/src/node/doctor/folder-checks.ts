import { X509Certificate } from 'node:crypto'
import { access, constants, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { PeerKey } from '@parley/acn/record'
import { DATABASE_FILE as ACN_FILE } from '@parley/acn/store'
import { gatewayFiles } from '../../gateway/gateway-files.ts'
import { IdentityFolder } from '../../identity/identity-folder.ts'
import { readAgentCard } from '../agent-card.ts'
import type { DataPaths } from '../data-folder.ts'
import type { ParleySettings } from '../settings.ts'
import { SettingsError } from '../toml-values.ts'
import { type CheckResult, codeOf, failed, ok, warning } from './check.ts'

const DAY = 24 * 3_600_000
/** A certificate that ends sooner should be renewed. */
const SOON = 30 * DAY
/** Bits of a file's mode that let others read or write it. */
const OTHERS = 0o077

/** Files of a data folder that hold secrets. */
export function secretFiles(paths: DataPaths): string[] {
  const router = ['ca.key', 'server.key'].map((file) => join(paths.router, file))
  const { cards, contacts } = gatewayFiles(paths.folder)
  return [paths.peerKey, paths.agent, cards, contacts, join(paths.acn, ACN_FILE), ...router]
}

/** The folder can be written to, and what is secret in it is read by its owner alone. */
export async function checkFolder(paths: DataPaths, settings: ParleySettings | undefined): Promise<CheckResult> {
  const name = 'data folder'
  try {
    await access(paths.folder, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return warning(name, `${paths.folder} is not there yet`, '`parley up` makes it')
    return failed(name, `${paths.folder}: ${codeOf(error)}`, 'give it to the user who runs Parley')
  }
  if (process.platform === 'win32') return ok(name, paths.folder)
  const identities = (await new IdentityFolder(paths.identities).list()).map(({ file }) => file)
  const open: string[] = []
  const named = settings ? passphraseFiles(settings) : []
  for (const file of [...secretFiles(paths), ...identities, ...named]) if (await isOpen(file)) open.push(file)
  if (open.length > 0) {
    const advice = `chmod 600 ${open.map(quoted).join(' ')}`
    return failed(name, `others can read ${open.join(', ')}`, advice)
  }
  if (await isOpen(paths.folder)) return warning(name, 'others can look into it', `chmod 700 ${quoted(paths.folder)}`)
  return ok(name, `${paths.folder}, yours alone`)
}

/** The keys are there and are keys. */
export async function checkKeys(settings: ParleySettings, now: number = Date.now()): Promise<CheckResult[]> {
  const results: CheckResult[] = []
  if (settings.acn) results.push(checkPeerKey(settings.acn.settings.peerKey))
  if (settings.smp.router) results.push(await checkRouterKeys(settings.paths.router, now))
  results.push(await checkIdentities(settings))
  for (const file of passphraseFiles(settings)) results.push(await checkPassphraseFile(file))
  const { agentCardFile } = settings.identity
  if (agentCardFile !== undefined) results.push(await checkAgentCard(agentCardFile))
  return results
}

function checkPeerKey(key: Uint8Array): CheckResult {
  try {
    return ok('peer key', new PeerKey(key).peerId)
  } catch {
    return failed('peer key', 'the file holds no private key', 'put it back from a backup, or remove it for a new one')
  }
}

async function checkRouterKeys(folder: string, now: number): Promise<CheckResult> {
  const name = 'router keys'
  const restore = `put the files of ${folder} back from a backup`
  let pem: string
  try {
    pem = await readFile(join(folder, 'server.crt'), 'utf8')
    await access(join(folder, 'server.key'), constants.R_OK)
  } catch (error) {
    const isNew = codeOf(error) === 'ENOENT' && (await modeOf(join(folder, 'ca.crt'))) === undefined
    if (isNew) return warning(name, 'none yet', '`parley up` makes them')
    return failed(name, codeOf(error), restore)
  }
  try {
    const end = Date.parse(new X509Certificate(pem).validTo)
    const found = `certificate holds until ${new Date(end).toISOString().slice(0, 10)}`
    const renew = 'renew the server certificate with the identity key (ca.key)'
    if (end < now) return failed(name, found, renew)
    return end < now + SOON ? warning(name, found, renew) : ok(name, found)
  } catch {
    return failed(name, 'server.crt holds no certificate', restore)
  }
}

async function checkIdentities({ paths, identity }: ParleySettings): Promise<CheckResult> {
  const name = 'identities'
  const listed = await new IdentityFolder(paths.identities).list()
  const damaged = listed.flatMap((item) => ('error' in item ? [item.file] : []))
  if (damaged.length > 0) {
    return failed(name, `${damaged.join(', ')} cannot be read`, 'put it back from a backup, or remove it')
  }
  const names = listed.flatMap((item) => ('identity' in item ? [item.identity.name] : []))
  const missing = identity.use.filter((used) => !names.includes(used))
  if (missing.length > 0) {
    return failed(name, `no identity ${missing.join(', ')}`, `\`parley id new\`, or change identity.use`)
  }
  return ok(name, names.length === 0 ? 'none' : names.join(', '))
}

async function checkPassphraseFile(file: string): Promise<CheckResult> {
  const name = 'passphrase file'
  const advice = 'write the passphrase into its first line, or change the configuration'
  try {
    const [line = ''] = (await readFile(file, 'utf8')).split(/\r?\n/)
    return line === '' ? failed(name, `${file} has nothing in its first line`, advice) : ok(name, file)
  } catch (error) {
    return failed(name, `${file}: ${codeOf(error)}`, advice)
  }
}

async function checkAgentCard(file: string): Promise<CheckResult> {
  const name = 'agent card'
  try {
    await readAgentCard(file)
    return ok(name, file)
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error
    return failed(name, error.message, 'mend the file, or change identity.agent_card')
  }
}

/** Files with passphrases and passwords that the configuration names. */
function passphraseFiles({ smp, storePassphraseFile, identity }: ParleySettings): string[] {
  const files = [smp.router?.passwordFile, storePassphraseFile, identity.passphraseFile]
  return files.filter((file) => file !== undefined)
}

async function isOpen(path: string): Promise<boolean> {
  const mode = await modeOf(path)
  return mode !== undefined && (mode & OTHERS) !== 0
}

async function modeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mode
  } catch {
    return undefined
  }
}

function quoted(path: string): string {
  return /^[\w/.+-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`
}
