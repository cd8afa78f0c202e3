import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { bytes, deliver, text, World } from './fixture.ts'

describe('connecting by an invitation', () => {
  it('goes the fast way and carries messages both ways with receipts', async () => {
    await using world = new World()
    const router = await world.router()
    const a = await world.agent('a', router.address)
    const b = await world.agent('b', router.address)
    const { connId: connA, link } = await a.api.createConnection({ mode: 'invitation', pq: true })
    const { connId: connB } = await b.api.joinConnection({ link, info: bytes('this is B'), pq: true })
    const conf = await a.expect('CONF', { connId: connA })
    assert.equal(text(conf.info), 'this is B')
    assert.equal(conf.pq, true)
    assert.deepEqual(conf.servers, [router.address])
    await a.api.allowConnection(connA, conf.confId, bytes('this is A'))
    const info = await b.expect('INFO', { connId: connB })
    assert.equal(text(info.info), 'this is A')
    const [conA, conB] = await Promise.all([a.expect('CON'), b.expect('CON')])
    assert.equal(conA.pq, true)
    assert.equal(conB.pq, true)
    const [hashA, hashB] = await Promise.all([
      a.api.connectionRatchetAdHash(connA),
      b.api.connectionRatchetAdHash(connB),
    ])
    assert.deepEqual(hashA, hashB)
    const { msgId } = await a.api.sendMessage(connA, bytes('hello B'))
    const message = await b.expect('MSG', { connId: connB })
    assert.equal(text(message.body), 'hello B')
    assert.deepEqual(message.integrity, { type: 'ok' })
    assert.equal(message.pq, true)
    await b.api.ackMessage(connB, message.msgId, { receipt: true })
    const rcvd = await a.expect('RCVD', { connId: connA })
    assert.deepEqual(rcvd.receipts, [{ msgId, status: 'ok' }])
    assert.equal((await a.api.messageStatus(connA, msgId)).state, 'received')
    await a.api.ackMessage(connA, rcvd.msgId)
    const back = await deliver({ agent: b, connId: connB }, { agent: a, connId: connA }, 'hello A')
    assert.equal(text(back.event.body), 'hello A')
    assert.equal((await b.api.messageStatus(connB, back.sentId)).state, 'sent')
  })

  it('goes on in order over many messages', async () => {
    await using world = new World()
    const { a, b, connA, connB } = await world.pair()
    for (let i = 0; i < 50; i++) await a.api.sendMessage(connA, bytes(`message ${i}`))
    for (let i = 0; i < 50; i++) {
      const event = await b.expect('MSG', { connId: connB })
      assert.equal(text(event.body), `message ${i}`)
      assert.deepEqual(event.integrity, { type: 'ok' })
      await b.api.ackMessage(connB, event.msgId)
    }
  })
})
