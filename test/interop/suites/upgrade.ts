import { deepEqual } from 'node:assert/strict'
import { connectPeers, exchange, type Party } from '../conversation.ts'
import type { ConnectionVersions, Peer, VersionLimits } from '../peers.ts'
import { inParallel } from '../report.ts'
import type { Product } from '../routers.ts'
import { type Setting, startPeer, startRouter } from '../setting.ts'

/** Messages each way after an upgrade: enough for the ratchet to agree on keys. */
const ROUNDS = 4
const PARALLEL = 2

interface Upgrade {
  readonly initiator: VersionLimits
  readonly joiner: VersionLimits
  /** Whether messages flow between the initiator's upgrade and the joiner's. */
  readonly oneByOne: boolean
}

const UPGRADES: readonly Upgrade[] = [
  { initiator: { agent: 4, e2e: 2 }, joiner: { agent: 4, e2e: 2 } },
  { initiator: { agent: 2, e2e: 2 }, joiner: {} },
  { initiator: { agent: 6 }, joiner: { agent: 5 } },
  { initiator: { e2e: 2 }, joiner: { e2e: 2 } },
].flatMap((limits) => [true, false].map((oneByOne) => ({ ...limits, oneByOne })))

/**
 * Connections made by older versions, on which the newest go on and turn post-quantum encryption on: as two originals
 * do, so an original and our agent, both ways, and two of ours.
 */
export async function upgradeSuite(setting: Setting): Promise<void> {
  const prefix = 'upgrade of a connection'
  await setting.report.group(prefix, () => run(setting, prefix))
}

async function run(setting: Setting, prefix: string): Promise<void> {
  const { report } = setting
  const router = await startRouter(setting, 'parley', 'upgrade-router')
  const pairs: readonly (readonly [Product, Product])[] = [
    ['original', 'parley'],
    ['parley', 'original'],
    ['parley', 'parley'],
  ]
  await inParallel(PARALLEL, [...UPGRADES.entries()], async ([index, upgrade]) => {
    const start = async (product: Product, limits: VersionLimits, name: string) =>
      startPeer(setting, product, `upgrade-${index}-${name}`, [router.address], limits)
    const observed = async (first: Product, second: Product) => {
      const name = `${first}-${second}`
      return observe(
        await start(first, upgrade.initiator, `${name}-a`),
        await start(second, upgrade.joiner, `${name}-b`),
        upgrade,
      )
    }
    const expected = await observed('original', 'original')
    for (const [first, second] of pairs) {
      await report.check(`${prefix}: ${labelOf(upgrade)}, ${first} to ${second}`, async () => {
        const { messages, versions } = await observed(first, second)
        deepEqual(messages, expected.messages)
        for (const [at, of] of versions.entries()) if (of) deepEqual(of, expected.versions[at])
      })
    }
  })
  await router.stop()
}

interface Observed {
  /** Integrity and encryption of every message. */
  readonly messages: string[]
  readonly versions: (ConnectionVersions | undefined)[]
}

async function observe(a: Peer, b: Peer, { initiator, joiner, oneByOne }: Upgrade): Promise<Observed> {
  const conversation = await connectPeers(a, b, { mode: 'invitation', link: 'full', pq: false })
  const haveReceipts = Math.min(initiator.agent ?? 7, joiner.agent ?? 7) >= 4
  await exchange(conversation, 2, 'before', haveReceipts)
  const observed: Observed = { messages: [], versions: [] }
  const upgradedA = { ...conversation.initiator, peer: await upgraded(a) }
  if (oneByOne) await talk([upgradedA, conversation.joiner], false, observed)
  const upgradedB = { ...conversation.joiner, peer: await upgraded(b) }
  await talk([upgradedA, upgradedB], true, observed)
  await Promise.all([upgradedA.peer.stop(), upgradedB.peer.stop()])
  return observed
}

async function upgraded(peer: Peer): Promise<Peer> {
  await peer.stop()
  const newest = peer.with({ limits: {} })
  await newest.start()
  await newest.subscribeAll()
  return newest
}

async function talk(parties: readonly [Party, Party], pq: boolean, { messages, versions }: Observed): Promise<void> {
  const [a, b] = parties
  for (let round = 0; round < ROUNDS; round++) {
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      await from.peer.sendMessage(from.connId, 'message', pq)
      const message = await to.peer.message(to.connId)
      await to.peer.ackMessage(to.connId, message.msgId)
      messages.push(`${message.integrity} ${message.pq}`)
    }
  }
  for (const { peer, connId } of parties) versions.push(await peer.versions(connId))
}

function labelOf({ initiator, joiner, oneByOne }: Upgrade): string {
  const text = (limits: VersionLimits) =>
    Object.entries(limits)
      .map(([protocol, max]) => `${protocol} ${max}`)
      .join(', ') || 'newest'
  return `from ${text(initiator)} and ${text(joiner)}, ${oneByOne ? 'one by one' : 'both at once'}`
}
