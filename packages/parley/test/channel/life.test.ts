import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { copyFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { ChannelError } from '../../src/channel/index.ts'
import { MAX_ENVELOPE } from '../../src/channel/protocol/index.ts'
import { MIGRATIONS } from '../../src/channel/store/schema.ts'
import { allDelivered, connect, Identity, orderedIdentities, type TestNode, texts, World } from './fixture.ts'

const DAY = 24 * 3_600_000

async function assertOneChannel(a: TestNode, b: TestNode): Promise<void> {
  await allDelivered(a, [await a.send(b, 'is there one?')])
  await allDelivered(b, [await b.send(a, 'there is')])
  for (const node of [a, b]) {
    // The contact address and the channel; others are being deleted, which nobody is told of.
    while ((await node.agent.listConnections()).length > 2) await pause(20)
    assert.equal((await node.agent.listConnections()).length, 2)
  }
}

/** Lets the database of a node grow no more; gives how to end that. */
function fillDisk({ agent }: TestNode): () => void {
  const store = agent.applicationStore(MIGRATIONS)
  const pages = store.get<{ page_count: number }>('PRAGMA page_count')?.page_count ?? 0
  store.get(`PRAGMA max_page_count = ${pages}`)
  return () => void store.get(`PRAGMA max_page_count = ${pages + 10_000}`)
}

describe('the life of a channel', { concurrency: 2 }, () => {
  it('begins once when both sides open it at the same time', async () => {
    await using world = new World()
    const router = await world.router()
    const [first, second] = orderedIdentities()
    const a = await world.node(first, router)
    const b = await world.node(second, router)
    await Promise.all([a.open(b), b.open(a)])
    const ids = [await a.send(b, 'from a'), await b.send(a, 'from b')] as const
    await Promise.all([allDelivered(a, [ids[0]]), allDelivered(b, [ids[1]])])
    assert.deepEqual([a.received, b.received], [['from b'], ['from a']])
    await assertOneChannel(a, b)
  })

  it('begins with the other request when the one with precedence comes to nothing', async () => {
    await using world = new World()
    const router = await world.router()
    const [first, second] = orderedIdentities()
    const a = await world.node(first, router, { limits: { holdRequest: 1000 } })
    const b = await world.node(second, router, { policy: { mode: 'ask' } })
    // Nobody answers it.
    await a.open(b)
    await b.expect('request')
    await b.open(a)
    await Promise.all([a.expect('opened'), b.expect('opened')])
    await assertOneChannel(a, b)
  })

  it('waits for a peer that is away, with more envelopes than a queue holds messages, and large ones', async () => {
    await using world = new World()
    const router = await world.router()
    const a = await world.node(new Identity('a'), router)
    const b = await world.node(new Identity('b'), router)
    await connect(a, b)
    await b.close()
    const list = [...texts(300), ...Array.from({ length: 30 }, () => randomBytes(60_000).toString('latin1'))]
    const ids: string[] = []
    for (const text of list) ids.push(await a.send(b, text))
    assert.deepEqual(a.channels.list()[0]?.waiting, 330)
    await b.start()
    await allDelivered(a, ids)
    assert.deepEqual(b.received, list)
    // Nothing has met a full queue, which would stall for minutes.
    assert.ok(!a.logged.some((line) => line.includes('not sent')))
  })

  for (const first of ['it', 'the other side'] as const) {
    it(`goes on when one side comes back with an older copy of its database and ${first} sends first`, async () => {
      await using world = new World()
      const router = await world.router()
      const a = await world.node(new Identity('a'), router)
      const b = await world.node(new Identity('b'), router)
      await connect(a, b)
      await allDelivered(a, [await a.send(b, 'one')])
      await allDelivered(b, [await b.send(a, 'two')])
      await b.close()
      const file = `${b.path}.agent.db`
      copyFileSync(file, `${file}.copy`)
      await b.start()
      // The ratchet turns: what is in the copy does not know these keys.
      for (const round of texts(3)) {
        await allDelivered(a, [await a.send(b, round)])
        await allDelivered(b, [await b.send(a, round)])
      }
      await b.close()
      copyFileSync(`${file}.copy`, file)
      await b.start()
      const [sender, receiver] = first === 'it' ? [b, a] : [a, b]
      await allDelivered(sender, [await sender.send(receiver, 'after')])
      await allDelivered(receiver, [await receiver.send(sender, 'and back')])
      assert.equal(receiver.received.at(-1), 'after')
      assert.equal(sender.received.at(-1), 'and back')
      await assertOneChannel(a, b)
    })
  }

  it('loses nothing when the disk of one side and then the other is full for a while', async () => {
    await using world = new World()
    const router = await world.router()
    const a = await world.node(new Identity('a'), router)
    const b = await world.node(new Identity('b'), router)
    await connect(a, b)
    await allDelivered(a, [await a.send(b, 'before')])
    const large = randomBytes(100_000).toString('latin1')

    const releaseA = fillDisk(a)
    const id = randomBytes(16).toString('hex')
    await assert.rejects(a.send(b, large, id), { name: 'StoreError', code: 'IO' })
    releaseA()
    await a.send(b, large, id)
    await allDelivered(a, [id])

    const releaseB = fillDisk(b)
    const { promise: failed, resolve } = Promise.withResolvers<void>()
    b.agent.on('ERR', ({ error }) => void (error.message.includes('store IO') && resolve()))
    // More than what was deleted before leaves room for.
    const larger = randomBytes(1_000_000).toString('latin1')
    const ids = [await a.send(b, larger), await a.send(b, 'after')]
    await failed
    releaseB()
    await allDelivered(a, ids)
    assert.deepEqual(b.received, ['before', large, larger, 'after'])
    await allDelivered(b, [await b.send(a, 'and back')])
  })

  it('carries an envelope of 3 MiB, over restarts of both sides', async () => {
    await using world = new World()
    const router = await world.router()
    const a = await world.node(new Identity('a'), router)
    const b = await world.node(new Identity('b'), router)
    await connect(a, b)
    const bytes = randomBytes(MAX_ENVELOPE)
    await b.close()
    const id = await a.send(b, bytes.toString('latin1'))
    await a.restart()
    await b.start()
    await b.restart()
    const small = await a.send(b, 'after it')
    await allDelivered(a, [id, small])
    const digests = b.received.map((text) => createHash('sha256').update(text, 'latin1').digest('hex'))
    assert.deepEqual(
      digests,
      [bytes, Buffer.from('after it')].map((item) => createHash('sha256').update(item).digest('hex')),
    )
    const tooLarge = { id, bytes: new Uint8Array(MAX_ENVELOPE + 1) }
    await assert.rejects(a.channels.send(a.address, b.address, tooLarge), { code: 'LARGE' })
  })

  it('goes on when a router was switched off and on', async () => {
    await using world = new World()
    const routerA = await world.router('router a')
    const routerB = await world.router('router b')
    const a = await world.node(new Identity('a'), routerA)
    const b = await world.node(new Identity('b'), routerB)
    await connect(a, b)
    for (const router of [routerB, routerA]) {
      await router.close()
      const ids = [await a.send(b, 'meanwhile')]
      const back = [await b.send(a, 'meanwhile')]
      await router.start()
      await Promise.all([allDelivered(a, ids), allDelivered(b, back)])
    }
    assert.deepEqual([a.received.length, b.received.length], [2, 2])
    assert.ok(!a.has('closed') && !b.has('closed'))
  })

  for (const loser of [0, 1]) {
    it(`begins anew when side ${loser} has lost its store, and nothing comes twice`, async () => {
      await using world = new World()
      const router = await world.router()
      const [first, second] = orderedIdentities()
      const a = await world.node(first, router)
      const b = await world.node(second, router)
      await connect(a, b)
      const [lost, other] = loser === 0 ? [a, b] : [b, a]
      await allDelivered(other, [await other.send(lost, 'before')])
      await lost.close()
      const waiting = [await other.send(lost, 'one'), await other.send(lost, 'two')]
      const anew = await world.node(lost.identity, router, { name: 'anew' })
      await anew.open(other)
      await Promise.all([anew.expect('opened'), other.expect('opened')])
      await allDelivered(other, waiting)
      assert.deepEqual(anew.received, ['one', 'two'])
      const id = await anew.send(other, 'from the new one')
      await allDelivered(anew, [id])
      // The same envelope again, as a program does that has not heard of its delivery.
      await anew.send(other, 'from the new one', id)
      await allDelivered(anew, [id])
      assert.deepEqual(other.received, ['from the new one'])
    })
  }

  it('ends when the agent moves: peers send elsewhere what it had not taken', async () => {
    await using world = new World()
    const router = await world.router()
    const moving = new Identity('moving')
    const a = await world.node(new Identity('a'), router)
    const b = await world.node(moving, router, { takes: false })
    await connect(a, b)
    const ids = [await a.send(b, 'one'), await a.send(b, 'two')]
    const one = await b.expect('envelope')
    await b.expect('envelope')
    const out = await b.send(a, 'never taken')
    await allDelivered(b, [out])
    // The peer has to hear of it, although there is no time for an acknowledgement of its own.
    await one.taken()
    await b.channels.removeLocal(b.address, 'moved')
    await allDelivered(a, ids.slice(0, 1))
    assert.equal((await a.expect('closed')).reason, 'moved')
    await a.expect('cardNeeded')
    const elsewhere = await world.node(moving, router, { name: 'elsewhere' })
    await a.open(elsewhere)
    await allDelivered(a, ids.slice(1))
    assert.deepEqual(elsewhere.received, ['two'])
  })

  it('ends with word of it before the queue is gone, which a peer that sends would take for a loss', async () => {
    await using world = new World()
    const [routerOfA, routerOfB] = [await world.router('router-a'), await world.router('router-b')]
    const a = await world.node(new Identity('a'), routerOfA)
    const b = await world.node(new Identity('b'), routerOfB)
    await connect(a, b)
    const order = new Set<string>()
    const deleted = Promise.withResolvers<void>()
    b.agent.on('SENT', () => void order.add('word'))
    b.agent.on('DEL_RCVQS', () => {
      order.add('queue deleted')
      deleted.resolve()
    })
    await routerOfA.close()
    const removed = b.channels.removeLocal(b.address, 'moved')
    await routerOfA.start()
    await Promise.all([removed, deleted.promise])
    assert.deepEqual([...order], ['word', 'queue deleted'])
    assert.equal((await a.expect('closed')).reason, 'moved')
  })

  it('stays when the agent is away for a while, which is given then what waits', async () => {
    await using world = new World()
    const router = await world.router()
    const a = await world.node(new Identity('a'), router)
    const b = await world.node(new Identity('b'), router)
    await connect(a, b)
    await b.channels.removeLocal(b.address, 'away')
    const id = await a.send(b, 'for later')
    while (a.channels.stateOf(a.address, b.address, id) !== 'stored') await pause(20)
    assert.deepEqual(b.received, [])
    await assert.rejects(b.send(a, 'x'), { code: 'UNKNOWN_LOCAL' })
    await b.channels.addLocal(b.local)
    await allDelivered(a, [id])
    assert.deepEqual(b.received, ['for later'])
  })

  it('lets the sender wait when too much waits, and gives up what is too old', async () => {
    await using world = new World()
    const router = await world.router()
    const a = await world.node(new Identity('a'), router, { limits: { outboxEnvelopes: 2, lifetime: 1500 } })
    const b = await world.node(new Identity('b'), router)
    await connect(a, b)
    await b.close()
    const ids = [await a.send(b, 'one'), await a.send(b, 'two')]
    const stop = AbortSignal.timeout(100)
    const stopped = a.channels.send(a.address, b.address, { id: 'ab'.repeat(16), bytes: Buffer.from('x') }, stop)
    await assert.rejects(stopped, { name: 'TimeoutError' })
    const third = a.send(b, 'three')
    for (const id of ids) {
      assert.equal((await a.expect('notDelivered', { id })).reason, 'expired')
      assert.equal(a.channels.stateOf(a.address, b.address, id), 'expired')
    }
    await third
    // Closing ends those that wait.
    await a.send(b, 'four')
    const waiting = assert.rejects(a.send(b, 'five'), ChannelError)
    await a.close()
    await waiting
  })

  it('tells of what is given up until the application has heard it, also after a restart', async () => {
    await using world = new World()
    const router = await world.router()
    const a = await world.node(new Identity('a'), router, { limits: { lifetime: 500 } })
    const b = await world.node(new Identity('b'), router)
    await connect(a, b)
    await b.close()
    a.channels.on('notDelivered', () => Promise.reject(new Error('cannot be kept')))
    const id = await a.send(b, 'in vain')
    assert.equal((await a.expect('notDelivered', { id })).reason, 'expired')
    await a.close()
    await a.start()
    assert.equal((await a.expect('notDelivered', { id })).reason, 'expired')
    await a.close()
    await a.start()
    await a.send(b, 'another')
    // The one that was heard does not come again: the next is of the other envelope.
    assert.notEqual((await a.expect('notDelivered')).id, id)
  })

  it('is not begun without a card, nor with a card that leads nowhere', async () => {
    await using world = new World()
    const router = await world.router()
    const a = await world.node(new Identity('a'), router)
    const b = await world.node(new Identity('b'), router)
    await assert.rejects(a.send(b, 'x'), { code: 'NO_PEER' })
    await assert.rejects(a.channels.open(a.address, b.address, a.card), { code: 'NO_CONTACT' })
    await b.agent.deleteShortLink(b.contactConnId)
    await a.open(b)
    const id = await a.send(b, 'waits')
    await a.expect('cardNeeded')
    // A newer card, with a link that leads somewhere.
    b.contactLink = await b.agent.setShortLinkData(b.contactConnId, new Uint8Array())
    b.signed = await b.identity.card(b.contactLink, { previousSequence: b.card.card.sequence, lifetime: DAY })
    await a.open(b)
    await allDelivered(a, [id])
  })

  it('is asked for again when the request was lost', async () => {
    await using world = new World()
    const router = await world.router()
    const a = await world.node(new Identity('a'), router, { limits: { requestAgain: 500 } })
    const b = await world.node(new Identity('b'), router, {
      limits: { requestsInAll: { perSecond: 1, burst: 1 } },
    })
    const other = await world.node(new Identity('other'), router)
    await connect(other, b)
    await a.open(b)
    await Promise.all([a.expect('opened'), b.expect('opened')])
    await allDelivered(a, [await a.send(b, 'at last')])
  })
})
