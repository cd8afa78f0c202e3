import { equal } from 'node:assert/strict'
import { connectPeers, exchange } from '../conversation.ts'
import type { VersionLimits } from '../peers.ts'
import { inParallel } from '../report.ts'
import type { Product } from '../routers.ts'
import { type Setting, startPeer, startRouter } from '../setting.ts'

/** Messages each way on each connection. */
const FEW = 5
const PARALLEL = 3

interface Limited {
  readonly label: string
  readonly limits: VersionLimits
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

function limited(limits: VersionLimits): Limited {
  const { agent = 7, e2e = 3, client = 4, smp = 18 } = limits
  const label = Object.entries(limits)
    .map(([protocol, max]) => `${protocol} ${max}`)
    .join(', ')
  return { label, limits, pq: agent >= 5 && e2e >= 3, shortLinks: client >= 4 && smp >= 15, receipts: agent >= 4 }
}

/** Original agents limited to older versions with agents of the newest versions, both ways. */
export async function versionsSuite(setting: Setting): Promise<void> {
  for (const router of ['parley', 'original'] as const) {
    for (const peer of ['original', 'parley'] as const) {
      if (router === 'original' && peer === 'original') continue
      await versionsOf(setting, router, peer)
    }
  }
}

async function versionsOf(setting: Setting, routerProduct: Product, product: Product): Promise<void> {
  const { report } = setting
  const prefix = `older original and newest ${product} agent through the ${routerProduct} router`
  const wanted = LIMITED.filter(({ label }) => report.wants(`${prefix}: ${label}`))
  if (wanted.length === 0) return
  const name = `versions-${routerProduct}-${product}`
  const router = await startRouter(setting, routerProduct, `${name}-router`)
  const newest = await startPeer(setting, product, `${name}-newest`, [router.address])
  await inParallel(PARALLEL, wanted, async ({ label, limits, pq, shortLinks, receipts }) => {
    const file = `${name}-${label.replaceAll(/\W+/g, '-')}`
    const older = await startPeer(setting, 'original', file, [router.address], limits)
    const asked = { mode: 'invitation', link: shortLinks ? 'short' : 'full', pq } as const
    await report.check(`${prefix}: ${label}, the older initiates`, async () => {
      const conversation = await connectPeers(older, newest, asked)
      await exchange(conversation, FEW, label, receipts)
      equal((await older.versions(conversation.initiator.connId))?.agent, limits.agent ?? 7)
    })
    await report.check(`${prefix}: ${label}, the newest initiates`, async () => {
      const conversation = await connectPeers(newest, older, asked)
      await exchange(conversation, FEW, label, receipts)
      equal((await older.versions(conversation.joiner.connId))?.agent, limits.agent ?? 7)
    })
    await report.check(`${prefix}: ${label}, contact address of the newest`, async () => {
      await exchange(await connectPeers(newest, older, { ...asked, mode: 'contact' }), FEW, label, receipts)
    })
    await report.check(`${prefix}: ${label}, contact address of the older`, async () => {
      await exchange(await connectPeers(older, newest, { ...asked, mode: 'contact' }), FEW, label, receipts)
    })
    await older.stop()
  })
  report.note(`${prefix}: ${wanted.map(({ label }) => label).join('; ')}`)
  await newest.stop()
  await router.stop()
}
