import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { AgentError } from '@parley/agent'
import { bytes, connect, text, World } from './fixture.ts'

const MAX_BODY = 15_795
const MAX_BODY_PQ = 13_573

describe('sending', () => {
  it('accepts many messages at once, to several connections, with shared bodies', async () => {
    await using world = new World()
    const router = await world.router()
    const a = await world.agent('a', router.address)
    const b = await world.agent('b', router.address)
    const first = await connect(a, b)
    const second = await connect(a, b)
    const shared = bytes('for both')
    const { connId: unconnected } = await a.api.createConnection({ mode: 'invitation' })
    const results = await a.api.sendMessages([
      { connId: first.connA, body: shared },
      { connId: second.connA, body: shared },
      { connId: unconnected, body: shared },
      { connId: first.connA, body: bytes('for one') },
      { connId: 'unknown', body: shared },
    ])
    assert.deepEqual(
      results.map((result) => (result instanceof AgentError ? result.message : result.pq)),
      [true, true, 'CONN SIMPLEX send', true, 'CONN NOT_FOUND connection'],
    )
    for (const [connId, texts] of [
      [first.connB, ['for both', 'for one']],
      [second.connB, ['for both']],
    ] as const) {
      for (const expected of texts) {
        const event = await b.expect('MSG', { connId })
        assert.equal(text(event.body), expected)
        assert.deepEqual(event.integrity, { type: 'ok' })
        await b.api.ackMessage(connId, event.msgId)
      }
    }
  })

  for (const pq of [false, true]) {
    it(`takes bodies up to the limit, PQ ${pq}`, async () => {
      await using world = new World()
      const { a, b, connA, connB } = await world.pair({ pqA: pq, pqB: pq })
      const max = pq ? MAX_BODY_PQ : MAX_BODY
      const body = new Uint8Array(max).fill(7)
      await assert.rejects(a.api.sendMessage(connA, new Uint8Array(max + 1)), {
        errorType: { type: 'CMD', error: 'LARGE', context: 'encrypt' },
      })
      await a.api.sendMessage(connA, body)
      const event = await b.expect('MSG', { connId: connB })
      assert.deepEqual(event.integrity, { type: 'ok' })
      assert.deepEqual(Buffer.from(event.body), Buffer.from(body))
      await b.api.ackMessage(connB, event.msgId)
      await b.api.sendMessage(connB, new Uint8Array())
      assert.equal((await a.expect('MSG', { connId: connA })).body.length, 0)
    })
  }

  it('refuses information that does not fit, before anything is made', async () => {
    await using world = new World()
    const router = await world.router()
    const a = await world.agent('a', router.address)
    const b = await world.agent('b', router.address)
    const { connId, link } = await a.api.createConnection({ mode: 'invitation' })
    await assert.rejects(b.api.joinConnection({ link, info: new Uint8Array(15_000) }), /LARGE/)
    assert.deepEqual(await b.api.listConnections(), [])
    await b.api.joinConnection({ link, info: new Uint8Array(10_000) })
    const conf = await a.expect('CONF', { connId })
    assert.equal(conf.info.length, 10_000)
    await assert.rejects(a.api.allowConnection(connId, conf.confId, new Uint8Array(12_000)), /LARGE/)
    await a.api.allowConnection(connId, conf.confId, new Uint8Array(11_000))
    assert.equal((await b.expect('INFO')).info.length, 11_000)
  })

  it('does not keep the content of delivered messages', async () => {
    await using world = new World()
    const { a, b, connA, connB } = await world.pair()
    const needle = 'a needle in the database of either side'
    const { msgId } = await a.api.sendMessage(connA, bytes(needle))
    const event = await b.expect('MSG', { connId: connB })
    await b.api.ackMessage(connB, event.msgId)
    await a.expect('SENT', { msgId })
    // The next message is delivered after the router has deleted this one.
    await a.api.sendMessage(connA, bytes('next'))
    await b.expect('MSG', { connId: connB })
    await Promise.all([a.close(), b.close()])
    for (const { path } of [a, b]) assert.ok(!readFileSync(path).includes(needle), path)
  })

  it('refuses acknowledgements that make no sense', async () => {
    await using world = new World()
    const { a, b, connA, connB } = await world.pair()
    await assert.rejects(b.api.ackMessage(connB, 77), /NOT_FOUND/)
    await assert.rejects(b.api.ackMessage('unknown', 1), /NOT_FOUND/)
    await a.api.sendMessage(connA, bytes('x'))
    const message = await b.expect('MSG', { connId: connB })
    await b.api.ackMessage(connB, message.msgId, { receipt: true })
    const receipt = await a.expect('RCVD', { connId: connA })
    await assert.rejects(a.api.ackMessage(connA, receipt.msgId, { receipt: true }), /PROHIBITED/)
    await a.api.ackMessage(connA, receipt.msgId)
  })

  it('ends calls that wait when it is closed', async () => {
    await using world = new World()
    const router = await world.router()
    const silent = createServer()
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    world.add({ close: () => new Promise((done) => silent.close(() => done())) })
    const { port } = silent.address() as AddressInfo
    const a = await world.agent('a', router.address.replace(/:\d+$/, `:${port}`))
    const call = a.api.createConnection({ mode: 'invitation' })
    const [socket] = (await once(silent, 'connection')) as [Socket]
    await Promise.all([a.close(), assert.rejects(call, { errorType: { type: 'INACTIVE' } })])
    socket.destroy()
  })

  it('stops a call by its signal and every call after closing', async () => {
    await using world = new World()
    const router = await world.router()
    const a = await world.agent('a', router.address)
    const signal = AbortSignal.abort(new Error('not now'))
    await assert.rejects(a.api.createConnection({ mode: 'invitation', signal }), /not now/)
    const { api } = a
    await a.close()
    await assert.rejects(api.createConnection({ mode: 'invitation' }), { errorType: { type: 'INACTIVE' } })
  })
})
