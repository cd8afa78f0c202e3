import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { encode } from '@parley/core/encoding'
import { connectionRequestCodec, parseConnectionLink } from '../../src/links/index.ts'
import { agentEnvelopeCodec } from '../../src/protocol/index.ts'
import { AgentStore } from '../../src/store/agent-store.ts'
import { insertJoin, setJoinEnvelope } from '../../src/store/joins.ts'
import { setSndQueueStatus, sndQueuesOf } from '../../src/store/snd-queues.ts'
import { CuttingProxy } from './cutting-proxy.ts'
import { bytes, deliver, type TestAgent, World } from './fixture.ts'

/** What a closed agent has in its store when it did not hear that its confirmation was stored. */
async function forgetAnswer({ path }: TestAgent, connId: string, link: string, isAnswered: boolean): Promise<void> {
  const parsed = parseConnectionLink(link)
  assert.ok(parsed.type === 'full')
  const connectionRequest = encode(connectionRequestCodec, parsed.request)
  const encConnInfo = randomBytes(100)
  const envelope = encode(agentEnvelopeCodec, { type: 'confirmation', agentVersion: 7, encConnInfo })
  const store = AgentStore.open({ path })
  await store.transaction((db) => {
    insertJoin(db, { connId, connectionRequest, info: bytes('B') })
    setJoinEnvelope(db, connId, envelope)
    const [queue] = sndQueuesOf(db, connId)
    if (queue && !isAnswered) setSndQueueStatus(db, queue.sndQueueId, queue.queueMode ? 'secured' : 'new')
  })
  store.close()
}

describe('a confirmation whose answer was lost', () => {
  it('is no failure when the peer has secured its queue since', async () => {
    await using world = new World()
    const router = await world.router()
    const proxy = await CuttingProxy.start(() => router.running.port)
    world.add(proxy)
    const slowly = { fastRetry: { initial: 60_000, increaseAfter: 60_000, max: 60_000 } }
    const a = await world.agent('a', router.address, { config: slowly })
    const b = await world.agent('b', proxy.addressOf(router.address), { config: { senderSecures: false } })
    const { connId: connA, link } = await a.api.createConnection({ mode: 'invitation', pq: false })
    const { connId: connB } = await b.api.joinConnection({ link, info: bytes('B'), pq: false })
    const conf = await a.expect('CONF', { connId: connA })
    await b.close()
    // More than the handshake's answers, less than these and one more block.
    proxy.cutAfterAnswers(24_000)
    await a.api.allowConnection(connA, conf.confId, bytes('A'))
    await a.expect('DISCONNECT')
    await b.open()
    await b.api.subscribeConnections()
    await b.expect('INFO', { connId: connB })
    await a.restart()
    await Promise.all([a.expect('CON', { connId: connA }), b.expect('CON', { connId: connB })])
    await deliver({ agent: b, connId: connB }, { agent: a, connId: connA }, 'hello')
    assert.ok(!a.has('ERR') && !b.has('ERR'))
  })
})

describe('a join whose last answer was lost', () => {
  for (const slow of [false, true]) {
    const name = slow ? 'slow' : 'fast'
    it(`is finished when the peer has answered since: ${name}`, async () => {
      await using world = new World()
      const router = await world.router()
      const a = await world.agent('a', router.address, { config: { senderSecures: !slow } })
      const b = await world.agent('b', router.address)
      const { connId: connA, link } = await a.api.createConnection({ mode: 'invitation', pq: false })
      const { connId: connB } = await b.api.joinConnection({ link, info: bytes('B'), pq: false })
      const conf = await a.expect('CONF', { connId: connA })
      await a.api.allowConnection(connA, conf.confId, bytes('A'))
      await Promise.all([a.expect('CON', { connId: connA }), b.expect('CON', { connId: connB })])
      await b.close()
      await forgetAnswer(b, connB, link, true)
      await b.open()
      await b.api.subscribeConnections()
      assert.equal(
        (await b.api.joinConnection({ link, info: bytes('B'), pq: false }).catch(() => undefined))?.connId ?? connB,
        connB,
      )
      await deliver({ agent: b, connId: connB }, { agent: a, connId: connA }, 'hello')
    })

    it(`is finished when the peer has secured the queue since: ${name}`, async () => {
      await using world = new World()
      const router = await world.router()
      const a = await world.agent('a', router.address, { config: { senderSecures: !slow } })
      const b = await world.agent('b', router.address)
      const { connId: connA, link } = await a.api.createConnection({ mode: 'invitation', pq: false })
      const { connId: connB } = await b.api.joinConnection({ link, info: bytes('B'), pq: false })
      const conf = await a.expect('CONF', { connId: connA })
      await b.close()
      await forgetAnswer(b, connB, link, false)
      await a.api.allowConnection(connA, conf.confId, bytes('A'))
      await a.expect('CON', { connId: connA })
      await b.open()
      await b.api.subscribeConnections()
      await b.expect('CON', { connId: connB })
      await deliver({ agent: b, connId: connB }, { agent: a, connId: connA }, 'hello')
      assert.equal((await b.api.listConnections()).length, 1)
    })
  }
})
