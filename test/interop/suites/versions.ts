import { deepEqual } from 'node:assert/strict'
import { type ConnectionWay, connectPeers, exchange } from '../conversation.ts'
import type { ParleyLimits, Peer, VersionLimits } from '../peers.ts'
import { inParallel } from '../report.ts'
import type { Product } from '../routers.ts'
import { type Setting, startPeer, startRouter } from '../setting.ts'

/** Messages each way on each connection. */
const FEW = 5
const PARALLEL = 3

interface Limited {
  readonly label: string
  readonly limits: ParleyLimits
  /** Whether the connection can be post-quantum. */
  readonly pq: boolean
  /** Whether short links can be made and read. */
  readonly shortLinks: boolean
  /** Whether messages are answered with receipts. */
  readonly receipts: boolean
}

const LIMITED: readonly Limited[] = [
  ...[6, 5, 4, 3, 2].map((agent) => limited({ agent })),
  limited({ e2e: 2 }),
  ...[3, 2, 1].map((client) => limited({ client })),
  ...Array.from({ length: 12 }, (_, index) => limited({ smp: 17 - index })),
  limited({ agent: 4, e2e: 2, client: 2, smp: 8 }),
  limited({ agent: 2, e2e: 2, client: 1, smp: 6 }),
]

/** Own queues that their recipient secures, as agents before version 6 make them. */
const SLOW: Limited = {
  label: 'queues secured by their recipient',
  limits: { senderSecures: false },
  pq: true,
  shortLinks: false,
  receipts: true,
}

function limited(limits: VersionLimits): Limited {
  const { agent = 7, e2e = 3, client = 4, smp = 18 } = limits
  const label = Object.entries(limits)
    .map(([protocol, max]) => `${protocol} ${max}`)
    .join(', ')
  return { label, limits, pq: agent >= 5 && e2e >= 3, shortLinks: client >= 4 && smp >= 15, receipts: agent >= 4 }
}

/** Agents limited to older versions with agents of the newest versions, both ways. */
export async function versionsSuite(setting: Setting): Promise<void> {
  for (const router of ['parley', 'original'] as const) {
    await versionsOf(setting, router, 'original', 'parley', LIMITED)
    await versionsOf(setting, router, 'parley', 'original', [...LIMITED, SLOW])
  }
  await versionsOf(setting, 'parley', 'original', 'original', LIMITED)
}

async function versionsOf(
  setting: Setting,
  routerProduct: Product,
  olderProduct: Product,
  newestProduct: Product,
  all: readonly Limited[],
): Promise<void> {
  const prefix = `older ${olderProduct} and newest ${newestProduct} agent through the ${routerProduct} router`
  await setting.report.group(prefix, () =>
    runVersions(setting, prefix, [routerProduct, olderProduct, newestProduct], all),
  )
}

async function runVersions(
  setting: Setting,
  prefix: string,
  [routerProduct, olderProduct, newestProduct]: readonly [Product, Product, Product],
  wanted: readonly Limited[],
): Promise<void> {
  const { report } = setting
  const name = `versions-${routerProduct}-${olderProduct}-${newestProduct}`
  const router = await startRouter(setting, routerProduct, `${name}-router`)
  const newest = await startPeer(setting, newestProduct, `${name}-newest`, [router.address])
  await inParallel(PARALLEL, wanted, async ({ label, limits, pq, shortLinks, receipts }) => {
    const file = `${name}-${label.replaceAll(/\W+/g, '-')}`
    const older = await startPeer(setting, olderProduct, file, [router.address], limits)
    const check = async (text: string, initiator: Peer, joiner: Peer, mode: ConnectionWay['mode']) => {
      await report.check(`${prefix}: ${label}, ${text}`, async () => {
        const conversation = await connectPeers(initiator, joiner, { mode, link: shortLinks ? 'short' : 'full', pq })
        await exchange(conversation, FEW, label, receipts)
        for (const { peer, connId } of [conversation.initiator, conversation.joiner]) {
          const versions = await peer.versions(connId)
          const { agent = 7, e2e = 3, client = 4 } = limits
          if (versions) deepEqual(versions, { agent, e2e, client })
        }
      })
    }
    await check('the older initiates', older, newest, 'invitation')
    await check('the newest initiates', newest, older, 'invitation')
    await check('contact address of the newest', newest, older, 'contact')
    await check('contact address of the older', older, newest, 'contact')
    await older.stop()
  })
  report.note(`${prefix}: ${wanted.map(({ label }) => label).join('; ')}`)
  await newest.stop()
  await router.stop()
}
