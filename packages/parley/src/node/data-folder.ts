import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PeerKey } from '@parley/acn/record'
import { toHex } from '@parley/core/encoding'
import { writeWhole } from '../files/write-whole.ts'
import { newPrivateKey } from '../identity/identity-folder.ts'
import { SETTINGS_TEMPLATE } from './settings-template.ts'

/** Where everything of a node is kept. */
export interface DataPaths {
  /** Only its owner may look into it. */
  readonly folder: string
  /** `parley.toml`, unless the configuration is elsewhere. */
  readonly config: string
  /** Folder of the SMP router: database, certificates, keys. */
  readonly router: string
  /** Folder of the ACN peer's store. */
  readonly acn: string
  /** Private key of the ACN peer, hexadecimal. */
  readonly peerKey: string
  /** Database of the SimpleX agent. */
  readonly agent: string
  /** Folder of ledger identities. */
  readonly identities: string
}

/** The paths in a data folder. */
export function dataPaths(folder: string): DataPaths {
  return {
    folder,
    config: join(folder, 'parley.toml'),
    router: join(folder, 'router'),
    acn: join(folder, 'acn'),
    peerKey: join(folder, 'peer.key'),
    agent: join(folder, 'agent.db'),
    identities: join(folder, 'identities'),
  }
}

/**
 * Makes what a first run needs and is not there: the folder, the peer's key, and `parley.toml`, unless the configuration
 * is elsewhere. (The router makes its own keys.)
 * @returns the files that were made
 */
export async function prepareDataFolder(
  paths: DataPaths,
  { withConfig }: { readonly withConfig: boolean },
): Promise<string[]> {
  await mkdir(paths.folder, { recursive: true, mode: 0o700 })
  const made: string[] = []
  const make = async (file: string, text: string) => {
    if (await writeWhole(file, text, { replace: false })) made.push(file)
  }
  await make(paths.peerKey, newPeerKey())
  if (withConfig) await make(paths.config, SETTINGS_TEMPLATE)
  return made
}

function newPeerKey(): string {
  return `${toHex(newPrivateKey({ publicKeyOf: (key) => new PeerKey(key).publicKeyHex }))}\n`
}

/**
 * The key of the peer of a data folder; made when it is not there.
 * @throws RangeError when the file holds no key; the system's errors
 */
export async function peerKeyIn(folder: string): Promise<PeerKey> {
  const { peerKey: file } = dataPaths(folder)
  await writeWhole(file, newPeerKey(), { replace: false })
  const text = (await readFile(file, 'utf8')).trim()
  return new PeerKey(Buffer.from(/^[0-9a-f]{64}$/i.test(text) ? text : '', 'hex'))
}
