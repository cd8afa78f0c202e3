import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DEFAULT_STORE_LIMITS, type EnqueueOutcome } from '@parley/acn/store'
import { envelope, nextId, openStore, recordOf, temporaryFolder, wordsOf } from './fixture.ts'

function numberOf(outcome: EnqueueOutcome): number {
  assert.ok(outcome.accepted)
  return outcome.number
}

function reasonOf(outcome: EnqueueOutcome): string {
  assert.ok(!outcome.accepted)
  return outcome.reason
}

describe('envelopes that wait', () => {
  test('come back whole, in order, for an agent and for a pair', async (t) => {
    const store = await openStore(t)
    const first = envelope('1', { sender: 'a', record: recordOf('a') })
    const outcomes = await Promise.all([
      store.enqueue(first),
      store.enqueue(envelope('2', { sender: 'b' })),
      store.enqueue(envelope('3', { sender: 'a' })),
      store.enqueue(envelope('4', { sender: 'a', to: 'another' })),
    ])
    const [whole] = await store.pending('receiver')
    assert.ok(whole)
    assert.deepEqual(
      { ...whole, bytes: Buffer.from(whole.bytes) },
      {
        ...first,
        number: numberOf(outcomes[0]),
        expiresAt: first.receivedAt + DEFAULT_STORE_LIMITS.maxAge,
        attempts: 0,
        inFlight: false,
        nextAttemptAt: 0,
      },
    )
    assert.deepEqual(wordsOf(await store.pending('receiver')), ['1', '2', '3'])
    assert.deepEqual(wordsOf(await store.pendingOfPair('receiver', 'a')), ['1', '3'])
    assert.deepEqual(wordsOf(await store.pendingOfPair('another', 'a')), ['4'])
    assert.deepEqual(await store.pending('nobody'), [])
    assert.deepEqual(await store.pendingOfPair('receiver', 'nobody'), [])
  })

  test('survive the end of the node, with their state, order and numbers', async (t) => {
    const folder = await temporaryFolder(t)
    const before = await openStore(t, { folder })
    const numbers: number[] = []
    for (const words of ['1', '2', '3']) numbers.push(numberOf(await before.enqueue(envelope(words))))
    const state = { attempts: 2, inFlight: true, nextAttemptAt: 5000, lastStatus: 21 }
    await before.setDeliveryState(numbers[1] ?? 0, state)
    await before.delivered([numbers[0] ?? 0, numbers[2] ?? 0])
    await before.close()

    const store = await openStore(t, { folder })
    const [left, ...others] = await store.pending('receiver')
    assert.deepEqual(others, [])
    assert.partialDeepStrictEqual(left, { number: numbers[1], ...state })
    const next = numberOf(await store.enqueue(envelope('4')))
    assert.ok(next > (numbers[2] ?? 0), 'a number was used twice')
    assert.deepEqual(wordsOf(await store.pending('receiver')), ['2', '4'])
  })

  test('go behind what came from one source, in their order, under numbers that nothing else gets', async (t) => {
    const folder = await temporaryFolder(t)
    const before = await openStore(t, { folder })
    for (const words of ['3', '4']) await before.enqueue(envelope(words))
    await before.enqueue(envelope('other', { sender: 'other' }))
    for (const words of ['1', '2']) await before.enqueue(envelope(words, { source: 'former peer' }))
    await before.putBehind('receiver', 'sender', 'former peer')
    await before.putBehind('receiver', 'nobody', 'former peer')
    await before.enqueue(envelope('5'))
    assert.deepEqual(wordsOf(await before.pendingOfPair('receiver', 'sender')), ['1', '2', '3', '4', '5'])
    const last = (await before.pending('receiver')).at(-1)?.number ?? 0
    await before.close()
    const store = await openStore(t, { folder })
    assert.deepEqual(wordsOf(await store.pending('receiver')), ['other', '1', '2', '3', '4', '5'])
    assert.ok(numberOf(await store.enqueue(envelope('6'))) > last, 'a number was used twice')
  })

  test('are read in pages of a number and of a size', async (t) => {
    const store = await openStore(t)
    const large = new Uint8Array(3 * 1024 * 1024)
    for (let i = 0; i < 4; i++) await store.enqueue(envelope('', { bytes: large }))
    const page = await store.pending('receiver', { limit: 4 })
    assert.equal(page.length, 2)
    const rest = await store.pending('receiver', { after: page.at(-1)?.number ?? 0, limit: 4 })
    assert.equal(rest.length, 2)
    assert.equal((await store.pending('receiver', { limit: 1 })).length, 1)
  })

  test('of one larger than a page there is one', async (t) => {
    const store = await openStore(t)
    const bytes = new Uint8Array(9 * 1024 * 1024)
    await store.enqueue(envelope('', { bytes }))
    await store.enqueue(envelope('small'))
    assert.deepEqual(
      (await store.pending('receiver')).map(({ bytes: { length } }) => length),
      [bytes.length],
    )
  })

  test('a burst is taken in the order in which it was handed over', async (t) => {
    const store = await openStore(t, { maxPerPair: 2000 })
    const words = Array.from({ length: 2000 }, (_, i) => String(i))
    await Promise.all(words.map((word) => store.enqueue(envelope(word))))
    const read: string[] = []
    for (let after = 0; ; ) {
      const page = await store.pending('receiver', { after, limit: 700 })
      const last = page.at(-1)
      if (!last) break
      read.push(...wordsOf(page))
      after = last.number
    }
    assert.deepEqual(read, words)
  })

  test('bytes and texts are kept as they are, blocks of others are not', async (t) => {
    const store = await openStore(t)
    const block = Buffer.alloc(64 * 1024, 1)
    await store.enqueue(envelope('', { bytes: block.subarray(100, 110), to: 'ü\u{1f4e8}', sender: '' }))
    const [kept] = await store.pending('ü\u{1f4e8}')
    assert.deepEqual(Buffer.from(kept?.bytes ?? []), Buffer.alloc(10, 1))
    assert.equal(kept?.sender, '')
    assert.deepEqual(block.subarray(100, 110), Buffer.alloc(10, 1))
  })

  test('addresses that cannot be found again are refused', async (t) => {
    const store = await openStore(t)
    const long = 'x'.repeat(257)
    for (const field of ['to', 'sender', 'source', 'id']) {
      for (const text of [long, 'a\0b']) {
        assert.equal(reasonOf(await store.enqueue(envelope('x', { [field]: text }))), 'invalid')
      }
    }
    assert.equal((await store.count()).envelopes, 0)
    assert.deepEqual(await store.pending(long), [])
    assert.deepEqual(await store.pending('receiver\0x'), [])
  })
})

describe('bounds of the queues', () => {
  test('one pair', async (t) => {
    const store = await openStore(t, { maxPerPair: 2 })
    const first = numberOf(await store.enqueue(envelope('1')))
    await store.enqueue(envelope('2'))
    assert.equal(reasonOf(await store.enqueue(envelope('3'))), 'pair-full')
    numberOf(await store.enqueue(envelope('x', { sender: 'another' })))
    await store.delivered([first])
    numberOf(await store.enqueue(envelope('3')))
    assert.deepEqual(wordsOf(await store.pendingOfPair('receiver', 'sender')), ['2', '3'])
  })

  test('one agent, in number and bytes', async (t) => {
    const store = await openStore(t, { maxPerAgent: 3, maxBytesPerAgent: 10 })
    numberOf(await store.enqueue(envelope('12345', { sender: 'a' })))
    assert.equal(reasonOf(await store.enqueue(envelope('123456', { sender: 'b' }))), 'agent-full')
    numberOf(await store.enqueue(envelope('123', { sender: 'b' })))
    numberOf(await store.enqueue(envelope('1', { sender: 'c' })))
    assert.equal(reasonOf(await store.enqueue(envelope('1', { sender: 'd' }))), 'agent-full')
    numberOf(await store.enqueue(envelope('123456', { to: 'another' })))
  })

  test('all, in number and bytes, over restarts', async (t) => {
    const folder = await temporaryFolder(t)
    const limits = { folder, maxEnvelopes: 3, maxBytes: 10 }
    const before = await openStore(t, limits)
    numberOf(await before.enqueue(envelope('12345', { to: 'a' })))
    await before.close()
    const store = await openStore(t, limits)
    assert.equal(reasonOf(await store.enqueue(envelope('123456', { to: 'b' }))), 'store-full')
    numberOf(await store.enqueue(envelope('1', { to: 'b' })))
    numberOf(await store.enqueue(envelope('1', { to: 'c' })))
    assert.equal(reasonOf(await store.enqueue(envelope('1', { to: 'd' }))), 'store-full')
    assert.partialDeepStrictEqual(await store.count(), { envelopes: 3, envelopeBytes: 7 })
  })

  test('counts stay true through every kind of end', async (t) => {
    const store = await openStore(t)
    const numbers: number[] = []
    for (let i = 0; i < 4; i++) {
      numbers.push(numberOf(await store.enqueue(envelope('1234', { sender: `s${i}`, expiresAt: i === 3 ? 50 : 500 }))))
    }
    const [a = 0, b = 0] = numbers
    await store.delivered([a, a, 999])
    await store.giveUp(b, { reason: 'refused', at: 10 })
    await store.expire(100)
    assert.partialDeepStrictEqual(await store.count(), { envelopes: 1, envelopeBytes: 4, notDelivered: 2 })
    const pairs = await store.listPairs()
    assert.deepEqual(
      pairs.map(({ sender, count, bytes, first }) => ({ sender, count, bytes, first })),
      [{ sender: 's2', count: 1, bytes: 4, first: numbers[2] }],
    )
  })
})

describe('repeated envelopes', () => {
  test('one that waits is not taken again, from another sender or to another agent it is', async (t) => {
    const store = await openStore(t)
    const id = nextId()
    numberOf(await store.enqueue(envelope('1', { id })))
    assert.equal(reasonOf(await store.enqueue(envelope('1', { id }))), 'duplicate')
    numberOf(await store.enqueue(envelope('1', { id, sender: 'another' })))
    numberOf(await store.enqueue(envelope('1', { id, to: 'another' })))
  })

  test('one that was seen in a scope is not taken again, after delivery and restart too', async (t) => {
    const folder = await temporaryFolder(t)
    const before = await openStore(t, { folder })
    const id = nextId()
    const number = numberOf(await before.enqueue(envelope('1', { id }), { seen: { scope: 'peer', id } }))
    await before.delivered([number])
    await before.close()
    const store = await openStore(t, { folder })
    assert.equal(reasonOf(await store.enqueue(envelope('1', { id }), { seen: { scope: 'peer', id } })), 'duplicate')
    assert.equal(await store.markSeen('peer', id), false)
    numberOf(await store.enqueue(envelope('1', { id }), { seen: { scope: 'another peer', id } }))
  })

  test('one that was refused was not seen', async (t) => {
    const store = await openStore(t, { maxPerPair: 1 })
    const id = nextId()
    const first = numberOf(await store.enqueue(envelope('1')))
    assert.equal(reasonOf(await store.enqueue(envelope('2', { id }), { seen: { scope: 'peer', id } })), 'pair-full')
    await store.delivered([first])
    numberOf(await store.enqueue(envelope('2', { id }), { seen: { scope: 'peer', id } }))
  })

  test('the ids seen longest ago are forgotten', async (t) => {
    const store = await openStore(t, { maxSeen: 2 })
    for (const id of ['1', '2', '3']) assert.ok(await store.markSeen('peer', id))
    assert.equal(await store.markSeen('peer', '3'), false)
    assert.equal(await store.markSeen('peer', '1'), true)
  })
})

describe('time', () => {
  test('an envelope whose time is over is given up as expired, with what the last attempt said', async (t) => {
    const store = await openStore(t, { maxAge: 100 })
    const number = numberOf(await store.enqueue(envelope('four', { receivedAt: 1000 })))
    const later = numberOf(await store.enqueue(envelope('x', { receivedAt: 1001 })))
    await store.setDeliveryState(number, { attempts: 3, inFlight: false, nextAttemptAt: 0, lastStatus: 21 })
    assert.deepEqual(await store.expire(1099), [])
    const [expired, ...others] = await store.expire(1100)
    assert.deepEqual(others, [])
    assert.partialDeepStrictEqual(expired, {
      to: 'receiver',
      sender: 'sender',
      reason: 'expired',
      status: 21,
      attempts: 3,
      size: 4,
      receivedAt: 1000,
      at: 1100,
    })
    assert.deepEqual(
      (await store.pending('receiver')).map((left) => left.number),
      [later],
    )
    assert.deepEqual(await store.listNotDelivered(), [expired])
  })

  test('a step of expiry is bounded and goes on where the last one ended', async (t) => {
    const store = await openStore(t)
    for (let i = 0; i < 5; i++) await store.enqueue(envelope(String(i), { expiresAt: 10 }))
    const sizes: number[] = []
    for (let count = 2; count === 2; ) {
      count = (await store.expire(20, 2)).length
      sizes.push(count)
    }
    assert.deepEqual(sizes, [2, 2, 1])
  })
})
