import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { toHex } from '@parley/core/encoding'
import type { RouterEvent } from '../../src/router/index.ts'
import { newQueue, RouterFixture, send } from './router-fixture.ts'

describe('inspection', () => {
  it('shows what the router knows, and no secrets', async (t) => {
    const now = Date.UTC(2024, 5, 1)
    const fixture = await RouterFixture.start(t, { now: () => now })
    const bob = await fixture.connect({ version: 17 })
    const alice = await fixture.connect()
    const queue = await newQueue(bob, { queueRequest: { mode: 'messaging' } })
    const idle = await newQueue(bob, { subscribe: false })
    await alice.ask(send('hello'), queue.sndId)
    await alice.ask({ type: 'SKEY', sndAuthKey: queue.rcvKey.publicKey }, queue.sndId, queue.rcvKey)
    const seen = await fixture.router.inspect()
    assert.deepEqual(seen.totals, { queues: 2, messages: 1, connections: 2 })
    assert.deepEqual(
      seen.connections.map(({ remoteAddress, version, connectedAt, subscriptions }) => {
        return [remoteAddress, version, connectedAt, subscriptions]
      }),
      [
        ['127.0.0.1', 17, now, 1],
        ['127.0.0.1', 18, now, 0],
      ],
    )
    const [first, second] = seen.queues
    assert.ok(first && second)
    assert.deepEqual([first.rcvId, first.sndId].map(toHex), [queue.rcvId, queue.sndId].map(toHex))
    assert.equal(toHex(second.rcvId), toHex(idle.rcvId))
    assert.deepEqual([first.subscriber, second.subscriber], ['127.0.0.1', undefined])
    assert.deepEqual([first.mode, first.status, second.mode], ['messaging', 'active', undefined])
    assert.ok(first.sndKey?.equals(queue.rcvKey.publicKey) && first.rcvKeys[0]?.equals(queue.rcvKey.publicKey))
    assert.deepEqual(
      first.messages.map(({ timestamp, size }) => [timestamp, size]),
      [[now / 1000, 5]],
    )
    assert.ok(!JSON.stringify(seen).includes('rcvDhSecret'))
  })

  it('tells an observer what blocks say, whatever they are sealed with', async (t) => {
    for (const version of [10, 18]) {
      const seen: { connection: number; direction: string; content: Buffer }[] = []
      const fixture = await RouterFixture.start(t, {
        observe: ({ content, ...rest }) => void seen.push({ ...rest, content: Buffer.from(content) }),
      })
      const bob = await fixture.connect({ version })
      const alice = await fixture.connect({ version })
      const queue = await newQueue(bob, { subscribe: false })
      await alice.ask(send('hello to the router'), queue.sndId)
      const of = (connection: number, direction: string) =>
        Buffer.concat(
          seen
            .filter((one) => one.connection === connection && one.direction === direction)
            .map(({ content }) => content),
        )
      assert.ok(of(1, 'in').includes('NEW ') && of(1, 'out').includes('IDS '))
      assert.ok(of(2, 'in').includes('hello to the router') && of(2, 'out').includes('OK'))
      assert.ok(!of(1, 'in').includes('hello to the router'))
    }
  })

  it('logs what happens without ids', async (t) => {
    const events: RouterEvent[] = []
    const fixture = await RouterFixture.start(t, { log: (event) => events.push(event) })
    const client = await fixture.connect()
    const queue = await newQueue(client)
    await client.ask(send('hello'), queue.sndId)
    await fixture.disconnectAll()
    await fixture.router.close()
    assert.deepEqual(
      events.map(({ event }) => event),
      ['started', 'connected', 'disconnected', 'closed'],
    )
  })

  it('closes twice, and while clients are connected', async (t) => {
    const fixture = await RouterFixture.start(t)
    const client = await fixture.connect()
    await Promise.all([fixture.router.close(), fixture.router.close()])
    await client.ended()
  })

  it('refuses connections above its limit', async (t) => {
    const fixture = await RouterFixture.start(t, { maxConnections: 2 })
    const first = await fixture.connect()
    await fixture.connect()
    await assert.rejects(fixture.connect())
    assert.deepEqual(await first.ask({ type: 'PING' }), { type: 'PONG' })
  })
})
