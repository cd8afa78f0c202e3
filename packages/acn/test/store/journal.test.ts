import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AcnStoreReader, type NotDelivered, type SqliteAcnStore, StoreError } from '@parley/acn/store'
import { envelope, nextId, openStore, recordOf, temporaryFolder } from './fixture.ts'

function lost(rest: Partial<NotDelivered> = {}): NotDelivered {
  const base = { to: 'receiver', sender: 'sender', reason: 'wrong-sender', attempts: 0, size: 3 } as const
  return { id: nextId(), ...base, receivedAt: 1, at: 2, ...rest }
}

describe('not-delivered records', () => {
  test('an envelope that is given up leaves one', async (t) => {
    const store = await openStore(t)
    const outcome = await store.enqueue(envelope('four'))
    assert.ok(outcome.accepted)
    const record = await store.giveUp(outcome.number, { reason: 'refused', status: 3, at: 2000 })
    assert.partialDeepStrictEqual(record, { reason: 'refused', status: 3, size: 4, receivedAt: 1000, at: 2000 })
    assert.equal(await store.giveUp(outcome.number, { reason: 'refused', at: 2000 }), undefined)
    assert.deepEqual(await store.listNotDelivered(), [record])
    assert.deepEqual(await store.pending('receiver'), [])
  })

  test('are listed by sender, by envelope and in pages', async (t) => {
    const store = await openStore(t)
    const a = await store.addNotDelivered(lost({ sender: 'a' }))
    const b = await store.addNotDelivered(lost({ sender: 'b', status: 20 }))
    const c = await store.addNotDelivered(lost({ sender: 'a' }))
    assert.deepEqual(await store.listNotDelivered(), [a, b, c])
    assert.deepEqual(await store.listNotDelivered({ sender: 'a' }), [a, c])
    assert.deepEqual(await store.listNotDelivered({ id: b.id }), [b])
    assert.deepEqual(await store.listNotDelivered({ id: b.id, sender: 'a' }), [])
    assert.deepEqual(await store.listNotDelivered({ after: a.number, limit: 1 }), [b])
  })

  test('the oldest go beyond the bound', async (t) => {
    const store = await openStore(t, { maxNotDelivered: 2 })
    await store.addNotDelivered(lost())
    const b = await store.addNotDelivered(lost())
    const c = await store.addNotDelivered(lost())
    assert.deepEqual(await store.listNotDelivered(), [b, c])
    assert.equal((await store.count()).notDelivered, 2)
  })

  test('texts of strangers are kept in a bounded form', async (t) => {
    const store = await openStore(t)
    const kept = await store.addNotDelivered(lost({ to: 'x'.repeat(3_000_000), sender: 'a\0b' }))
    assert.equal(kept.to.length, 256)
    assert.equal(kept.sender, 'a\ufffdb')
    assert.deepEqual(await store.listNotDelivered(), [kept])
  })
})

describe('what senders are still to be told', () => {
  const record = recordOf('sending agent')
  async function giveUp(store: SqliteAcnStore, sender: string): Promise<number> {
    const outcome = await store.enqueue(envelope('words', { sender }))
    assert.ok(outcome.accepted)
    return (await store.giveUp(outcome.number, { reason: 'expired', at: 2000 }))?.number ?? 0
  }
  const numbers = async (store: SqliteAcnStore, page = {}) =>
    (await store.unreported(record.address, page)).map(({ number }) => number)

  test('envelopes of agents with an entrance here, given up after they waited, once', async (t) => {
    const folder = await temporaryFolder(t)
    const store = await openStore(t, { folder })
    await store.putRegistration({ kind: 'delegate', record, issuedAt: 1 })
    await giveUp(store, 'of another peer')
    await store.addNotDelivered(lost({ sender: record.address }))
    const [a, b, c] = [
      await giveUp(store, record.address),
      await giveUp(store, record.address),
      await giveUp(store, record.address),
    ]
    assert.deepEqual(await numbers(store), [a, b, c])
    assert.deepEqual(await numbers(store, { after: a, limit: 1 }), [b])
    await store.reported(b)
    await store.close()
    const again = await openStore(t, { folder })
    assert.deepEqual(await numbers(again), [a, c])
    assert.equal((await again.count()).notDelivered, 5)
  })

  test('of too many the newest', async (t) => {
    const store = await openStore(t, { maxUnreported: 2 })
    await store.putRegistration({ kind: 'mailbox', record, issuedAt: 1 })
    const [, b, c] = [
      await giveUp(store, record.address),
      await giveUp(store, record.address),
      await giveUp(store, record.address),
    ]
    assert.deepEqual(await numbers(store), [b, c])
  })

  test('an agent of which there is only a record elsewhere is told nothing', async (t) => {
    const store = await openStore(t)
    await store.putRegistration({ kind: 'remote', record, issuedAt: 1 })
    await giveUp(store, record.address)
    assert.deepEqual(await numbers(store), [])
  })
})

describe('trace', () => {
  test('the steps of an envelope, in order', async (t) => {
    const store = await openStore(t)
    const steps = [
      { id: 'e1', at: 1, event: 'received' },
      { id: 'e2', at: 2, event: 'received' },
      { id: 'e1', at: 3, event: 'delivered', detail: 'peer' },
    ]
    for (const step of steps) store.addTrace(step)
    assert.deepEqual(await store.trace('e1'), [steps[0], steps[2]])
    assert.deepEqual(await store.trace('nothing'), [])
  })

  test('envelopes from and for an address, the newest first', async (t) => {
    const store = await openStore(t)
    const names = { sender: 'a', to: 'b' }
    store.addTrace({ id: 'e1', at: 1, event: 'received', ...names })
    store.addTrace({ id: 'e2', at: 2, event: 'received', sender: 'b', to: 'a' })
    store.addTrace({ id: 'e3', at: 3, event: 'received', sender: 'b', to: 'c' })
    store.addTrace({ id: 'e1', at: 4, event: 'delivered', detail: 'peer' })
    assert.deepEqual(await store.tracedOf('a'), ['e2', 'e1'])
    assert.deepEqual(await store.tracedOf('b'), ['e3', 'e2', 'e1'])
    assert.deepEqual(await store.tracedOf('b', 1), ['e3'])
    assert.deepEqual(await store.tracedOf('d'), [])
    assert.deepEqual((await store.trace('e1'))[0], { id: 'e1', at: 1, event: 'received', ...names })
  })

  test('the oldest go beyond the bound, texts are cut', async (t) => {
    const store = await openStore(t, { maxTraceEvents: 2 })
    for (let at = 0; at < 3; at++) store.addTrace({ id: 'e', at, event: 'x'.repeat(1000), detail: 'y'.repeat(1000) })
    const steps = await store.trace('e')
    assert.deepEqual(
      steps.map(({ at }) => at),
      [1, 2],
    )
    assert.ok(steps.every(({ event, detail }) => event.length === 64 && detail?.length === 256))
  })

  test('steps are left out and counted, not piled up, when they come faster than they are written', async (t) => {
    const store = await openStore(t)
    const asked = 20_000
    for (let at = 0; at < asked; at++) store.addTrace({ id: 'e', at, event: 'step' })
    assert.ok(store.droppedTraceEvents > 0)
    await store.count()
    assert.ok(store.droppedTraceEvents < asked)
    const [first] = await store.trace('e')
    assert.equal(first?.at, 0)
  })

  test('can be read from another place while the node works', async (t) => {
    const folder = await temporaryFolder(t)
    assert.throws(() => new AcnStoreReader(folder), StoreError)
    const store = await openStore(t, { folder })
    store.addTrace({ id: 'e', at: 1, event: 'received' })
    const entry = await store.addNotDelivered(lost())
    const reader = new AcnStoreReader(folder)
    t.after(() => reader.close())
    assert.deepEqual(reader.trace('e'), [{ id: 'e', at: 1, event: 'received' }])
    assert.deepEqual(reader.listNotDelivered({ sender: 'sender' }), [entry])
    store.addTrace({ id: 'e', at: 2, event: 'delivered' })
    await store.count()
    assert.equal(reader.trace('e').length, 2)
  })
})
