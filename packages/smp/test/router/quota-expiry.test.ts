import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { RouterEvent } from '../../src/router/index.ts'
import type { RawClient } from './raw-client.ts'
import { within } from './raw-client.ts'
import { err, newQueue, OK, open, RouterFixture, SOK, send, type TestQueue, textOf } from './router-fixture.ts'

const DAY = 86_400_000

function ack(client: RawClient, queue: TestQueue, msgId: Uint8Array) {
  return client.ask({ type: 'ACK', msgId }, queue.rcvId, queue.rcvKey)
}

async function acknowledgeAll(
  client: RawClient,
  queue: TestQueue,
  first: Parameters<typeof open>[1],
): Promise<string[]> {
  const texts: string[] = []
  for (let message = first; ; ) {
    texts.push(textOf(queue, message))
    const next = await ack(client, queue, open(queue, message).msgId)
    if (next.type !== 'MSG') {
      assert.deepEqual(next, OK)
      return texts
    }
    message = next
  }
}

describe('quota', () => {
  it('ends with a marker and QUOTA until the queue is empty', async (t) => {
    const fixture = await RouterFixture.start(t, { queueQuota: 3 })
    const bob = await fixture.connect()
    const alice = await fixture.connect()
    const queue = await newQueue(bob)
    for (const text of ['1', '2', '3']) assert.deepEqual(await alice.ask(send(text), queue.sndId), OK)
    for (const text of ['4', '5']) assert.deepEqual(await alice.ask(send(text), queue.sndId), err('QUOTA'))
    const first = open(queue, await bob.event())
    const second = await ack(bob, queue, first.msgId)
    assert.deepEqual(await alice.ask(send('6'), queue.sndId), err('QUOTA'), 'not yet empty')
    const third = await ack(bob, queue, open(queue, second).msgId)
    const marker = await ack(bob, queue, open(queue, third).msgId)
    assert.deepEqual(
      [second, third, marker].map((one) => textOf(queue, one)),
      ['2', '3', 'QUOTA'],
    )
    assert.deepEqual(await alice.ask(send('7'), queue.sndId), err('QUOTA'), 'the marker counts')
    assert.deepEqual(await ack(bob, queue, open(queue, marker).msgId), OK)
    assert.deepEqual(await alice.ask(send('8'), queue.sndId), OK)
    assert.equal(textOf(queue, await bob.event()), '8')
  })

  it('outlives a restart', async (t) => {
    const fixture = await RouterFixture.start(t, { queueQuota: 2 })
    const client = await fixture.connect()
    const queue = await newQueue(client, { subscribe: false })
    for (const text of ['1', '2']) await client.ask(send(text), queue.sndId)
    assert.deepEqual(await client.ask(send('3'), queue.sndId), err('QUOTA'))
    await fixture.restart()
    const later = await fixture.connect()
    assert.deepEqual(await later.ask(send('4'), queue.sndId), err('QUOTA'))
    assert.deepEqual(await later.ask({ type: 'SUB' }, queue.rcvId, queue.rcvKey), SOK)
    assert.deepEqual(await acknowledgeAll(later, queue, await later.event()), ['1', '2', 'QUOTA'])
    assert.deepEqual(await later.ask(send('5'), queue.sndId), OK)
  })

  it('is 128 messages', async (t) => {
    const fixture = await RouterFixture.start(t)
    const client = await fixture.connect()
    const queue = await newQueue(client, { subscribe: false })
    const texts = Array.from({ length: 130 }, (_, index) => `${index}`)
    const answers = await client.askAll(texts.map((text) => ({ command: send(text), entityId: queue.sndId })))
    assert.deepEqual(answers, [...Array(128).fill(OK), err('QUOTA'), err('QUOTA')])
    await client.ask({ type: 'SUB' }, queue.rcvId, queue.rcvKey)
    assert.deepEqual(await acknowledgeAll(client, queue, await client.event()), [...texts.slice(0, 128), 'QUOTA'])
  })
})

describe('expiry', () => {
  it('removes old messages on SEND', async (t) => {
    let now = Date.UTC(2024, 0, 1)
    const fixture = await RouterFixture.start(t, { now: () => now })
    const client = await fixture.connect()
    const queue = await newQueue(client, { subscribe: false })
    await client.ask(send('old'), queue.sndId)
    now += 11 * DAY
    await client.ask(send('middle'), queue.sndId)
    now += 11 * DAY
    await client.ask(send('new'), queue.sndId)
    await client.ask({ type: 'SUB' }, queue.rcvId, queue.rcvKey)
    assert.deepEqual(await acknowledgeAll(client, queue, await client.event()), ['middle', 'new'])
  })

  it('removes them at the start and at intervals, but no quota marker', async (t) => {
    let now = Date.UTC(2024, 0, 1)
    const expired: { expect?: PromiseWithResolvers<number> } = {}
    const log = (event: RouterEvent) => {
      if (event.event === 'expired') expired.expect?.resolve(event.messages)
    }
    const options = { now: () => now, queueQuota: 1, expireOnSend: false, log }
    const fixture = await RouterFixture.start(t, options)
    const client = await fixture.connect()
    const queue = await newQueue(client, { subscribe: false })
    assert.deepEqual(await client.ask(send('old'), queue.sndId), OK)
    assert.deepEqual(await client.ask(send('too much'), queue.sndId), err('QUOTA'))
    now += 22 * DAY
    expired.expect = Promise.withResolvers()
    await fixture.restart({ expiryInterval: 0.02 })
    assert.equal(await within(expired.expect.promise, 'nothing expired at the start'), 1)

    const later = await fixture.connect()
    await later.ask({ type: 'SUB' }, queue.rcvId, queue.rcvKey)
    assert.deepEqual(await acknowledgeAll(later, queue, await later.event()), ['QUOTA'])
    const other = await newQueue(later, { subscribe: false })
    await later.ask(send('old'), other.sndId)
    expired.expect = Promise.withResolvers()
    now += 22 * DAY
    assert.equal(await within(expired.expect.promise, 'nothing expired at the interval'), 1)
    assert.deepEqual(await later.ask({ type: 'QUE' }, other.rcvId, other.rcvKey), {
      type: 'INFO',
      info: { qiSnd: false, qiNtf: false, qiSize: 0 },
    })
    assert.deepEqual(await later.ask(send('new'), other.sndId), OK)
    await later.ask({ type: 'SUB' }, other.rcvId, other.rcvKey)
    assert.equal(textOf(other, await later.event()), 'new')
  })

  it('leaves a delivered message that has expired to its acknowledgement', async (t) => {
    let now = Date.UTC(2024, 0, 1)
    const fixture = await RouterFixture.start(t, { now: () => now })
    const client = await fixture.connect()
    const queue = await newQueue(client)
    await client.ask(send('old'), queue.sndId)
    const old = open(queue, await client.event())
    now += 22 * DAY
    await client.ask(send('new'), queue.sndId)
    assert.equal(client.events.size, 0)
    assert.equal(textOf(queue, await ack(client, queue, old.msgId)), 'new')
  })

  it('disconnects clients that are silent and have no subscriptions', async (t) => {
    let now = Date.UTC(2024, 0, 1)
    const fixture = await RouterFixture.start(t, { now: () => now, inactiveCheckInterval: 0.02 })
    const silent = await fixture.connect()
    const subscribed = await fixture.connect()
    const queue = await newQueue(subscribed)
    const getter = await fixture.connect()
    await getter.ask({ type: 'GET' }, queue.rcvId, queue.rcvKey)
    now += 5 * 3_600_000
    await silent.ask({ type: 'PING' })
    now += 2 * 3_600_000
    await getter.ended()
    await silent.ask({ type: 'PING' })
    now += 7 * 3_600_000
    await silent.ended()
    assert.deepEqual(await subscribed.ask({ type: 'PING' }), { type: 'PONG' })
  })
})
