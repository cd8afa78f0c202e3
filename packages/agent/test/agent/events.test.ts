import assert from 'node:assert/strict'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { Agent, type AgentEvent } from '@parley/agent'
import { bytes, connect, FAST, text, World } from './fixture.ts'

describe('events', () => {
  it('that were not taken before the end come again', async () => {
    await using world = new World()
    const router = await world.router()
    const a = await world.agent('a', router.address)
    const store = join(world.dir, 'silent.db')
    const options = { store, servers: [router.address], config: FAST }
    const { connId: connA, link } = await a.api.createConnection({ mode: 'invitation' })
    const silent = await Agent.open(options)
    const { connId: connB } = await silent.joinConnection({ link, info: bytes('B') })
    const conf = await a.expect('CONF')
    await a.api.allowConnection(connA, conf.confId, bytes('A'))
    await a.expect('CON')
    // A's message is delivered after its confirmation: nobody takes the events in between.
    await a.api.sendMessage(connA, bytes('hello'))
    await a.expect('SENT')
    while ((await silent.listConnections())[0]?.state !== 'connected') await new Promise((done) => setImmediate(done))
    await silent.close()
    const again = await Agent.open(options)
    world.add(again)
    await again.subscribeConnections()
    const taken: AgentEvent[] = []
    for await (const event of again.events()) {
      if (event.event === 'CONNECT' || event.event === 'UP') continue
      taken.push(event)
      if (event.event === 'MSG') {
        await again.ackMessage(connB, event.msgId)
        break
      }
    }
    assert.deepEqual(
      taken.map(({ event }) => event),
      ['INFO', 'CON', 'MSG'],
    )
    await again.close()
    const third = await Agent.open(options)
    world.add(third)
    const seen: string[] = []
    const done = (async () => {
      for await (const { event } of third.events()) seen.push(event)
    })()
    await third.subscribeConnections()
    await third.close()
    await done
    assert.ok(!seen.includes('INFO') && !seen.includes('CON') && !seen.includes('MSG'), seen.join())
  })

  it('wait for a slow application, none is lost', async () => {
    await using world = new World()
    const router = await world.router()
    const a = await world.agent('a', router.address)
    const config = { ...FAST, eventQueueSize: 2, messageQueueSize: 1, receiveConcurrency: 2 }
    const b = await world.agent('b', router.address, { config })
    const count = 12
    const connections = []
    for (let i = 0; i < count; i++) connections.push(await connect(a, b, { pqA: false, pqB: false }))
    await b.close()
    await a.api.sendMessages(connections.map(({ connA }, i) => ({ connId: connA, body: bytes(`message ${i}`) })))
    for (let i = 0; i < count; i++) await a.expect('SENT')
    const slow = await Agent.open({ store: b.path, servers: b.servers, config })
    world.add(slow)
    await slow.subscribeConnections()
    const received = new Set<string>()
    for await (const event of slow.events()) {
      if (event.event !== 'MSG') continue
      assert.ok(!received.has(text(event.body)))
      received.add(text(event.body))
      // A call that needs an answer of the router works while events wait.
      await slow.ackMessage(event.connId, event.msgId)
      if (received.size === count) break
    }
    assert.equal(received.size, count)
  })

  it('go to every handler and reader', async () => {
    await using world = new World()
    const { a, b, connA, connB } = await world.pair()
    const handled: string[] = []
    const { promise, resolve } = Promise.withResolvers<void>()
    const stop = b.api.on('MSG', async (event) => {
      handled.push(text(event.body))
      await b.api.ackMessage(connB, event.msgId)
      if (handled.length === 2) resolve()
      if (handled.length === 1) throw new Error('a handler that fails does not stop the others')
    })
    await a.api.sendMessage(connA, bytes('one'))
    await a.api.sendMessage(connA, bytes('two'))
    await promise
    assert.deepEqual(handled, ['one', 'two'])
    assert.equal(text((await b.expect('MSG')).body), 'one')
    assert.equal(text((await b.expect('MSG')).body), 'two')
    stop()
    await a.api.sendMessage(connA, bytes('three'))
    assert.equal(text((await b.expect('MSG')).body), 'three')
    assert.equal(handled.length, 2)
  })

  it('tell that another client has taken the subscription', async () => {
    await using world = new World()
    const router = await world.router()
    const a = await world.agent('a', router.address)
    const { connId } = await a.api.createConnection({ mode: 'invitation' })
    await a.close()
    const copy = join(world.dir, 'copy.db')
    cpSync(a.path, copy)
    await a.open()
    await a.api.subscribeConnections()
    const other = await Agent.open({ store: copy, servers: [router.address], config: FAST })
    world.add(other)
    await other.subscribeConnections()
    await a.expect('END', { connId }, 30_000)
    const [queue] = (await a.api.getConnectionServers(connId)).rcvQueues
    assert.equal(queue?.subscription, 'removed')
  })
})

describe('opening an agent', () => {
  it('fails with what is wrong', async () => {
    await using world = new World()
    const router = await world.router()
    const a = await world.agent('a', router.address, { passphrase: 'right' })
    const open = (options: Partial<Parameters<typeof Agent.open>[0]>) =>
      Agent.open({ store: a.path, servers: [router.address], passphrase: 'right', ...options })
    await assert.rejects(open({}), { name: 'StoreError', code: 'LOCKED' })
    await a.close()
    await assert.rejects(open({ passphrase: 'wrong' }), { name: 'StoreError', code: 'PASSPHRASE' })
    await assert.rejects(open({ passphrase: undefined }), { name: 'StoreError', code: 'PASSPHRASE' })
    await assert.rejects(open({ servers: [] }), /CMD SYNTAX/)
    await assert.rejects(open({ servers: ['https://example.com'] }), /CMD SYNTAX/)
    await assert.rejects(open({ store: join(world.dir, 'no', 'folder') }), { name: 'StoreError', code: 'IO' })
    await using agent = await open({})
    assert.deepEqual(await agent.listConnections(), [])
  })
})
