import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { bytes, connect, type TestAgent, text, World } from './fixture.ts'

const DAY = 24 * 3600 * 1000

async function receiveAll(agent: TestAgent, connId: string, texts: readonly string[]): Promise<void> {
  for (const expected of texts) {
    const event = await agent.expect('MSG', { connId })
    assert.equal(text(event.body), expected)
    assert.deepEqual(event.integrity, { type: 'ok' })
    await agent.api.ackMessage(connId, event.msgId)
  }
}

describe('delivery', () => {
  it('waits for the router and goes on when it is back', async () => {
    await using world = new World()
    const { router, a, b, connA, connB } = await world.pair()
    await router.stop()
    await Promise.all([
      a.expect('DOWN', {}).then(({ connIds }) => assert.deepEqual(connIds, [connA])),
      b.expect('DOWN', {}).then(({ connIds }) => assert.deepEqual(connIds, [connB])),
    ])
    const texts = ['one', 'two', 'three']
    const ids: number[] = []
    for (const body of texts) ids.push((await a.api.sendMessage(connA, bytes(body))).msgId)
    const [first = 0, second = 0] = ids
    const waiting = await a.expect('STATUS', { msgId: first, state: 'waiting' })
    assert.equal(waiting.reason?.type, 'network')
    assert.equal(waiting.reason?.error.type, 'BROKER')
    const status = await a.api.messageStatus(connA, first)
    assert.equal(status.state, 'waiting')
    assert.ok(status.nextTryAt && status.nextTryAt >= status.since && status.since >= status.createdAt)
    assert.equal((await a.api.messageStatus(connA, second)).state, 'pending')
    await router.start()
    await Promise.all([a.expect('UP', {}), b.expect('UP', {})])
    await receiveAll(b, connB, texts)
    for (const msgId of ids) await a.expect('SENT', { msgId })
    const sent = await a.api.messageStatus(connA, first)
    assert.equal(sent.state, 'sent')
    assert.ok(sent.sentAt && sent.reason === undefined && sent.nextTryAt === undefined)
  })

  it('keeps messages of a closed agent and delivers them when it is opened again', async () => {
    await using world = new World()
    const { router, a, b, connA, connB } = await world.pair()
    await b.close()
    const texts = Array.from({ length: 10 }, (_, i) => `while away ${i}`)
    for (const body of texts) await a.api.sendMessage(connA, bytes(body))
    await b.open()
    assert.deepEqual(await b.api.subscribeConnections(), new Map())
    await receiveAll(b, connB, texts)
    await router.stop()
    const { msgId } = await a.api.sendMessage(connA, bytes('last'))
    await a.close()
    await router.start()
    await a.open()
    await a.api.subscribeConnections()
    await receiveAll(b, connB, ['last'])
    await a.expect('SENT', { msgId })
  })

  it('waits while the queue is full and goes on when the peer has read it', async () => {
    await using world = new World()
    const router = await world.router({ queueQuota: 4 })
    const a = await world.agent('a', router.address)
    const b = await world.agent('b', router.address)
    const { connA, connB } = await connect(a, b)
    await b.close()
    const texts = Array.from({ length: 8 }, (_, i) => `message ${i}`)
    const ids: number[] = []
    for (const body of texts) ids.push((await a.api.sendMessage(connA, bytes(body))).msgId)
    const warning = await a.expect('MWARN', {})
    assert.ok(ids.includes(warning.msgId))
    assert.equal(warning.error.errorType.type, 'SMP')
    const waiting = await a.expect('STATUS', { msgId: warning.msgId, state: 'waiting' })
    assert.equal(waiting.reason?.type, 'quota')
    assert.equal((await a.api.messageStatus(connA, warning.msgId)).reason?.type, 'quota')
    await b.open()
    await b.api.subscribeConnections()
    await receiveAll(b, connB, texts)
    await a.expect('QCONT', { connId: connA })
    for (const msgId of ids) await a.expect('SENT', { msgId })
  })

  it('gives a message up that could not be sent for too long, with all that are as old', async () => {
    await using world = new World()
    const router = await world.router()
    let offset = 0
    const config = { now: () => Date.now() + offset }
    const a = await world.agent('a', router.address, { config })
    const b = await world.agent('b', router.address)
    const { connA, connB } = await connect(a, b)
    await router.stop()
    const old: number[] = []
    for (let i = 0; i < 3; i++) old.push((await a.api.sendMessage(connA, bytes(`old ${i}`))).msgId)
    await a.expect('STATUS', { state: 'waiting' })
    offset = 2 * DAY + 1000
    const { msgId: fresh } = await a.api.sendMessage(connA, bytes('fresh'))
    const failed = await a.expect('MERR', {})
    assert.equal(failed.msgId, old[0])
    assert.equal(failed.error.errorType.type, 'BROKER')
    const others = await a.expect('MERRS', {})
    assert.deepEqual(others.msgIds, old.slice(1))
    for (const msgId of old) {
      const status = await a.api.messageStatus(connA, msgId)
      assert.equal(status.state, 'failed')
      assert.equal(status.reason?.type, 'expired')
    }
    await router.start()
    await a.expect('SENT', { msgId: fresh })
    const event = await b.expect('MSG', { connId: connB })
    assert.equal(text(event.body), 'fresh')
    const [firstSkipped, lastSkipped] = [2, 4]
    assert.deepEqual(event.integrity, { type: 'skipped', fromMsgId: firstSkipped, toMsgId: lastSkipped })
  })

  it('gives a message up for a queue that stays full', async () => {
    await using world = new World()
    const router = await world.router({ queueQuota: 2 })
    let offset = 0
    const slowRetry = { initial: 50, increaseAfter: 1000, max: 50 }
    const config = { now: () => Date.now() + offset, slowRetry }
    const a = await world.agent('a', router.address, { config })
    const b = await world.agent('b', router.address)
    const { connA } = await connect(a, b)
    await b.close()
    for (let i = 0; i < 4; i++) await a.api.sendMessage(connA, bytes(`message ${i}`))
    await a.expect('STATUS', { state: 'waiting' })
    offset = 7 * DAY + 1000
    const failed = await a.expect('MERR', {})
    assert.equal(failed.error.errorType.type, 'SMP')
    assert.equal((await a.api.messageStatus(connA, failed.msgId)).state, 'failed')
  })

  it('fails a message that the router refuses', async () => {
    await using world = new World()
    const { a, b, connA, connB } = await world.pair()
    await b.api.suspendConnection(connB)
    assert.ok((await b.api.listConnections())[0]?.suspendedAt)
    const { msgId } = await a.api.sendMessage(connA, bytes('into the void'))
    const failed = await a.expect('MERR', { connId: connA, msgId })
    assert.deepEqual(failed.error.toJSON().smpErr, { type: 'AUTH' })
    const status = await a.api.messageStatus(connA, msgId)
    assert.equal(status.state, 'failed')
    assert.deepEqual(status.reason?.error, failed.error.toJSON())
    assert.deepEqual((await a.expect('STATUS', { msgId })).state, 'failed')
  })

  it('forgets the status of old messages', async () => {
    await using world = new World()
    const router = await world.router()
    let offset = 0
    const config = { now: () => Date.now() + offset, cleanupDelay: 5, cleanupInterval: 5 }
    const a = await world.agent('a', router.address, { config })
    const b = await world.agent('b', router.address)
    const { connA, connB } = await connect(a, b)
    const { msgId } = await a.api.sendMessage(connA, bytes('read me'))
    await receiveAll(b, connB, ['read me'])
    await a.expect('SENT', { msgId })
    let status: unknown = await a.api.messageStatus(connA, msgId)
    while (!(status instanceof Error)) {
      offset += DAY
      await new Promise((resolve) => setImmediate(resolve))
      status = await a.api.messageStatus(connA, msgId).catch((error: Error) => error)
    }
    assert.match(status.message, /NOT_FOUND/)
    assert.ok(offset > (21 + 30) * DAY)
  })
})
