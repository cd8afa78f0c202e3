import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { ProviderStore } from '../../../src/peer/dht/provider-store.ts'

const key = (n: number) => Uint8Array.of(0x12, n >> 8, n)
const provider = (n: number) => ({ id: Uint8Array.of(n), addresses: [Uint8Array.of(4, n)] })
const ids = (store: ProviderStore, k: number, now?: number) => store.get(key(k), now).map(({ id }) => id[0])

describe('providers that others told of', () => {
  test('the newest comes first, and one that says it again is new', () => {
    const store = new ProviderStore({ limit: 100, limitPerProvider: 100 })
    for (const n of [1, 2, 3, 1]) store.add(key(7), provider(n))
    assert.deepEqual(ids(store, 7), [1, 3, 2])
    assert.equal(store.size, 3)
    assert.deepEqual(ids(store, 8), [])
  })

  test('a record ends with its validity', () => {
    const store = new ProviderStore({ limit: 100, limitPerProvider: 100, validity: 1000 })
    store.add(key(1), provider(1), 0)
    store.add(key(1), provider(2), 500)
    assert.deepEqual(ids(store, 1, 999), [2, 1])
    assert.deepEqual(ids(store, 1, 1000), [2])
    store.add(key(2), provider(3), 5000)
    assert.equal(store.size, 1)
  })

  test('a provider that says too much is not heard, the others are', () => {
    const store = new ProviderStore({ limit: 100, limitPerProvider: 2 })
    assert.deepEqual(
      [1, 2, 3].map((k) => store.add(key(k), provider(1))),
      [true, true, false],
    )
    assert.ok(store.add(key(1), provider(1)), 'it may still repeat what it said')
    assert.ok(store.add(key(3), provider(2)))
    assert.deepEqual(ids(store, 3), [2])
  })

  test('a key keeps its newest providers', () => {
    const store = new ProviderStore({ limit: 100, limitPerProvider: 100, limitPerKey: 2 })
    for (const n of [1, 2, 3]) store.add(key(1), provider(n))
    assert.deepEqual(ids(store, 1), [3, 2])
  })

  test('never holds more than its limits, and what it gives was told', () => {
    const step = fc.tuple(fc.nat(20), fc.nat(8))
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const store = new ProviderStore({ limit: 10, limitPerProvider: 4, limitPerKey: 3 })
        for (const [i, [k, n]] of steps.entries()) store.add(key(k), provider(n), i)
        assert.ok(store.size <= 10)
        const held = Array.from({ length: 21 }, (_, k) => ids(store, k, steps.length))
        assert.equal(held.flat().length, store.size)
        assert.ok(held.every((list) => list.length <= 3))
        for (let n = 0; n <= 8; n++) assert.ok(held.flat().filter((id) => id === n).length <= 4)
      }),
    )
  })
})
