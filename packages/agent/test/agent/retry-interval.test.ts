import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { DEFAULT_CONFIG } from '../../src/config.ts'
import { nextDelay, pause, type RetryInterval } from '../../src/retry-interval.ts'

describe('retry intervals', () => {
  it('grow by half after a while, up to the maximum', () => {
    const interval: RetryInterval = { initial: 2000, increaseAfter: 10_000, max: 10_000 }
    assert.equal(nextDelay(interval, 9999, 2000), 2000)
    assert.equal(nextDelay(interval, 10_000, 2000), 3000)
    assert.equal(nextDelay(interval, 20_000, 3000), 4500)
    assert.equal(nextDelay(interval, 20_000, 8000), 10_000)
    assert.equal(nextDelay(interval, 20_000, 10_000), 10_000)
  })

  it('never shrink and never exceed the maximum', () => {
    const intervals = [DEFAULT_CONFIG.fastRetry, DEFAULT_CONFIG.slowRetry, DEFAULT_CONFIG.reconnectRetry]
    fc.assert(
      fc.property(
        fc.constantFrom(...intervals),
        fc.nat(1e8),
        fc.integer({ min: 1, max: 64 }),
        (interval, elapsed, n) => {
          let delay = interval.initial
          for (let i = 0; i < n; i++) {
            const next = nextDelay(interval, elapsed, delay)
            assert.ok(next >= delay && next <= Math.max(interval.max, interval.initial))
            delay = next
          }
        },
      ),
    )
  })

  it('are those of the network', () => {
    assert.deepEqual(DEFAULT_CONFIG.fastRetry, { initial: 2000, increaseAfter: 10_000, max: 120_000 })
    assert.deepEqual(DEFAULT_CONFIG.slowRetry, { initial: 300_000, increaseAfter: 60_000, max: 21_600_000 })
    assert.deepEqual(DEFAULT_CONFIG.reconnectRetry, { initial: 2000, increaseAfter: 10_000, max: 180_000 })
  })
})

describe('a pause', () => {
  it('ends by itself, by waking, or by its signal', async () => {
    const { signal } = new AbortController()
    assert.equal(await pause(1, signal), false)
    assert.equal(await pause(60_000, signal, Promise.resolve()), true)
    const controller = new AbortController()
    const paused = pause(60_000, controller.signal)
    controller.abort(new Error('enough'))
    await assert.rejects(paused, /enough/)
    await assert.rejects(pause(60_000, controller.signal), /enough/)
  })
})
