import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PrivateKey } from '@parley/core/crypto'
import { toHex } from '@parley/core/encoding'
import type { AuthPrivateKey } from '../../src/protocol/index.ts'
import { cmdErr, err, newQueue, newQueueCommand, OK, open, RouterFixture, SOK, send, textOf } from './router-fixture.ts'

const ALGORITHMS = ['ed25519', 'ed448', 'x25519'] as const

describe('queues', () => {
  for (const algorithm of ALGORITHMS) {
    it(`are used with keys of ${algorithm}`, async (t) => {
      const fixture = await RouterFixture.start(t)
      const client = await fixture.connect()
      const queue = await newQueue(client, { algorithm })
      const sndKey: AuthPrivateKey = PrivateKey.generate(algorithm)
      const key = { type: 'KEY', sndAuthKey: sndKey.publicKey } as const
      assert.deepEqual(await client.ask(key, queue.rcvId, queue.rcvKey), OK)
      assert.deepEqual(await client.ask(send('hello'), queue.sndId, sndKey), OK)
      assert.equal(textOf(queue, await client.event()), 'hello')
      for (const other of ALGORITHMS) {
        assert.deepEqual(await client.ask(send('no'), queue.sndId, PrivateKey.generate(other)), err('AUTH'))
        assert.deepEqual(await client.ask({ type: 'QUE' }, queue.rcvId, PrivateKey.generate(other)), err('AUTH'))
      }
    })
  }

  it('have random ids that do not open each other', async (t) => {
    const fixture = await RouterFixture.start(t)
    const client = await fixture.connect()
    const queue = await newQueue(client)
    const { rcvId, sndId, rcvKey } = queue
    assert.deepEqual([rcvId.length, sndId.length], [24, 24])
    assert.deepEqual(await client.ask({ type: 'SUB' }, sndId, rcvKey), err('AUTH'))
    assert.deepEqual(await client.ask(send('x'), rcvId), err('AUTH'))
    assert.deepEqual(await client.ask({ type: 'SUB' }, new Uint8Array(24), rcvKey), err('AUTH'))
    assert.deepEqual(await client.ask({ type: 'SUB' }, new Uint8Array(255), rcvKey), err('AUTH'))
    const { command } = newQueueCommand()
    assert.deepEqual(await client.ask(command, undefined, rcvKey), err('AUTH'), 'NEW signed with another key')
  })

  it('of mode M are secured by their sender, once', async (t) => {
    const fixture = await RouterFixture.start(t)
    const bob = await fixture.connect()
    const alice = await fixture.connect()
    const queue = await newQueue(bob, { queueRequest: { mode: 'messaging' } })
    const { sndId } = queue
    const sndKey = PrivateKey.generate('ed25519')
    const skey = { type: 'SKEY', sndAuthKey: sndKey.publicKey } as const
    assert.deepEqual(await alice.ask(skey, sndId, PrivateKey.generate('ed25519')), err('AUTH'), 'another signature')
    assert.deepEqual(await alice.ask(skey, queue.rcvId, sndKey), err('AUTH'))
    assert.deepEqual(await alice.ask(skey, sndId, sndKey), OK)
    assert.deepEqual(await alice.ask(skey, sndId, sndKey), OK, 'again')
    const other = PrivateKey.generate('ed25519')
    assert.deepEqual(await alice.ask({ type: 'SKEY', sndAuthKey: other.publicKey }, sndId, other), err('AUTH'))
    const key = { type: 'KEY', sndAuthKey: other.publicKey } as const
    assert.deepEqual(await bob.ask(key, queue.rcvId, queue.rcvKey), err('AUTH'))
    assert.deepEqual(await alice.ask(send('unsigned'), sndId), err('AUTH'))
    assert.deepEqual(await alice.ask(send('signed'), sndId, sndKey), OK)
    assert.equal(textOf(queue, await bob.event()), 'signed')
  })

  it('of other modes are not secured by their sender', async (t) => {
    const fixture = await RouterFixture.start(t)
    const client = await fixture.connect()
    const legacy = await fixture.connect({ version: 8 })
    const sndKey = PrivateKey.generate('ed25519')
    const skey = { type: 'SKEY', sndAuthKey: sndKey.publicKey } as const
    for (const queue of [await newQueue(client, { queueRequest: { mode: 'contact' } }), await newQueue(legacy)]) {
      assert.deepEqual(await client.ask(skey, queue.sndId, sndKey), err('AUTH'))
    }
  })

  it('of mode C take a list of recipient keys', async (t) => {
    const fixture = await RouterFixture.start(t)
    const client = await fixture.connect()
    const contact = await newQueue(client, { queueRequest: { mode: 'contact' } })
    const keys = ALGORITHMS.map((algorithm): AuthPrivateKey => PrivateKey.generate(algorithm))
    const [first, ...rest] = keys.map((key) => key.publicKey)
    assert.ok(first)
    const rkey = { type: 'RKEY', rcvAuthKeys: [first, ...rest] } as const
    assert.deepEqual(await client.ask(rkey, contact.rcvId, contact.rcvKey), OK)
    assert.deepEqual(await client.ask({ type: 'SUB' }, contact.rcvId, contact.rcvKey), err('AUTH'), 'replaced')
    for (const key of keys) assert.deepEqual(await client.ask({ type: 'SUB' }, contact.rcvId, key), SOK)
    await fixture.restart()
    const later = await fixture.connect()
    for (const key of keys) assert.deepEqual(await later.ask({ type: 'SUB' }, contact.rcvId, key), SOK)
    const messaging = await newQueue(later, { queueRequest: { mode: 'messaging' } })
    assert.deepEqual(await later.ask(rkey, messaging.rcvId, messaging.rcvKey), err('AUTH'))
  })

  it('take no more messages after OFF, and give out those they have', async (t) => {
    const fixture = await RouterFixture.start(t)
    const client = await fixture.connect()
    const queue = await newQueue(client)
    const { rcvId, sndId, rcvKey } = queue
    await client.ask(send('one'), sndId)
    await client.ask(send('two'), sndId)
    assert.deepEqual(await client.ask({ type: 'OFF' }, rcvId, PrivateKey.generate('ed25519')), err('AUTH'))
    assert.deepEqual(await client.ask({ type: 'OFF' }, rcvId, rcvKey), OK)
    assert.deepEqual(await client.ask({ type: 'OFF' }, rcvId, rcvKey), OK)
    assert.deepEqual(await client.ask(send('three'), sndId), err('AUTH'))
    await fixture.restart()
    const later = await fixture.connect()
    assert.deepEqual(await later.ask(send('four'), sndId), err('AUTH'), 'for ever')
    assert.deepEqual(await later.ask({ type: 'SUB' }, rcvId, rcvKey), SOK)
    const one = open(queue, await later.event())
    assert.equal(textOf(queue, await later.ask({ type: 'ACK', msgId: one.msgId }, rcvId, rcvKey)), 'two')
  })

  it('are gone after DEL, and other connections hear of it', async (t) => {
    const fixture = await RouterFixture.start(t)
    const bob = await fixture.connect()
    const other = await fixture.connect()
    const queue = await newQueue(other)
    const { rcvId, sndId, rcvKey } = queue
    await bob.ask(send('one'), sndId)
    await other.event()
    assert.deepEqual(await bob.ask({ type: 'DEL' }, rcvId, rcvKey), OK)
    const deleted = await other.event()
    assert.ok(deleted.ok)
    assert.deepEqual([deleted.message.type, deleted.entityId], ['DELD', rcvId])
    for (const client of [bob, other]) {
      assert.deepEqual(await client.ask({ type: 'DEL' }, rcvId, rcvKey), err('AUTH'))
      assert.deepEqual(await client.ask({ type: 'SUB' }, rcvId, rcvKey), err('AUTH'))
      assert.deepEqual(await client.ask(send('x'), sndId), err('AUTH'))
    }
    const own = await newQueue(bob)
    assert.deepEqual(await bob.ask({ type: 'DEL' }, own.rcvId, own.rcvKey), OK)
    assert.deepEqual(await bob.ask({ type: 'PING' }), { type: 'PONG' })
    assert.equal(bob.events.size, 0, 'who deletes a queue is not told')
  })

  it('describe themselves to their recipient', async (t) => {
    const now = Date.UTC(2024, 2, 1, 12, 30, 15, 250)
    const fixture = await RouterFixture.start(t, { now: () => now })
    const client = await fixture.connect()
    const getter = await fixture.connect()
    const queue = await newQueue(client, { subscribe: false })
    const { rcvId, sndId, rcvKey } = queue
    const ask = (from = client) => from.ask({ type: 'QUE' }, rcvId, rcvKey)
    assert.deepEqual(await ask(), { type: 'INFO', info: { qiSnd: false, qiNtf: false, qiSize: 0 } })
    await client.ask({ type: 'KEY', sndAuthKey: rcvKey.publicKey }, rcvId, rcvKey)
    await client.ask(send('one'), sndId, rcvKey)
    await client.ask({ type: 'SUB' }, rcvId, rcvKey)
    const { msgId } = open(queue, await client.event())
    const id = Buffer.from(msgId).toString('base64')
    const qiMsg = { msgId: id, msgTs: '2024-03-01T12:30:15Z', msgType: 'message' }
    const known = { qiSnd: true, qiNtf: false, qiSize: 1, qiMsg }
    assert.deepEqual(await ask(), {
      type: 'INFO',
      info: { ...known, qiSub: { qSubThread: 'noSub', qDelivered: id } },
    })
    await getter.ask({ type: 'GET' }, rcvId, rcvKey)
    assert.deepEqual(await ask(getter), {
      type: 'INFO',
      info: { ...known, qiSub: { qSubThread: 'prohibitSub', qDelivered: id } },
    })
  })

  it('are made by those who know the password', async (t) => {
    const fixture = await RouterFixture.start(t, { password: 'sesame' })
    assert.match(fixture.router.address, /^smp:\/\/[\w-]{43}=?:sesame@127\.0\.0\.1:\d+$/)
    const client = await fixture.connect()
    for (const password of [undefined, 'Sesame', 'sesame1']) {
      const { command, rcvKey } = newQueueCommand({ ...(password && { password }) })
      assert.deepEqual(await client.ask(command, undefined, rcvKey), err('AUTH'))
    }
    await newQueue(client, { password: 'sesame' })
    for (const version of [6, 8, 9, 14, 17]) await newQueue(await fixture.connect({ version }), { password: 'sesame' })
    await fixture.restart({ newQueues: false })
    const later = await fixture.connect()
    const { command, rcvKey } = newQueueCommand({ password: 'sesame' })
    assert.deepEqual(await later.ask(command, undefined, rcvKey), err('AUTH'), 'new_queues off')
  })

  it('need no password where none is set, and take any', async (t) => {
    const fixture = await RouterFixture.start(t)
    await newQueue(await fixture.connect(), { password: 'whatever' })
  })

  it('blocked ones answer BLOCKED to all but OFF and DEL', async (t) => {
    const fixture = await RouterFixture.start(t)
    const client = await fixture.connect()
    const queue = await newQueue(client)
    const contact = await newQueue(client, { queueRequest: { mode: 'contact' } })
    const { rcvId, sndId, rcvKey } = queue
    await fixture.disconnectAll()
    await fixture.router.close()
    const { SqliteRouterStore } = await import('../../src/router/index.ts')
    const store = await SqliteRouterStore.open(fixture.folder)
    for (const [id, noticeTtl] of [
      [rcvId, 3600],
      [contact.rcvId, undefined],
    ] as const) {
      const [loaded] = await store.getQueues('recipient', [id])
      assert.ok(loaded)
      const status = { type: 'blocked', reason: 'spam', ...(noticeTtl && { noticeTtl }) } as const
      await store.updateQueue(loaded.number, { status })
    }
    await store.close()
    await fixture.restart()

    const blocked = { type: 'ERR', error: { type: 'BLOCKED', reason: 'spam' } } as const
    const noticed = { type: 'ERR', error: { ...blocked.error, noticeTtl: 3600 } } as const
    const later = await fixture.connect()
    assert.deepEqual(await later.ask({ type: 'SUB' }, rcvId, rcvKey), noticed)
    assert.deepEqual(await later.ask({ type: 'SUB' }, rcvId, PrivateKey.generate('ed25519')), err('AUTH'))
    assert.deepEqual(await later.ask(send('x'), sndId), noticed)
    assert.deepEqual(await later.ask({ type: 'QUE' }, contact.rcvId, contact.rcvKey), blocked)
    assert.deepEqual(await (await fixture.connect({ version: 17 })).ask(send('x'), sndId), blocked)
    assert.deepEqual(await (await fixture.connect({ version: 11 })).ask(send('x'), sndId), err('AUTH'))
    assert.deepEqual(await later.ask({ type: 'OFF' }, contact.rcvId, contact.rcvKey), OK)
    assert.deepEqual(await later.ask({ type: 'DEL' }, rcvId, rcvKey), OK)
    assert.deepEqual(await later.ask(send('x'), sndId), err('AUTH'))
  })

  it('serve two parties over two connections', async (t) => {
    const fixture = await RouterFixture.start(t)
    const alice = await fixture.connect()
    const bob = await fixture.connect()
    const toBob = await newQueue(bob)
    const toAlice = await newQueue(alice)
    for (let round = 0; round < 5; round++) {
      assert.deepEqual(await alice.ask(send(`a${round}`), toBob.sndId), OK)
      assert.deepEqual(await bob.ask(send(`b${round}`), toAlice.sndId), OK)
      const atBob = open(toBob, await bob.event())
      const atAlice = open(toAlice, await alice.event())
      assert.deepEqual(
        [atBob, atAlice].map((one) => one.type === 'message' && Buffer.from(one.body).toString()),
        [`a${round}`, `b${round}`],
      )
      assert.deepEqual(await bob.ask({ type: 'ACK', msgId: atBob.msgId }, toBob.rcvId, toBob.rcvKey), OK)
      assert.deepEqual(await alice.ask({ type: 'ACK', msgId: atAlice.msgId }, toAlice.rcvId, toAlice.rcvKey), OK)
    }
  })

  it('accept commands of later versions in a session of an older one', async (t) => {
    const fixture = await RouterFixture.start(t)
    const client = await fixture.connect({ version: 6 })
    const queue = await newQueue(client, { algorithm: 'ed448' })
    assert.deepEqual(await client.ask({ type: 'LDEL' }, queue.rcvId, queue.rcvKey), OK)
    assert.deepEqual(await client.ask({ type: 'LGET' }, queue.rcvId), err('AUTH'))
    assert.deepEqual(await client.ask({ type: 'NDEL' }, queue.rcvId, queue.rcvKey), cmdErr('PROHIBITED'))
    assert.notEqual(toHex(queue.rcvId), toHex(queue.sndId))
  })
})
