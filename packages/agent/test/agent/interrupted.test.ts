import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { AgentError } from '@parley/agent'
import { CuttingProxy } from './cutting-proxy.ts'
import { bytes, deliver, type TestAgent, type TestRouter, World } from './fixture.ts'

/** About half a block: the moments before and after each of them are met. */
const STEP = 9000
/** More blocks than a side of the handshake sends. */
const STEPS = 14

/** Repeats a call of the application until the network lets it through. */
async function persistently<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      assert.ok(error instanceof AgentError)
      assert.equal(error.errorType.type, 'BROKER', error.message)
    }
  }
}

async function untilJoined(joiner: TestAgent, link: string): Promise<string> {
  return (await persistently(() => joiner.api.joinConnection({ link, info: bytes('B'), pq: false }))).connId
}

describe('an interrupted handshake', { concurrency: 4 }, () => {
  const shared = new World()
  let router: TestRouter

  before(async () => {
    router = await shared.router()
  })
  after(() => shared[Symbol.asyncDispose]())

  async function proxied(world: World) {
    const proxy = await CuttingProxy.start(() => router.running.port)
    world.add(proxy)
    return { proxy, address: proxy.addressOf(router.address) }
  }
  for (const slow of [false, true]) {
    for (let step = 0; step < STEPS; step += slow ? 2 : 1) {
      it(`is finished by joining again: cut ${step}, ${slow ? 'slow' : 'fast'}`, async () => {
        await using world = new World()
        const { proxy, address } = await proxied(world)
        const a = await world.agent('a', router.address)
        const b = await world.agent('b', address, { config: { senderSecures: !slow } })
        const { connId: connA, link } = await a.api.createConnection({ mode: 'invitation', pq: false })
        proxy.cutAfter(step * STEP)
        const throughProxy = link.replaceAll(`%3A${router.running.port}`, `%3A${proxy.port}`)
        assert.notEqual(throughProxy, link)
        const connB = await untilJoined(b, throughProxy)
        const conf = await a.expect('CONF', { connId: connA })
        await a.api.allowConnection(connA, conf.confId, bytes('A'))
        await b.expect('INFO', { connId: connB })
        await Promise.all([a.expect('CON', { connId: connA }), b.expect('CON', { connId: connB })])
        await deliver({ agent: b, connId: connB }, { agent: a, connId: connA }, 'hello', true)
        await deliver({ agent: a, connId: connA }, { agent: b, connId: connB }, 'hello', true)
        assert.equal((await b.api.listConnections()).length, 1)
        assert.ok(!a.has('CONF') && !a.has('CON') && !b.has('CON') && !b.has('INFO'))
      })
    }
  }

  for (let step = 0; step < STEPS; step++) {
    it(`goes on by itself at the initiator: cut ${step}`, async () => {
      await using world = new World()
      const { proxy, address } = await proxied(world)
      const a = await world.agent('a', address, { config: { senderSecures: step % 2 === 0 } })
      const b = await world.agent('b', router.address, { config: { senderSecures: step % 3 === 0 } })
      const { connId: connA, link } = await a.api.createConnection({ mode: 'invitation' })
      const { connId: connB } = await b.api.joinConnection({ link, info: bytes('B'), pq: false })
      const conf = await a.expect('CONF', { connId: connA })
      proxy.cutAfter(step * STEP)
      await a.api.allowConnection(connA, conf.confId, bytes('A'))
      await Promise.all([a.expect('CON', { connId: connA }), b.expect('CON', { connId: connB })])
      await deliver({ agent: b, connId: connB }, { agent: a, connId: connA }, 'hello', true)
      await deliver({ agent: a, connId: connA }, { agent: b, connId: connB }, 'hello', true)
    })
  }

  for (let step = 0; step < STEPS; step += 2) {
    it(`is finished by requesting a contact again: cut ${step}`, async () => {
      await using world = new World()
      const { proxy, address } = await proxied(world)
      const owner = await world.agent('owner', router.address)
      const requester = await world.agent('requester', address)
      const { link } = await owner.api.createConnection({ mode: 'contact' })
      proxy.cutAfter(step * STEP)
      const connB = await untilJoined(requester, link)
      const request = await owner.expect('REQ')
      const accept = () => owner.api.acceptContact(request.invId, { info: bytes('A'), pq: false })
      const { connId: connA } = await persistently(accept)
      const conf = await requester.expect('CONF', { connId: connB })
      await requester.api.allowConnection(connB, conf.confId, bytes('B'))
      await Promise.all([owner.expect('CON', { connId: connA }), requester.expect('CON', { connId: connB })])
      assert.ok(!owner.has('REQ'))
    })
  }

  for (const form of ['link', 'shortLink'] as const) {
    it(`is not begun twice with one invitation: ${form}`, async () => {
      await using world = new World()
      const a = await world.agent('a', router.address)
      const b = await world.agent('b', router.address)
      const c = await world.agent('c', router.address)
      const created = await a.api.createConnection({ mode: 'invitation' })
      const link = created[form] ?? ''
      const { connId } = await b.api.joinConnection({ link, info: bytes('B') })
      // An application that did not hear of it joins again.
      assert.deepEqual(await b.api.joinConnection({ link, info: bytes('B') }), { connId })
      const conf = await a.expect('CONF')
      await a.api.allowConnection(conf.connId, conf.confId, bytes('A'))
      await b.expect('CON', { connId })
      await assert.rejects(b.api.joinConnection({ link, info: bytes('B') }), {
        errorType: { type: 'CONN', error: 'DUPLICATE', context: 'link' },
      })
      assert.ok(!a.has('CONF'))
      await assert.rejects(c.api.joinConnection({ link, info: bytes('C') }), /SMP AUTH/)
      assert.deepEqual(await c.api.listConnections(), [])
    })
  }
})

describe('restarts in the handshake', () => {
  it('lose nothing, whoever restarts after each step', async () => {
    await using world = new World()
    const router = await world.router()
    const a = await world.agent('a', router.address, { config: { senderSecures: false } })
    const b = await world.agent('b', router.address, { config: { senderSecures: false } })
    const { connId: connA, link } = await a.api.createConnection({ mode: 'invitation' })
    await a.restart()
    const { connId: connB } = await b.api.joinConnection({ link, info: bytes('B') })
    await b.restart()
    await a.expect('CONF', { connId: connA })
    await a.restart()
    const conf = await a.expect('CONF', { connId: connA })
    assert.equal((await a.api.listConnections())[0]?.state, 'confirmed')
    await a.api.allowConnection(connA, conf.confId, bytes('A'))
    await a.restart()
    await b.restart()
    await b.expect('INFO', { connId: connB })
    await b.restart()
    await a.restart()
    await Promise.all([a.expect('CON', { connId: connA }), b.expect('CON', { connId: connB })])
    await deliver({ agent: b, connId: connB }, { agent: a, connId: connA }, 'hello', true)
    assert.equal((await a.api.listConnections())[0]?.state, 'connected')
    assert.equal((await b.api.listConnections())[0]?.state, 'connected')
    await a.restart()
    await b.restart()
    assert.ok(!a.has('CONF'))
  })

  it('go on with a join when the agent was closed in the middle of it', async () => {
    await using world = new World()
    const router = await world.router()
    const routerB = await world.router({ dataDir: `${world.dir}/router-b` })
    const a = await world.agent('a', router.address)
    const b = await world.agent('b', routerB.address)
    const { connId: connA, link } = await a.api.createConnection({ mode: 'invitation' })
    const { address } = routerB
    await routerB.stop()
    await assert.rejects(b.api.joinConnection({ link, info: bytes('B') }), /BROKER/)
    assert.deepEqual(
      (await b.api.listConnections()).map(({ state }) => state),
      ['joining'],
    )
    await b.restart()
    await routerB.start()
    assert.equal(routerB.address, address)
    const connB = await untilJoined(b, link)
    const conf = await a.expect('CONF', { connId: connA })
    await a.api.allowConnection(connA, conf.confId, bytes('A'))
    await Promise.all([a.expect('CON'), b.expect('CON', { connId: connB })])
  })
})
