import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { BoundedQueue, QueueClosedError } from '@parley/core/queue'
import fc from 'fast-check'

/** Whether a promise has settled once everything that is due has run. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true
  const settle = () => {
    pending = false
  }
  promise.then(settle, settle)
  await turn()
  return pending
}

describe('BoundedQueue', () => {
  it('gives items in the order in which they came', async () => {
    const queue = new BoundedQueue<number>(3)
    for (const item of [1, 2, 3]) await queue.put(item)
    assert.equal(queue.size, 3)
    assert.deepEqual([await queue.take(), await queue.take(), queue.tryTake()], [1, 2, 3])
    assert.equal(queue.tryTake(), undefined)
  })

  it('makes put wait while it is full, and serves those who wait in order', async () => {
    const queue = new BoundedQueue<number>(1)
    await queue.put(1)
    const second = queue.put(2)
    const third = queue.put(3)
    assert.ok(await isPending(second))
    assert.ok(!queue.tryPut(4), 'nobody overtakes')
    assert.equal(await queue.take(), 1)
    await second
    assert.ok(await isPending(third))
    assert.deepEqual([await queue.take(), await queue.take()], [2, 3])
    await third
  })

  it('makes take wait while it is empty', async () => {
    const queue = new BoundedQueue<number>(1)
    const first = queue.take()
    const second = queue.take()
    assert.ok(await isPending(first))
    await queue.put(1)
    await queue.put(2)
    assert.deepEqual(await Promise.all([first, second]), [1, 2])
    assert.equal(queue.size, 0)
  })

  it('keeps what it holds when it is closed and refuses more', async () => {
    const queue = new BoundedQueue<number>(1)
    await queue.put(1)
    const waiting = queue.put(2)
    queue.close()
    await assert.rejects(waiting, QueueClosedError)
    await assert.rejects(queue.put(3), QueueClosedError)
    assert.ok(!queue.tryPut(3))
    assert.ok(queue.isClosed)
    assert.equal(await queue.take(), 1)
    assert.equal(await queue.take(), undefined)
  })

  it('ends waiting takes and iteration when it is closed', async () => {
    const queue = new BoundedQueue<number>(2)
    const waiting = queue.take()
    queue.close()
    assert.equal(await waiting, undefined)

    const other = new BoundedQueue<number>(2)
    const seen: number[] = []
    const reading = (async () => {
      for await (const item of other) seen.push(item)
    })()
    for (let i = 0; i < 10; i++) await other.put(i)
    other.close()
    await reading
    assert.deepEqual(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  it('lets a signal end a wait, without losing or doubling items', async () => {
    const queue = new BoundedQueue<number>(1)
    const reason = new Error('stop')
    const taking = new AbortController()
    const taken = queue.take(taking.signal)
    taking.abort(reason)
    await assert.rejects(taken, reason)
    await queue.put(1)
    const putting = new AbortController()
    const put = queue.put(2, putting.signal)
    putting.abort(reason)
    await assert.rejects(put, reason)
    assert.equal(await queue.take(), 1)
    assert.equal(queue.tryTake(), undefined)
    await assert.rejects(queue.take(AbortSignal.abort(reason)), reason)
    await assert.rejects(queue.put(3, AbortSignal.abort(reason)), reason)
    assert.equal(queue.size, 0)
  })

  it('refuses a capacity that holds nothing', () => {
    for (const capacity of [0, -1, 1.5, Number.NaN]) assert.throws(() => new BoundedQueue(capacity), RangeError)
  })

  it('loses nothing between many writers and readers', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.nat(20), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 4 }),
        async (capacity, counts, readers) => {
          const queue = new BoundedQueue<string>(capacity)
          const seen: string[] = []
          const reading = Array.from({ length: readers }, async () => {
            for await (const item of queue) {
              assert.ok(queue.size <= capacity)
              seen.push(item)
            }
          })
          await Promise.all(
            counts.map(async (count, writer) => {
              for (let i = 0; i < count; i++) await queue.put(`${writer}:${i}`)
            }),
          )
          queue.close()
          await Promise.all(reading)
          for (const [writer, count] of counts.entries()) {
            const own = seen.filter((item) => item.startsWith(`${writer}:`))
            const put = Array.from({ length: count }, (_, i) => `${writer}:${i}`)
            // Several readers may note their items in another order than they got them.
            if (readers === 1) assert.deepEqual(own, put)
            else assert.deepEqual(own.toSorted(), put.toSorted())
          }
        },
      ),
      { numRuns: 100 },
    )
  })
})
