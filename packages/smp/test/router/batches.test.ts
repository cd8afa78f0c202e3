import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { toHex } from '@parley/core/encoding'
import type { Received } from './raw-client.ts'
import { cmdErr, err, newQueue, OK, open, RouterFixture, SOK, send, type TestQueue, textOf } from './router-fixture.ts'

function subscriptions(queues: readonly TestQueue[]) {
  return queues.map(({ rcvId, rcvKey }) => ({ command: { type: 'SUB' } as const, entityId: rcvId, key: rcvKey }))
}

describe('batches', () => {
  it('are answered in the order of their commands, refused ones too', async (t) => {
    const fixture = await RouterFixture.start(t)
    const client = await fixture.connect()
    const queue = await newQueue(client, { subscribe: false })
    const { rcvId, sndId, rcvKey } = queue
    const ping = { command: { type: 'PING' } as const }
    const answers = await client.exchange([
      ping,
      { command: send('one'), entityId: sndId },
      { ...ping, raw: 'NONSENSE' },
      { command: { type: 'SUB' }, entityId: rcvId, key: rcvKey },
      { command: { type: 'SUB' }, entityId: sndId, key: rcvKey },
      ping,
    ])
    assert.deepEqual(
      answers.map((answer) => (answer.ok ? answer.message : { type: 'ERR', error: answer.error })),
      [{ type: 'PONG' }, OK, cmdErr('UNKNOWN'), SOK, err('AUTH'), { type: 'PONG' }],
    )
    assert.deepEqual(
      answers.map(({ entityId }) => toHex(entityId)),
      ['', toHex(sndId), '', toHex(rcvId), toHex(sndId), ''],
    )
    assert.deepEqual(
      client.blocks.find((block) => block.includes('SOK'))?.slice(0, 6),
      ['PONG', 'OK', 'CMD', 'SOK', 'AUTH', 'PONG'].map((type) => (type === 'CMD' || type === 'AUTH' ? 'ERR' : type)),
    )
    assert.equal(textOf(queue, await client.event()), 'one')
  })

  it('hold up to 255 commands', async (t) => {
    const fixture = await RouterFixture.start(t)
    const client = await fixture.connect()
    const answers = await client.askAll(Array(255).fill({ command: { type: 'PING' } }))
    assert.deepEqual(answers, Array(255).fill({ type: 'PONG' }))
  })

  it('of small messages keep their order', async (t) => {
    const fixture = await RouterFixture.start(t)
    const bob = await fixture.connect()
    const queue = await newQueue(bob)
    const texts = Array.from({ length: 100 }, (_, index) => `${index}`)
    const answers = await bob.askAll(texts.map((text) => ({ command: send(text), entityId: queue.sndId })))
    assert.deepEqual(
      answers,
      texts.map(() => OK),
    )
    const received: string[] = []
    for (let message: Received | undefined = await bob.event(); message; ) {
      received.push(textOf(queue, message))
      const command = { type: 'ACK', msgId: open(queue, message).msgId } as const
      const [next]: Received[] = await bob.exchange([{ command, entityId: queue.rcvId, key: queue.rcvKey }])
      message = next?.ok && next.message.type === 'MSG' ? next : undefined
    }
    assert.deepEqual(received, texts)
  })

  it('of few subscriptions bring the first message in the block of the answers, the others one a block', async (t) => {
    const fixture = await RouterFixture.start(t)
    const maker = await fixture.connect()
    const queues: TestQueue[] = []
    for (let index = 0; index < 3; index++) {
      const queue = await newQueue(maker, { subscribe: false })
      await maker.ask(send(`to ${index}`), queue.sndId)
      queues.push(queue)
    }
    await fixture.restart()
    const client = await fixture.connect()
    assert.deepEqual(await client.askAll(subscriptions(queues)), [SOK, SOK, SOK])
    const events = [await client.event(), await client.event(), await client.event()]
    assert.deepEqual(
      client.blocks.map((block) => block.join()),
      ['SOK,SOK,SOK,MSG', 'MSG', 'MSG'],
    )
    assert.deepEqual(
      events.map((event, index) => textOf(queues[index] as TestQueue, event)),
      ['to 0', 'to 1', 'to 2'],
    )
  })

  it('of many subscriptions are answered at once and bring every message', async (t) => {
    const fixture = await RouterFixture.start(t)
    const maker = await fixture.connect()
    const queues: TestQueue[] = []
    for (let index = 0; index < 100; index++) queues.push(await newQueue(maker, { subscribe: false }))
    const withMessages = queues.filter((_, index) => index % 3 === 0)
    await maker.askAll(withMessages.map(({ sndId }) => ({ command: send('hello'), entityId: sndId })))
    await fixture.restart()
    const client = await fixture.connect()
    assert.deepEqual(await client.askAll(subscriptions(queues)), Array(queues.length).fill(SOK))
    const pending = new Map(withMessages.map((queue) => [toHex(queue.rcvId), queue]))
    while (pending.size > 0) {
      const event = await client.event()
      const queue = pending.get(toHex(event.entityId))
      assert.ok(queue)
      assert.equal(textOf(queue, event), 'hello')
      pending.delete(toHex(event.entityId))
    }
  })

  it('never miss a message that is sent right after SUB or NEW', async (t) => {
    const fixture = await RouterFixture.start(t)
    const alice = await fixture.connect()
    for (let round = 0; round < 60; round++) {
      const bob = round % 10 === 0 ? await fixture.connect() : undefined
      const client = bob ?? alice
      const queue = await newQueue(client, { subscribe: round % 2 === 0 })
      const sending = alice.ask(send(`round ${round}`), queue.sndId)
      if (round % 2 === 1) assert.deepEqual(await client.ask({ type: 'SUB' }, queue.rcvId, queue.rcvKey), SOK)
      assert.deepEqual(await sending, OK)
      assert.equal(textOf(queue, await client.event()), `round ${round}`)
    }
  })

  it('of SEND race with ACK without losing or doubling anything', async (t) => {
    const fixture = await RouterFixture.start(t)
    const bob = await fixture.connect()
    const alice = await fixture.connect()
    const queue = await newQueue(bob)
    const total = 300
    const sending = (async () => {
      for (let index = 0; index < total; ) {
        const answer = await alice.ask(send(`${index}`), queue.sndId)
        if (answer.type === 'OK') index++
      }
    })()
    const received: string[] = []
    while (received.length < total) {
      for (let message: Received | undefined = await bob.event(); message; ) {
        if (textOf(queue, message) !== 'QUOTA') received.push(textOf(queue, message))
        const command = { type: 'ACK', msgId: open(queue, message).msgId } as const
        const [next]: Received[] = await bob.exchange([{ command, entityId: queue.rcvId, key: queue.rcvKey }])
        message = next?.ok && next.message.type === 'MSG' ? next : undefined
      }
    }
    await sending
    assert.deepEqual(
      received,
      Array.from({ length: total }, (_, index) => `${index}`),
    )
  })
})
