import type { Originals } from './originals.ts'
import { type ParleyLimits, Peer } from './peers.ts'
import type { Report } from './report.ts'
import { OriginalRouter, ParleyRouter, type Product, type RouterProcess, type RouterSettings } from './routers.ts'
import type { Workspace } from './workspace.ts'

/** What every suite works with. */
export interface Setting {
  readonly originals: Originals
  readonly workspace: Workspace
  readonly report: Report
  /** Messages each way on every connection of the matrix. */
  readonly messages: number
}

/** A router of either product, started. */
export async function startRouter(
  { workspace, originals }: Setting,
  product: Product,
  name: string,
  settings: RouterSettings = {},
): Promise<RouterProcess> {
  const router =
    product === 'original'
      ? await OriginalRouter.create(workspace, originals, name, settings)
      : await ParleyRouter.create(workspace, name, settings)
  await router.start()
  return router
}

/** An agent of either product, started. */
export async function startPeer(
  { workspace, originals }: Setting,
  product: Product,
  name: string,
  smp: readonly string[],
  limits: ParleyLimits = {},
): Promise<Peer> {
  const settings = { smp, limits }
  const peer =
    product === 'original'
      ? await Peer.original(workspace, originals, name, settings)
      : await Peer.parley(workspace, name, settings)
  await peer.start()
  return peer
}
