import { deepEqual, equal, match, rejects } from 'node:assert/strict'
import { type Conversation, connectPeers, exchange, receipts, receive, send } from '../conversation.ts'
import { CommandError, type Json, type JsonObject } from '../json-lines.ts'
import type { Peer } from '../peers.ts'
import type { Product } from '../routers.ts'
import { type Setting, startPeer, startRouter } from '../setting.ts'

/** Messages a router keeps in one queue. */
const QUOTA = 128
const OVER_QUOTA = 30
const MANY_CONNECTIONS = 120
/** Messages each way on a connection that is only to be seen to work. */
const FEW = 5

const INVITATION = { mode: 'invitation', link: 'short', pq: true } as const

interface Flow extends Setting {
  readonly prefix: string
  readonly routers: readonly [Product, Product]
  readonly a: Product
  readonly b: Product
}

/** Full queues, suspension, deletion, many connections, passwords and rotation between routers. */
export async function flowsSuite(setting: Setting): Promise<void> {
  const pairs: readonly (readonly [Product, Product])[] = [
    ['original', 'original'],
    ['original', 'parley'],
    ['parley', 'original'],
  ]
  for (const router of ['parley', 'original'] as const) {
    for (const [a, b] of pairs) {
      if (router === 'original' && a === b) continue
      const prefix = `${a} to ${b} agent through the ${router} router`
      const flow = { ...setting, prefix, routers: [router, router] as const, a, b }
      await run(flow, 'full queue', fullQueue)
      await run(flow, 'suspended connection', suspended)
      await run(flow, 'deleted connection', deleted)
      await run(flow, 'contact request rejected', rejected)
      await run(flow, `${MANY_CONNECTIONS} connections`, manyConnections)
      await run(flow, 'Ed448 router with a password', password)
    }
  }
  for (const routers of [
    ['parley', 'parley'],
    ['parley', 'original'],
    ['original', 'parley'],
    ['original', 'original'],
  ] as const) {
    const prefix = `queue rotation of original agents from the ${routers[0]} to the ${routers[1]} router`
    await run({ ...setting, prefix, routers, a: 'original', b: 'original' }, '', rotation)
  }
}

async function run(flow: Flow, name: string, check: (flow: Flow) => Promise<void>): Promise<void> {
  const title = name ? `${flow.prefix}: ${name}` : flow.prefix
  if (flow.report.wants(title)) await flow.report.check(title, () => check({ ...flow, prefix: title }))
}

/** The receiver is away: the router takes as many as it may, the rest waits at the sender. */
async function fullQueue(flow: Flow): Promise<void> {
  const { a, b, router } = await connected(flow)
  const conversation = await connectPeers(a, b, INVITATION)
  const { initiator, joiner, pq } = conversation
  // So that nothing of the handshake is left in the queue.
  await exchange(conversation, FEW, 'before')
  await b.kill()
  const ids: number[] = []
  for (let i = 0; i < QUOTA + OVER_QUOTA; i++) {
    ids.push(await a.sendMessage(initiator.connId, `over quota, message ${i + 1}`, pq))
  }
  for (const msgId of ids.slice(0, QUOTA)) await a.event('SENT', { connId: initiator.connId, msgId })
  const warning = await a.event('MWARN', { connId: initiator.connId, msgId: ids[QUOTA] ?? 0 })
  match(JSON.stringify(warning.error), /QUOTA/)
  const received = receipts(initiator, ids.length)
  await b.start()
  await b.subscribe([joiner.connId])
  await receive(joiner, ids.length, 'over quota', pq)
  deepEqual(await received, ids)
  for (const msgId of ids.slice(QUOTA)) await a.event('SENT', { connId: initiator.connId, msgId })
  await exchange(conversation, FEW, 'after the full queue')
  await ended(a, b, router)
}

async function suspended(flow: Flow): Promise<void> {
  const { a, b, router } = await connected(flow)
  const { initiator, joiner, pq } = await connectPeers(a, b, INVITATION)
  await Promise.all([receipts(joiner, FEW), send(joiner, FEW, 'before', pq), receive(initiator, FEW, 'before', pq)])
  await a.suspendConnection(initiator.connId)
  const msgId = await b.sendMessage(joiner.connId, 'too late', pq)
  match(JSON.stringify((await b.event('MERR', { connId: joiner.connId, msgId })).error), /AUTH/)
  await ended(a, b, router)
}

async function deleted(flow: Flow): Promise<void> {
  const { a, b, router } = await connected(flow)
  const conversation = await connectPeers(a, b, INVITATION)
  await exchange(conversation, FEW, 'before')
  await a.deleteConnection(conversation.initiator.connId)
  const { connId } = conversation.joiner
  const msgId = await b.sendMessage(connId, 'too late', conversation.pq)
  match(JSON.stringify((await b.event('MERR', { connId, msgId })).error), /AUTH/)
  await rejects(a.sendMessage(conversation.initiator.connId, 'too late', conversation.pq), (error: CommandError) =>
    JSON.stringify(error.error).includes('CONN'),
  )
  if (b.product === 'original') {
    // Deleted in the background: told by events.
    await b.program.call('deleteConnectionAsync', { connId })
    const { queues } = await b.event('DEL_RCVQS')
    deepEqual(
      (queues as readonly JsonObject[]).map((queue) => [queue.connId, queue.error]),
      [[connId, null]],
    )
    deepEqual((await b.event('DEL_CONNS')).connIds, [connId])
  } else await b.deleteConnection(connId)
  await ended(a, b, router)
}

async function rejected(flow: Flow): Promise<void> {
  const { a, b, router } = await connected(flow)
  const address = await a.createConnection({ mode: 'contact', pq: true })
  await b.joinConnection({ link: address.shortLink ?? '', info: 'no', pq: true })
  const request = await a.event('REQ', { connId: address.connId })
  equal(request.info, 'no')
  await a.rejectContact(String(request.invId))
  await rejects(a.acceptContact({ invId: String(request.invId), info: '', pq: true }), CommandError)
  await a.deleteConnection(address.connId)
  await rejects(b.joinConnection({ link: address.shortLink ?? '', info: 'gone', pq: true }), (error: CommandError) =>
    JSON.stringify(error.error).includes('AUTH'),
  )
  await ended(a, b, router)
}

/** All are subscribed in one call after a restart, and each has a message waiting. */
async function manyConnections(flow: Flow): Promise<void> {
  const { a, b, router } = await connected(flow)
  const conversations: Conversation[] = []
  for (let i = 0; i < MANY_CONNECTIONS; i++) {
    conversations.push(await connectPeers(a, b, { mode: 'invitation', link: i % 2 ? 'full' : 'short', pq: false }))
  }
  await b.kill()
  const received = conversations.map(({ initiator }) => receipts(initiator, 2))
  for (const { initiator, pq } of conversations) await send(initiator, 2, 'away', pq)
  await b.start()
  await b.subscribe(conversations.map(({ joiner }) => joiner.connId))
  await Promise.all(conversations.map(({ joiner, pq }) => receive(joiner, 2, 'away', pq)))
  await Promise.all(received)
  await ended(a, b, router)
}

async function password(flow: Flow): Promise<void> {
  const { a, b, router } = await connected(flow, { algorithm: 'ed448', password: 'secret9' })
  await exchange(await connectPeers(a, b, INVITATION), FEW, 'with a password')
  await exchange(await connectPeers(b, a, { ...INVITATION, mode: 'contact' }), FEW, 'with a password')
  for (const product of [flow.a, flow.b]) {
    const wrong = await startPeer(flow, product, `${file(flow)}-wrong-${product}`, [
      router.address.replace('secret9', 'wrong'),
    ])
    await rejects(wrong.createConnection({ mode: 'invitation', pq: true }), (error: CommandError) =>
      JSON.stringify(error.error).includes('AUTH'),
    )
    await wrong.stop()
  }
  await ended(a, b, router)
}

/** `b` moves its queue to another router. Nothing is sent meanwhile: the originals lose track of it themselves. */
async function rotation(flow: Flow): Promise<void> {
  const router = await startRouter(flow, flow.routers[0], `${file(flow)}-router1`)
  const next = await startRouter(flow, flow.routers[1], `${file(flow)}-router2`)
  const a = await startPeer(flow, flow.a, `${file(flow)}-a`, [router.address])
  let b = await startPeer(flow, flow.b, `${file(flow)}-b`, [router.address])
  const conversation = await connectPeers(a, b, INVITATION)
  await exchange(conversation, FEW, 'before rotation')
  await b.stop()
  // The same database with another router to make new queues on.
  b = b.with({ smp: [next.address] })
  const { initiator } = conversation
  const joiner = { peer: b, connId: conversation.joiner.connId }
  await b.start()
  await b.subscribe([joiner.connId])
  await b.switchConnection(joiner.connId)
  await Promise.all([
    b.event('SWITCH', { connId: joiner.connId, direction: 'QDRcv', phase: 'SPCompleted' }),
    a.event('SWITCH', { connId: initiator.connId, direction: 'QDSnd', phase: 'SPCompleted' }),
  ])
  const after = { ...conversation, joiner }
  await exchange(after, FEW, 'after rotation')
  const { stats } = await b.program.call('connectionServers', { connId: joiner.connId })
  const servers = ((stats as JsonObject).rcvQueuesInfo as readonly JsonObject[]).map(
    ({ rcvServer }): Json => rcvServer ?? null,
  )
  deepEqual(servers, [next.address])
  await ended(a, b, router, next)
}

async function connected(flow: Flow, settings = {}) {
  const router = await startRouter(flow, flow.routers[0], `${file(flow)}-router`, settings)
  const a = await startPeer(flow, flow.a, `${file(flow)}-a`, [router.address])
  const b = await startPeer(flow, flow.b, `${file(flow)}-b`, [router.address])
  return { router, a, b }
}

async function ended(a: Peer, b: Peer, ...routers: readonly { stop(): Promise<void> }[]): Promise<void> {
  await Promise.all([a.stop(), b.stop()])
  await Promise.all(routers.map((router) => router.stop()))
}

/** The name of a check as part of a file name. */
function file({ prefix }: Flow): string {
  return prefix.replaceAll(/\W+/g, '-')
}
