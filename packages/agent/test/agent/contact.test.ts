import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { bytes, deliver, text, World } from './fixture.ts'

describe('contact addresses', () => {
  for (const pq of [true, false]) {
    it(`accepts a request, PQ ${pq}`, async () => {
      await using world = new World()
      const router = await world.router()
      const owner = await world.agent('owner', router.address)
      const requester = await world.agent('requester', router.address)
      const { connId: contactId, link } = await owner.api.createConnection({ mode: 'contact', pq })
      const { connId: connB } = await requester.api.joinConnection({ link, info: bytes('let me in'), pq })
      const request = await owner.expect('REQ', { connId: contactId })
      assert.equal(text(request.info), 'let me in')
      // Versions decide, not what either side has switched on.
      assert.equal(request.pq, true)
      const { connId: connA } = await owner.api.acceptContact(request.invId, { info: bytes('welcome'), pq })
      const conf = await requester.expect('CONF', { connId: connB })
      assert.equal(text(conf.info), 'welcome')
      await requester.api.allowConnection(connB, conf.confId, bytes('thanks'))
      assert.equal(text((await owner.expect('INFO', { connId: connA })).info), 'thanks')
      const cons = await Promise.all([owner.expect('CON'), requester.expect('CON')])
      assert.deepEqual(
        cons.map((con) => [con.connId, con.pq]),
        [
          [connA, pq],
          [connB, pq],
        ],
      )
      const sides = [
        { agent: owner, connId: connA },
        { agent: requester, connId: connB },
      ] as const
      assert.equal(text((await deliver(sides[0], sides[1], 'hello')).event.body), 'hello')
      assert.equal(text((await deliver(sides[1], sides[0], 'hi')).event.body), 'hi')
    })
  }

  it('answers several requests one by one', async () => {
    await using world = new World()
    const router = await world.router()
    const owner = await world.agent('owner', router.address)
    const requester = await world.agent('requester', router.address)
    const { link } = await owner.api.createConnection({ mode: 'contact' })
    const first = await requester.api.joinConnection({ link, info: bytes('first') })
    const second = await requester.api.joinConnection({ link, info: bytes('second') })
    assert.notEqual(first.connId, second.connId)
    const requests = [await owner.expect('REQ'), await owner.expect('REQ')]
    assert.deepEqual(requests.map(({ info }) => text(info)).sort(), ['first', 'second'])
    const rejected = requests.find(({ info }) => text(info) === 'first')
    const accepted = requests.find(({ info }) => text(info) === 'second')
    assert.ok(rejected && accepted)
    await owner.api.rejectContact(rejected.invId)
    await assert.rejects(owner.api.acceptContact(rejected.invId, { info: bytes('') }), {
      errorType: { type: 'CONN', error: 'NOT_FOUND', context: 'invitation' },
    })
    const { connId } = await owner.api.acceptContact(accepted.invId, { info: bytes('') })
    // An application that did not hear of it accepts again.
    assert.deepEqual(await owner.api.acceptContact(accepted.invId, { info: bytes('') }), { connId })
    const conf = await requester.expect('CONF')
    assert.equal(conf.connId, second.connId)
    await requester.api.allowConnection(conf.connId, conf.confId, bytes(''))
    await owner.expect('CON', { connId })
    await assert.rejects(owner.api.acceptContact(accepted.invId, { info: bytes('') }), /PROHIBITED/)
    assert.ok(!requester.has('CONF'))
    assert.deepEqual((await owner.api.listConnections()).find(({ mode }) => mode === 'contact')?.invIds, [])
  })

  it('repeats a request that was not answered before a restart, and keeps the address', async () => {
    await using world = new World()
    const router = await world.router()
    const owner = await world.agent('owner', router.address)
    const requester = await world.agent('requester', router.address)
    const { connId, link } = await owner.api.createConnection({ mode: 'contact' })
    await requester.api.joinConnection({ link, info: bytes('first') })
    const request = await owner.expect('REQ')
    await owner.restart()
    const again = await owner.expect('REQ')
    assert.deepEqual(again, { ...request, info: again.info })
    assert.equal(text(again.info), 'first')
    await requester.api.joinConnection({ link, info: bytes('second') })
    assert.equal(text((await owner.expect('REQ')).info), 'second')
    const [summary] = await owner.api.listConnections()
    assert.equal(summary?.connId, connId)
    assert.equal(summary?.state, 'contact')
    assert.equal(summary?.invIds.length, 2)
  })

  it('does not send messages to the address itself', async () => {
    await using world = new World()
    const router = await world.router()
    const owner = await world.agent('owner', router.address)
    const { connId } = await owner.api.createConnection({ mode: 'contact' })
    await assert.rejects(owner.api.sendMessage(connId, bytes('x')), {
      errorType: { type: 'CONN', error: 'SIMPLEX', context: 'send' },
    })
  })
})
