import { ok } from 'node:assert/strict'
import {
  type ConnectionWay,
  type Conversation,
  connectPeers,
  exchange,
  receipts,
  receive,
  send,
} from '../conversation.ts'
import type { Peer } from '../peers.ts'
import { inParallel } from '../report.ts'
import type { Product, RouterProcess } from '../routers.ts'
import { type Setting, startPeer, startRouter } from '../setting.ts'

/** Conversations that are under way at the same time. */
const PARALLEL = 4
/** Messages each way after each restart. */
const AFTER_RESTART = 10

const WAYS: readonly ConnectionWay[] = (['invitation', 'contact'] as const).flatMap((mode) =>
  (['full', 'short'] as const).flatMap((link) => [true, false].map((pq) => ({ mode, link, pq }))),
)

/** Two agents of these products, each as initiator, in every way to connect, through a router. */
export async function matrixSuite(setting: Setting): Promise<void> {
  await matrixOf(setting, 'original', 'original', 'parley')
  await matrixOf(setting, 'parley', 'original', 'parley')
  await matrixOf(setting, 'parley', 'original', 'original')
  await matrixOf(setting, 'original', 'parley', 'parley')
}

async function matrixOf(setting: Setting, routerProduct: Product, first: Product, second: Product): Promise<void> {
  const prefix = `${first} and ${second} agents through the ${routerProduct} router`
  await setting.report.group(prefix, () => runMatrix(setting, prefix, routerProduct, first, second))
}

async function runMatrix(
  setting: Setting,
  prefix: string,
  routerProduct: Product,
  first: Product,
  second: Product,
): Promise<void> {
  const { report, messages } = setting
  const name = `matrix-${routerProduct}-${first}-${second}`
  const router = await startRouter(setting, routerProduct, `${name}-router`)
  const a = await startPeer(setting, first, `${name}-a`, [router.address])
  const b = await startPeer(setting, second, `${name}-b`, [router.address])
  const conversations: Conversation[] = []
  const directions: readonly (readonly [Peer, Peer])[] =
    first === second
      ? [[a, b]]
      : [
          [a, b],
          [b, a],
        ]
  const combinations = directions.flatMap(([initiator, joiner]) => WAYS.map((way) => ({ initiator, joiner, way })))
  let exchanged = 0
  const seen = new Set<string>()
  await inParallel(PARALLEL, combinations, async ({ initiator, joiner, way }) => {
    const label = `${way.mode} by ${way.link} link, PQ ${way.pq ? 'on' : 'off'}, ${initiator.product} initiates`
    await report.check(`${prefix}: ${label}, ${messages} messages each way with receipts`, async () => {
      const conversation = await connectPeers(initiator, joiner, way)
      await exchange(conversation, messages, label)
      conversations.push(conversation)
      for (const { peer, connId } of [conversation.initiator, conversation.joiner]) {
        const versions = await peer.versions(connId)
        if (versions) seen.add(JSON.stringify(versions))
      }
      exchanged += 2 * messages
    })
  })
  await restarts({ ...setting, prefix, conversations, router, a, b })
  report.note(
    `${prefix}: ${conversations.length} of ${combinations.length} ways to connect, ${exchanged} messages with receipts, ` +
      `then ${conversations.length * AFTER_RESTART * 8} around restarts; versions ${[...seen].join(', ') || 'of ours'}`,
  )
  if (a.announced) report.note(`${prefix}: the original speaks ${a.announced}`)
  for (const peer of [a, b])
    await report.check(`${prefix}: the ${peer.product} agent ends when asked`, () => peer.stop())
  await router.stop()
}

interface Restarts extends Setting {
  readonly prefix: string
  readonly conversations: readonly Conversation[]
  readonly router: RouterProcess
  readonly a: Peer
  readonly b: Peer
}

async function restarts({ report, prefix, conversations, router, a, b }: Restarts): Promise<void> {
  for (const peer of [b, a]) {
    await report.check(`${prefix}: the ${peer.product} agent is killed, messages wait for it`, async () => {
      await peer.kill()
      await sentWhileAway(conversations, peer, 'while away', () => restart(peer, conversations))
    })
  }
  await report.check(`${prefix}: the router restarts under connected agents`, async () => {
    const down = [a, b].map((peer) => peer.event('DOWN'))
    const up = [a, b].map((peer) => peer.event('UP'))
    await router.stop()
    await Promise.all(down)
    await router.start()
    await Promise.all(up)
    await all(conversations, (conversation) => exchange(conversation, AFTER_RESTART, 'after the router'))
  })
  for (const peer of [b, a]) {
    await report.check(`${prefix}: the router restarts while messages wait for the ${peer.product} agent`, async () => {
      await peer.kill()
      await sentWhileAway(conversations, peer, 'in the router', async () => {
        await router.stop()
        await router.start()
        await restart(peer, conversations)
      })
    })
  }
  await report.check(`${prefix}: messages sent while the router is away`, async () => {
    await router.stop()
    const sending = all(conversations, (conversation) => exchange(conversation, AFTER_RESTART, 'router away'))
    await Promise.all([sending, router.start()])
  })
}

/** The other side sends and hears SENT; `comeBack` brings `peer` back, which receives all in order. */
async function sentWhileAway(
  conversations: readonly Conversation[],
  peer: Peer,
  label: string,
  comeBack: () => Promise<void>,
): Promise<void> {
  const sides = conversations.map(({ initiator, joiner, pq }) =>
    initiator.peer === peer ? { from: joiner, to: initiator, pq } : { from: initiator, to: joiner, pq },
  )
  const received = sides.map(({ from }) => receipts(from, AFTER_RESTART))
  const sent = await all(sides, ({ from, pq }) => send(from, AFTER_RESTART, label, pq))
  await comeBack()
  await all(sides, ({ to, pq }) => receive(to, AFTER_RESTART, label, pq))
  const ids = await Promise.all(received)
  ok(
    ids.every((of, index) => String(of) === String(sent[index])),
    'receipts of other messages',
  )
}

async function restart(peer: Peer, conversations: readonly Conversation[]): Promise<void> {
  await peer.start()
  const connIds = conversations.flatMap(({ initiator, joiner }) =>
    [initiator, joiner].filter((party) => party.peer === peer).map((party) => party.connId),
  )
  await peer.subscribe(connIds)
}

function all<T, R>(items: readonly T[], run: (item: T) => Promise<R>): Promise<R[]> {
  return Promise.all(items.map(run))
}
