import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { AgentError, type ConnectionInMaking } from '@parley/agent'
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

  it('makes information for the keys of the request, and for the new connection', async () => {
    await using world = new World()
    const router = await world.router()
    const owner = await world.agent('owner', router.address)
    const requester = await world.agent('requester', router.address)
    const { shortLink } = await owner.api.createConnection({ mode: 'contact' })
    const made = new Map<string, Uint8Array | undefined>()
    const infoOf = (label: string) => (connection: ConnectionInMaking) => {
      made.set(`${label} ${connection.connId}`, connection.keyAgreement)
      return bytes(`${label} ${connection.connId}`)
    }
    const { connId: connB } = await requester.api.joinConnection({ link: shortLink ?? '', info: infoOf('join') })
    const request = await owner.expect('REQ')
    assert.equal(text(request.info), `join ${connB}`)
    assert.equal(request.keyAgreement.length, 32)
    assert.deepEqual(made.get(`join ${connB}`), request.keyAgreement)
    const { connId: connA } = await owner.api.acceptContact(request.invId, { info: infoOf('accept') })
    assert.equal(text((await requester.expect('CONF')).info), `accept ${connA}`)
    assert.deepEqual([...made.keys()], [`join ${connB}`, `accept ${connA}`])
    assert.equal(made.get(`accept ${connA}`), undefined)
  })

  for (const again of [true, false]) {
    it(`has the same keys and information after an interruption, ${again ? 'joining again' : 'by itself'}`, async () => {
      await using world = new World()
      const router = await world.router()
      const ownRouter = await world.router({ dataDir: join(world.dir, 'own') })
      const owner = await world.agent('owner', router.address)
      const requester = await world.agent('requester', ownRouter.address)
      const { link } = await owner.api.createConnection({ mode: 'contact' })
      const made: ConnectionInMaking[] = []
      const { promise: called, resolve: call } = Promise.withResolvers<void>()
      const info = (connection: ConnectionInMaking) => {
        made.push(connection)
        call()
        return bytes('signed for these keys')
      }
      // The queue for the answer cannot be made: the request has its keys and is not sent.
      await ownRouter.stop()
      const joining = requester.api.joinConnection({ link, info })
      if (again) await assert.rejects(joining, AgentError)
      else {
        const interrupted = assert.rejects(joining, AgentError)
        await called
        await requester.close()
        await interrupted
        await requester.open()
      }
      await ownRouter.start()
      if (again) {
        await requester.restart()
        const { connId } = await requester.api.joinConnection({ link, info })
        assert.deepEqual(made, [made[0], made[0]])
        assert.equal(made[0]?.connId, connId)
      }
      const request = await owner.expect('REQ')
      assert.equal(text(request.info), 'signed for these keys')
      assert.deepEqual(request.keyAgreement, made[0]?.keyAgreement)
      assert.ok(!owner.has('REQ'))
    })
  }
})
