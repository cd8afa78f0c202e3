import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { KeyedLock } from '@parley/core/lock'
import fc from 'fast-check'

describe('KeyedLock', () => {
  it('runs callers of one key one at a time in the order in which they asked', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ key: fc.constantFrom('a', 'b'), turns: fc.nat(3), fails: fc.boolean() }), {
          maxLength: 12,
        }),
        async (callers) => {
          const lock = new KeyedLock()
          const held = new Set<string>()
          const order: Record<string, number[]> = { a: [], b: [] }
          const results = await Promise.allSettled(
            callers.map(({ key, turns, fails }, i) =>
              lock.withLock(key, async () => {
                assert.ok(!held.has(key), 'two at a time')
                held.add(key)
                for (let n = 0; n < turns; n++) await turn()
                held.delete(key)
                order[key]?.push(i)
                if (fails) throw new Error('failed')
                return i
              }),
            ),
          )
          for (const [i, { fails, key }] of callers.entries()) {
            assert.equal(results[i]?.status, fails ? 'rejected' : 'fulfilled')
            assert.ok(order[key]?.includes(i))
          }
          for (const list of Object.values(order))
            assert.deepEqual(
              list,
              list.toSorted((x, y) => x - y),
            )
          await turn()
          assert.equal(lock.size, 0)
        },
      ),
      { numRuns: 100 },
    )
  })

  it('runs different keys at the same time', async () => {
    const lock = new KeyedLock()
    const { promise: entered, resolve: enter } = Promise.withResolvers<void>()
    const { promise: gate, resolve: open } = Promise.withResolvers<void>()
    const first = lock.withLock('a', async () => {
      enter()
      await gate
      return 1
    })
    await entered
    assert.equal(await lock.withLock('b', () => 2), 2)
    open()
    assert.equal(await first, 1)
  })

  it('gives up at once when the signal aborts, and stays exclusive', async () => {
    const lock = new KeyedLock()
    const reason = new Error('stop')
    const { promise: gate, resolve: open } = Promise.withResolvers<void>()
    const ran: string[] = []
    const first = lock.withLock('a', async () => {
      await gate
      ran.push('first')
    })
    const controller = new AbortController()
    const second = lock.withLock('a', () => ran.push('second'), controller.signal)
    controller.abort(reason)
    await assert.rejects(second, reason)
    await turn()
    assert.equal(lock.size, 1, 'the first still holds the key')
    const third = lock.withLock('a', () => ran.push('third'))
    await turn()
    assert.equal(ran.length, 0)
    open()
    await Promise.all([first, third])
    assert.deepEqual(ran, ['first', 'third'])
    await turn()
    assert.equal(lock.size, 0)
    await assert.rejects(
      lock.withLock('a', () => ran.push('never'), AbortSignal.abort(reason)),
      reason,
    )
    assert.equal(lock.size, 0)
  })
})
