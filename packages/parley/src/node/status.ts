import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PeerKey } from '@parley/acn/record'
import { fromBase64url } from '@parley/core/encoding'
import { DEFAULT_SMP_PORT, formatSmpServer } from '@parley/smp/protocol'
import manifest from '../../package.json' with { type: 'json' }
import type { ChannelSummary } from '../channel/index.ts'
import { IdentityFolder } from '../identity/identity-folder.ts'
import type { PrivateSettings } from './private-settings.ts'
import type { ParleySettings } from './settings.ts'

/** Version of Parley. */
export const PARLEY_VERSION: string = manifest.version

/** An identity, as a status names it. */
export interface IdentityStatus {
  readonly name: string
  readonly ledger: string
  readonly address: string
  /** Whether the node uses it. */
  readonly used: boolean
}

/** The SMP router, or whose routers are used. */
export interface SmpStatus {
  /** Address of the own router, as it is announced; absent when it is off, or has not made its keys yet. */
  readonly address?: string
  /** Routers of others on which own queues are made. */
  readonly servers: readonly string[]
  /** Of the own router, while it runs. */
  readonly queues?: number
  readonly messages?: number
  readonly connections?: number
}

/** The peer of the Agent Communication Network. */
export interface AcnStatus {
  readonly peerId: string
  /** The announced address, while it runs. */
  readonly multiaddr?: string
  readonly entryPeers: { readonly configured: number; readonly connected?: number }
  readonly connectedPeers?: number
  /** Agents that are registered here, attached or away. */
  readonly agents?: number
  /** Envelopes that wait for their agents or a way. */
  readonly waiting?: number
  /** Envelopes that were given up. */
  readonly notDelivered?: number
  /** Ports of its services, while they run. */
  readonly delegatePort?: number
  /** Where its delegate service listens. */
  readonly delegateHost?: string
  readonly mailboxPort?: number
  readonly monitoringPort?: number
}

/** What a node is and does; what only a running one knows is absent when it is stopped. */
export interface NodeStatus {
  readonly state: 'running' | 'stopped'
  readonly version: string
  readonly data: string
  readonly config: string
  readonly node?: string
  readonly pid?: number
  /** ISO 8601. */
  readonly startedAt?: string
  readonly smp: SmpStatus
  readonly acn?: AcnStatus
  /** Connections of the SimpleX agent. */
  readonly agent?: { readonly connections: number; readonly connected: number }
  readonly private: PrivateSettings
  /** Private channels, 1,000 at most; while it runs. */
  readonly channels?: readonly ChannelSummary[]
  /** Requests for a channel that wait for `parley requests`; while it runs. */
  readonly requests?: number
  readonly identities: readonly IdentityStatus[]
}

/**
 * What a node that does not run is, from its configuration and its folder.
 * @param passphrase of its databases, when they have one
 * @throws StoreError (`@parley/acn/store`) PASSPHRASE
 */
export async function stoppedStatus(settings: ParleySettings, passphrase?: string): Promise<NodeStatus> {
  const { paths, acn, smp } = settings
  const address = smp.router && (await routerAddress(settings))
  return {
    state: 'stopped',
    version: PARLEY_VERSION,
    data: paths.folder,
    config: settings.file,
    smp: { ...(address !== undefined && { address }), servers: smp.servers },
    ...(acn && {
      acn: {
        peerId: new PeerKey(acn.settings.peerKey).peerId,
        entryPeers: { configured: acn.settings.entryPeers.length },
        ...(await notDelivered(acn.dataFolder, passphrase)),
      },
    }),
    private: settings.private,
    identities: await identityStatus(settings),
  }
}

/** The identities of a node's folder; damaged files are `parley doctor`'s business. */
export async function identityStatus({ paths, identity }: ParleySettings): Promise<IdentityStatus[]> {
  const listed = await new IdentityFolder(paths.identities).list()
  return listed.flatMap((item) => {
    if ('error' in item) return []
    const { name, ledger, address } = item.identity
    return [{ name, ledger: ledger.ledgerId, address, used: identity.use.includes(name) }]
  })
}

/** As the router itself says it; undefined before its first start, or when the system chooses its port. */
async function routerAddress({ smp: { router }, paths }: ParleySettings): Promise<string | undefined> {
  if (!router || router.listen.port === 0) return undefined
  try {
    const keyHash = fromBase64url((await readFile(join(paths.router, 'fingerprint'), 'utf8')).trim())
    const { host, port } = router.listen
    const hosts = router.announced ?? ([host] as const)
    return formatSmpServer({ hosts, port: port === DEFAULT_SMP_PORT ? '' : `${port}`, keyHash })
  } catch {
    return undefined
  }
}

async function notDelivered(folder: string, passphrase: string | undefined): Promise<Pick<AcnStatus, 'notDelivered'>> {
  const { AcnStoreReader, StoreError } = await import('@parley/acn/store')
  try {
    const reader = new AcnStoreReader(folder, passphrase)
    try {
      return { notDelivered: reader.listNotDelivered().length }
    } finally {
      reader.close()
    }
  } catch (error) {
    if (error instanceof StoreError && error.code === 'PASSPHRASE') throw error
    return {}
  }
}
