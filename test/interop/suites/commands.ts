import { SMP_GATES, SMP_VERSIONS } from '@parley/smp/protocol'
import { runCommands, runManyQueues, runQuota } from '../commands/commands.ts'
import type { KeyAlgorithm } from '../commands/connections.ts'
import { runNotifications, runWithoutNotifications } from '../commands/notifications.ts'
import type { Product } from '../routers.ts'
import { type Setting, startRouter } from '../setting.ts'

const ALGORITHMS: readonly KeyAlgorithm[] = ['ed25519', 'ed448', 'x25519']
const MANY_QUEUES = 400

/** Our client at every version and with every kind of key, with the original router and with ours. */
export async function commandsSuite(setting: Setting): Promise<void> {
  for (const product of ['original', 'parley'] as const) {
    const prefix = `commands to the ${product} router`
    await setting.report.group(prefix, () => commandsOf(setting, prefix, product))
  }
}

async function commandsOf(setting: Setting, prefix: string, product: Product): Promise<void> {
  const { report } = setting
  const router = await startRouter(setting, product, `commands-${product}`)
  const { address } = router
  const runs: Promise<boolean>[] = []
  let count = 0
  for (let version = SMP_VERSIONS.min; version <= SMP_VERSIONS.max; version++) {
    for (const algorithm of ALGORITHMS) {
      if (algorithm === 'x25519' && version < SMP_GATES.authCommands) continue
      // All at once: the original tells of lost subscriptions every 15 seconds only.
      runs.push(
        report.check(`${prefix}, SMP ${version}, ${algorithm} keys`, () =>
          runCommands({ address, version, algorithm }),
        ),
      )
      count++
    }
  }
  await Promise.all(runs)
  for (const version of [SMP_VERSIONS.min, SMP_VERSIONS.max]) {
    const run = { address, version, algorithm: 'ed25519' } as const
    const notifications = product === 'original' ? runNotifications : runWithoutNotifications
    await report.check(`${prefix}, SMP ${version}: notifications`, () => notifications(run))
    await report.check(`${prefix}, SMP ${version}: a full queue`, () => runQuota(run))
    await report.check(`${prefix}, SMP ${version}: ${MANY_QUEUES} queues`, () => runManyQueues(run, MANY_QUEUES))
  }
  report.note(`${prefix}: SMP ${SMP_VERSIONS.min} to ${SMP_VERSIONS.max}, ${count} combinations of version and key`)
  await router.stop()
}
