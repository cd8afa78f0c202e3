import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { bytes, connect, World } from './fixture.ts'

describe('what is done once', () => {
  it('is a request: it does not come back when its connection is deleted', async () => {
    await using world = new World()
    const router = await world.router()
    const owner = await world.agent('owner', router.address)
    const requester = await world.agent('requester', router.address)
    const { link } = await owner.api.createConnection({ mode: 'contact', pq: false })
    const { connId: connB } = await requester.api.joinConnection({ link, info: bytes('B'), pq: false })
    const request = await owner.expect('REQ')
    const { connId: connA } = await owner.api.acceptContact(request.invId, { info: bytes('A'), pq: false })
    const conf = await requester.expect('CONF', { connId: connB })
    await requester.api.allowConnection(connB, conf.confId, bytes('B'))
    await owner.expect('CON', { connId: connA })
    await owner.api.deleteConnection(connA)
    await owner.expect('DEL_CONNS')
    await owner.restart()
    await owner.api.createConnection({ mode: 'invitation', pq: false })
    assert.ok(!owner.has('REQ'))
  })

  it('is joining, also when it is asked for twice at once', async () => {
    await using world = new World()
    const router = await world.router()
    const a = await world.agent('a', router.address)
    const b = await world.agent('b', router.address)
    for (const short of [false, true]) {
      const { link, shortLink = '' } = await a.api.createConnection({ mode: 'invitation' })
      const join = () => b.api.joinConnection({ link: short ? shortLink : link, info: bytes('B') })
      const results = await Promise.allSettled([join(), join()])
      const ids = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value.connId] : []))
      assert.equal(new Set(ids).size, 1)
    }
    assert.equal((await b.api.listConnections()).length, 2)
  })

  it('is acknowledging: repeating it does nothing, however late', async () => {
    await using world = new World()
    const { a, b, connA, connB } = await world.pair({ pqA: false, pqB: false })
    await a.api.sendMessage(connA, bytes('first'))
    const first = await b.expect('MSG', { connId: connB })
    await b.api.ackMessage(connB, first.msgId)
    await a.api.sendMessage(connA, bytes('second'))
    await b.expect('MSG', { connId: connB })
    await b.api.ackMessage(connB, first.msgId)
    const { msgId } = await b.api.sendMessage(connB, bytes('own'))
    await assert.rejects(b.api.ackMessage(connB, msgId), /NOT_FOUND/)
    await assert.rejects(b.api.ackMessage(connB, msgId + 1), /NOT_FOUND/)
  })

  it('is sending: a deleted connection sends no more', async () => {
    await using world = new World()
    const router = await world.router()
    const routerB = await world.router({ dataDir: `${world.dir}/router-b` })
    const a = await world.agent('a', router.address, { config: { deleteAttempts: 1000 } })
    const b = await world.agent('b', routerB.address)
    const { connA, connB } = await connect(a, b, { pqA: false, pqB: false })
    await routerB.stop()
    await a.expect('DISCONNECT')
    const { msgId } = await a.api.sendMessage(connA, bytes('too late'))
    await a.expect('STATUS', { msgId, state: 'waiting' })
    await router.stop()
    await a.api.deleteConnection(connA)
    await routerB.start()
    await b.expect('UP')
    await router.start()
    await a.expect('DEL_CONNS')
    assert.ok(!a.has('SENT'))
    assert.ok(!b.seen.some((event) => event.event === 'MSG' && event.connId === connB))
  })
})
