import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PrivateKey } from '@parley/core/crypto'
import { cmdErr, err, newQueue, OK, open, RouterFixture, SOK, send, textOf } from './router-fixture.ts'

describe('delivery', () => {
  it('creates a queue, secures it, delivers one message at a time', async (t) => {
    const fixture = await RouterFixture.start(t)
    const bob = await fixture.connect()
    const alice = await fixture.connect()
    const queue = await newQueue(bob)
    const { rcvId, sndId, rcvKey } = queue

    assert.deepEqual(await alice.ask(send('hello'), sndId), OK)
    const first = await bob.event()
    assert.deepEqual(first.entityId, rcvId)
    const opened = open(queue, first)
    assert.equal(opened.type === 'message' && Buffer.from(opened.body).toString(), 'hello')
    assert.ok(opened.timestamp >= Date.now() / 1000 - 60 && opened.timestamp <= Date.now() / 1000)

    const sndKey = PrivateKey.generate('ed25519')
    const key = { type: 'KEY', sndAuthKey: sndKey.publicKey } as const
    assert.deepEqual(await bob.ask(key, rcvId, PrivateKey.generate('ed25519')), err('AUTH'))
    assert.deepEqual(await bob.ask(key, sndId, rcvKey), err('AUTH'))
    assert.deepEqual(await bob.ask(key, rcvId, rcvKey), OK)
    assert.deepEqual(await bob.ask(key, rcvId, rcvKey), OK, 'the same key again')
    const other = { type: 'KEY', sndAuthKey: PrivateKey.generate('ed25519').publicKey } as const
    assert.deepEqual(await bob.ask(other, rcvId, rcvKey), err('AUTH'))

    assert.deepEqual(await bob.ask({ type: 'ACK', msgId: opened.msgId }, rcvId, rcvKey), OK)
    assert.deepEqual(await bob.ask({ type: 'ACK', msgId: opened.msgId }, rcvId, rcvKey), err('NO_MSG'))

    assert.deepEqual(await alice.ask(send('unsigned'), sndId), err('AUTH'))
    assert.deepEqual(await alice.ask(send('wrong'), sndId, PrivateKey.generate('ed25519')), err('AUTH'))
    assert.deepEqual(await alice.ask(send('two'), sndId, sndKey), OK)
    assert.deepEqual(await alice.ask(send('three'), sndId, sndKey), OK)
    const second = await bob.event()
    assert.equal(textOf(queue, second), 'two')
    assert.equal(bob.events.size, 0, 'the next message waits for the acknowledgement')
    const wrongId = { type: 'ACK', msgId: new Uint8Array(24) } as const
    assert.deepEqual(await bob.ask(wrongId, rcvId, rcvKey), err('NO_MSG'))
    const third = await bob.ask({ type: 'ACK', msgId: open(queue, second).msgId }, rcvId, rcvKey)
    assert.equal(textOf(queue, third), 'three')
    assert.deepEqual(await bob.ask({ type: 'ACK', msgId: open(queue, third).msgId }, rcvId, rcvKey), OK)
  })

  it('repeats the message on SUB until it is acknowledged', async (t) => {
    const fixture = await RouterFixture.start(t)
    const bob = await fixture.connect()
    const queue = await newQueue(bob)
    await bob.ask(send('one'), queue.sndId)
    const { msgId } = open(queue, await bob.event())
    assert.deepEqual(await bob.ask({ type: 'SUB' }, queue.rcvId, queue.rcvKey), SOK)
    assert.deepEqual(open(queue, await bob.event()).msgId, msgId)
    const again = await bob.ask({ type: 'ACK', msgId: new Uint8Array() }, queue.rcvId, queue.rcvKey)
    assert.deepEqual(open(queue, again).msgId, msgId, 'an empty id deletes nothing')
    assert.deepEqual(await bob.ask({ type: 'ACK', msgId }, queue.rcvId, queue.rcvKey), OK)
  })

  it('keeps GET and SUB of one queue apart in a connection', async (t) => {
    const fixture = await RouterFixture.start(t)
    const bob = await fixture.connect()
    const getter = await fixture.connect()
    const queue = await newQueue(bob)
    const { rcvId, sndId, rcvKey } = queue
    assert.deepEqual(await getter.ask({ type: 'GET' }, rcvId, rcvKey), OK)
    assert.deepEqual(await bob.ask({ type: 'GET' }, rcvId, rcvKey), cmdErr('PROHIBITED'))
    assert.deepEqual(await getter.ask({ type: 'SUB' }, rcvId, rcvKey), cmdErr('PROHIBITED'))

    await bob.ask(send('one'), sndId)
    await bob.ask(send('two'), sndId)
    const pushed = open(queue, await bob.event())
    const got = open(queue, await getter.ask({ type: 'GET' }, rcvId, rcvKey))
    assert.deepEqual(got, pushed)
    const ack = { type: 'ACK', msgId: pushed.msgId } as const
    const next = open(queue, await bob.ask(ack, rcvId, rcvKey))
    assert.deepEqual(await getter.ask(ack, rcvId, rcvKey), OK, 'deletes nothing')
    assert.deepEqual(await getter.ask(ack, rcvId, rcvKey), err('NO_MSG'))
    assert.deepEqual(open(queue, await getter.ask({ type: 'GET' }, rcvId, rcvKey)).msgId, next.msgId)
    assert.deepEqual(await getter.ask({ type: 'ACK', msgId: next.msgId }, rcvId, rcvKey), OK)
    assert.deepEqual(await getter.ask({ type: 'GET' }, rcvId, rcvKey), OK, 'no message is left')
    assert.deepEqual(await bob.ask({ type: 'ACK', msgId: next.msgId }, rcvId, rcvKey), OK)
  })

  it('moves the subscription to the connection that asked last', async (t) => {
    const fixture = await RouterFixture.start(t)
    const first = await fixture.connect()
    const second = await fixture.connect()
    const queue = await newQueue(first)
    const { rcvId, sndId, rcvKey } = queue
    await second.ask(send('one'), sndId)
    const delivered = open(queue, await first.event())
    assert.deepEqual(await second.ask({ type: 'SUB' }, rcvId, rcvKey), SOK)
    const end = await first.event()
    assert.ok(end.ok)
    assert.deepEqual([end.message.type, end.entityId], ['END', rcvId])
    assert.deepEqual(open(queue, await second.event()).msgId, delivered.msgId)
    const ack = { type: 'ACK', msgId: delivered.msgId } as const
    assert.deepEqual(await first.ask(ack, rcvId, rcvKey), err('NO_MSG'))
    assert.deepEqual(await second.ask(ack, rcvId, rcvKey), OK)
    await second.ask(send('two'), sndId)
    assert.equal(textOf(queue, await second.event()), 'two')
    assert.equal(first.events.size, 0)
  })
})
