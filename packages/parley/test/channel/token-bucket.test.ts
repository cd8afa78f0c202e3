import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { TokenBucket, TokenBuckets } from '../../src/channel/token-bucket.ts'

describe('token buckets', () => {
  it('let through a burst, and then so many a second', () => {
    let now = 1000
    const bucket = new TokenBucket({ perSecond: 2, burst: 3 }, () => now)
    assert.deepEqual(
      [1, 2, 3, 4].map(() => bucket.tryTake()),
      [true, true, true, false],
    )
    assert.equal(bucket.wait, 500)
    now += 499
    assert.equal(bucket.tryTake(), false)
    now += 1
    assert.equal(bucket.wait, 0)
    assert.deepEqual(
      [1, 2].map(() => bucket.tryTake()),
      [true, false],
    )
    now += 60_000
    assert.equal(bucket.isFull, true)
    assert.deepEqual(
      [1, 2, 3, 4].map(() => bucket.tryTake()),
      [true, true, true, false],
    )
  })

  it('are counted for each key, a bounded number of keys', () => {
    let now = 0
    const buckets = new TokenBuckets({ perSecond: 1, burst: 1 }, () => now, 2)
    assert.deepEqual(
      ['a', 'a', 'b'].map((key) => buckets.tryTake(key)),
      [true, false, true],
    )
    // The one that was used first is forgotten for the third.
    assert.deepEqual(
      ['c', 'b', 'a'].map((key) => buckets.tryTake(key)),
      [true, false, true],
    )
    now += 5000
    assert.deepEqual(
      ['d', 'a', 'a'].map((key) => buckets.tryTake(key)),
      [true, true, false],
    )
  })
})
