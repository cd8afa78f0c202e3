import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { WorkerPool } from '../../src/worker-pool.ts'

function poolOf(run: (key: string) => Promise<void>) {
  const controller = new AbortController()
  const failures: string[] = []
  const { promise: givenUp, resolve } = Promise.withResolvers<string>()
  const pool = new WorkerPool<string>({
    run,
    onFailure: (key, error) => failures.push(`${key}: ${(error as Error).message}`),
    onGivenUp: (key) => resolve(key),
    closing: controller.signal,
  })
  return { pool, controller, failures, givenUp }
}

describe('a pool of workers', () => {
  it('runs one worker a key, again when it was woken meanwhile', async () => {
    const runs = new Map<string, number>()
    let running = 0
    const { promise: gate, resolve: open } = Promise.withResolvers<void>()
    const { pool } = poolOf(async (key) => {
      runs.set(key, (runs.get(key) ?? 0) + 1)
      running++
      assert.ok(running <= 2)
      await gate
      running--
    })
    pool.wake('a')
    pool.wake('b')
    pool.wake('a')
    pool.wake('a')
    open()
    await pool.stopped()
    assert.deepEqual(
      [...runs],
      [
        ['a', 2],
        ['b', 1],
      ],
    )
    pool.wake('a')
    await pool.stopped()
    assert.equal(runs.get('a'), 3)
  })

  it('starts a worker that fails again, five times a minute', async () => {
    let runs = 0
    const { pool, failures, givenUp } = poolOf(async () => {
      runs++
      throw new Error(`failure ${runs}`)
    })
    pool.wake('a')
    assert.equal(await givenUp, 'a')
    assert.equal(runs, 6)
    assert.deepEqual(
      failures,
      [1, 2, 3, 4, 5].map((n) => `a: failure ${n}`),
    )
    pool.wake('a')
    await pool.stopped()
    assert.equal(runs, 6)
  })

  it('starts nothing after closing', async () => {
    let runs = 0
    const { pool, controller } = poolOf(async () => {
      runs++
    })
    controller.abort()
    pool.wake('a')
    await pool.stopped()
    assert.equal(runs, 0)
  })
})
