import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { allDelivered, connect, Identity, texts, World } from './fixture.ts'

describe('a channel', { concurrency: 2 }, () => {
  it('is opened with a card, proven both ways, with post-quantum encryption', async () => {
    await using world = new World()
    const router = await world.router()
    const a = await world.node(new Identity('a'), router)
    const b = await world.node(new Identity('b', 'fetchai'), router)
    assert.equal(a.channels.hasChannel(a.address, b.address), undefined)
    await a.open(b)
    assert.equal(a.channels.hasChannel(a.address, b.address), undefined)
    const opened = await a.expect('opened')
    assert.deepEqual(opened, { local: a.address, peer: b.address, pq: true, card: 'ledger' })
    assert.deepEqual(await b.expect('opened'), { local: b.address, peer: a.address, pq: true, card: 'ledger' })
    assert.equal(a.channels.hasChannel(a.address, b.address), 'open')
    assert.equal(b.channels.hasChannel(b.address, a.address), 'open')
  })

  it('carries envelopes both ways, in order, and says when they are taken', async () => {
    await using world = new World()
    const router = await world.router()
    const a = await world.node(new Identity('a'), router)
    const b = await world.node(new Identity('b'), router)
    await a.open(b)
    // Before the channel is there.
    const early = await Promise.all(texts(5, 'early').map((text) => a.send(b, text)))
    await allDelivered(a, early)
    const ids = await Promise.all(texts(300).map((text) => a.send(b, text)))
    await allDelivered(a, ids)
    assert.deepEqual(b.received, [...texts(5, 'early'), ...texts(300)])
    const back = await Promise.all(texts(10, 'back').map((text) => b.send(a, text)))
    await allDelivered(b, back)
    assert.deepEqual(a.received, texts(10, 'back'))
    assert.equal(a.channels.stateOf(a.address, b.address, ids[0] ?? ''), 'delivered')
    assert.deepEqual(a.channels.list(), [{ local: a.address, peer: b.address, state: 'open', waiting: 0, toTake: 0 }])
  })

  it('is found again after a restart of either side, and of both', async () => {
    await using world = new World()
    const router = await world.router()
    const a = await world.node(new Identity('a'), router)
    const b = await world.node(new Identity('b'), router)
    await connect(a, b)
    for (const nodes of [[a], [b], [a, b]]) {
      for (const node of nodes) await node.close()
      for (const node of nodes) await node.start()
      assert.equal(a.channels.hasChannel(a.address, b.address), 'open')
      await allDelivered(a, [await a.send(b, 'there')])
      await allDelivered(b, [await b.send(a, 'back')])
    }
    assert.deepEqual(b.received, ['there', 'there', 'there'])
    assert.deepEqual(a.received, ['back', 'back', 'back'])
    assert.ok(!a.has('opened') && !b.has('opened') && !a.has('closed') && !b.has('closed'))
    assert.equal((await a.agent.listConnections()).length, 2)
  })
})
