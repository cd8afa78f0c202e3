import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { AcnNode } from '@parley/acn/node'
import { parsePeerAddress } from '@parley/acn/protocol'
import { AcnStoreReader } from '@parley/acn/store'
import { SmpRouter } from '@parley/smp/router'
import { peerSettings } from '../../packages/acn/test/node/network.ts'
import type { Gateway } from '../../packages/parley/src/gateway/gateway.ts'
import { acnGateway } from '../../packages/parley/src/node/acn-gateway.ts'
import { storedSource, traceEnvelope } from '../../packages/parley/src/node/trace-source.ts'
import { Tap } from './tap.ts'

const LOOPBACK = { host: '127.0.0.1', port: 0 }
/** Of a command, before its body. */
const COMMAND_LENGTH = 300

/** A router that counts what is sent to its queues, and what it sees in plain. */
export interface WatchedRouter {
  readonly address: string
  readonly tap: Tap
  /** Messages that were sent to queues. */
  readonly sent: () => number
}

/** Closed after the test. */
export async function startWatchedRouter(t: TestContext): Promise<WatchedRouter> {
  const tap = new Tap()
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-watched-router-'))
  let sent = 0
  const router = await SmpRouter.start({
    dataDir,
    ...LOOPBACK,
    observe: ({ connection, direction, content }) => {
      tap.look(`${connection} ${direction}`, content)
      const isSent = direction === 'in' && Buffer.from(content.subarray(0, COMMAND_LENGTH)).includes('SEND ')
      if (isSent) sent++
    },
  })
  t.after(async () => {
    await router.close()
    await rm(dataDir, { recursive: true, force: true })
  })
  return { address: router.address, tap, sent: () => sent }
}

/** A node of this process with a gateway; what passes between it and other peers is looked at inside of its encryption. */
export interface GatewayNode {
  readonly node: AcnNode
  readonly gateway: Gateway
  readonly folder: string
  readonly tap: Tap
}

/** Stopped after the test. */
export async function startGatewayNode(
  t: TestContext,
  { router, entries }: { router: WatchedRouter; entries: readonly string[] },
): Promise<GatewayNode> {
  const tap = new Tap()
  const folder = await mkdtemp(join(tmpdir(), 'parley-gateway-node-'))
  const smp = [router.address]
  const privacy = { mode: 'prefer', lookup: 'private', policy: 'everyone', allow: [], smp } as const
  const maker = acnGateway(privacy, { dataFolder: folder }, () => {})
  const entryPeers = entries.map((multiaddr) => {
    const { peerId = '', ...address } = parsePeerAddress(multiaddr)
    return { ...address, peerId }
  })
  const settings = peerSettings([], { mailbox: LOOPBACK, monitoring: LOOPBACK, entryPeers })
  const node = await AcnNode.start({
    settings,
    dataFolder: folder,
    host: { observe: ({ connection, direction, bytes }) => tap.look(`${connection} ${direction}`, bytes) },
    ...(maker && { carrier: maker.carrier }),
  })
  t.after(async () => {
    await node.stop()
    await rm(folder, { recursive: true, force: true })
  })
  const gateway = maker?.gateway
  if (!gateway) throw new Error('no gateway')
  return { node, gateway, folder, tap }
}

/** Envelopes of a node's agents that went by channels so far. */
export async function carriedBy(monitoringPort: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${monitoringPort}/metrics`)
  const [, count] = /^parley_acn_carried_total (\d+)$/m.exec(await response.text()) ?? []
  if (count === undefined) throw new Error('this node does not count what went by channels')
  return Number(count)
}

/** What a trace says of one envelope. */
export interface Way {
  readonly to: string
  readonly way: 'private' | 'plain' | 'none'
  readonly state: string
  readonly reason: string | undefined
}

/** Of the last envelopes that an agent of a node sent: which way they went, as the node's folder says. */
export async function waysOf(folder: string, sender: string): Promise<Way[]> {
  const reader = new AcnStoreReader(folder)
  try {
    const source = storedSource(reader, undefined)
    const ways: Way[] = []
    for (const id of reader.tracedOf(sender)) {
      const trace = await traceEnvelope(source, id)
      if (trace?.from !== sender) continue
      const { to = '', way = 'none', state, reason } = trace
      ways.push({ to, way, state, reason })
    }
    return ways
  } finally {
    reader.close()
  }
}

/** Folder in which a node that the Python connection has started keeps its envelopes. */
export function dataFolderOf({ records }: { readonly records: string }): string {
  return `${records}.parley`
}
