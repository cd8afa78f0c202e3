import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { AgentEvent } from '../../src/events.ts'
import { SubQueue } from '../../src/sub-queue.ts'

const fail = (error: unknown) => {
  throw error
}

const event = (n: number): AgentEvent => ({ event: 'SENT', connId: 'c', msgId: n })
const numberOf = (e: AgentEvent): number => (e.event === 'SENT' ? e.msgId : -1)
const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('subQ', () => {
  it('holds as many events as it may and makes the next one wait', async () => {
    const queue = new SubQueue(2, fail)
    await queue.put({ event: event(1) })
    await queue.put({ event: event(2) })
    let third = false
    const waiting = queue.put({ event: event(3) }).then(() => {
      third = true
    })
    await turn()
    assert.equal(third, false)
    const reader = queue.read()
    assert.equal(numberOf((await reader.next()).value as AgentEvent), 1)
    await waiting
    assert.equal(numberOf((await reader.next()).value as AgentEvent), 2)
    assert.equal(numberOf((await reader.next()).value as AgentEvent), 3)
    queue.close()
    assert.equal((await reader.next()).done, true)
  })

  it('counts an event as taken when the next one is asked for', async () => {
    const queue = new SubQueue(8, fail)
    const taken: number[] = []
    for (const n of [1, 2]) await queue.put({ event: event(n), taken: () => taken.push(n) })
    const reader = queue.read()
    await reader.next()
    await turn()
    assert.deepEqual(taken, [])
    await reader.next()
    await turn()
    assert.deepEqual(taken, [1])
    await reader.return()
    await turn()
    assert.deepEqual(taken, [1, 2])
  })

  it('leaves out events that nobody needs any more', async () => {
    const queue = new SubQueue(8, fail)
    let stale = false
    await queue.put({ event: event(1), isStale: () => stale })
    await queue.put({ event: event(2), isStale: () => stale })
    await queue.put({ event: event(3) })
    const reader = queue.read()
    assert.equal(numberOf((await reader.next()).value as AgentEvent), 1)
    stale = true
    assert.equal(numberOf((await reader.next()).value as AgentEvent), 3)
    queue.close()
  })

  it('keeps an event for the next reader when the last one has gone', async () => {
    const queue = new SubQueue(8, fail)
    const first = queue.read()
    const waiting = first.next()
    await queue.put({ event: event(1) })
    assert.equal(numberOf((await waiting).value as AgentEvent), 1)
    await first.return()
    await queue.put({ event: event(2) })
    await turn()
    const second = queue.read()
    assert.equal(numberOf((await second.next()).value as AgentEvent), 2)
    await second.return()
    queue.close()
    assert.equal((await queue.read().next()).done, true)
  })

  it('gives the rest to readers after closing and takes no more', async () => {
    const queue = new SubQueue(8, fail)
    await queue.put({ event: event(1) })
    queue.close()
    await assert.rejects(queue.put({ event: event(2) }))
    const seen: number[] = []
    for await (const e of queue.read()) seen.push(numberOf(e))
    assert.deepEqual(seen, [1])
  })

  it('goes at the pace of the slowest handler and survives one that fails', async () => {
    const errors: unknown[] = []
    const queue = new SubQueue(8, (error) => errors.push(error))
    const order: string[] = []
    queue.on('SENT', async ({ msgId }) => {
      await turn()
      order.push(`slow ${msgId}`)
    })
    queue.on('SENT', ({ msgId }) => {
      order.push(`fast ${msgId}`)
      throw new Error('no')
    })
    const { promise, resolve } = Promise.withResolvers<void>()
    await queue.put({ event: event(1) })
    await queue.put({ event: event(2), taken: resolve })
    await promise
    assert.deepEqual(order, ['slow 1', 'fast 1', 'slow 2', 'fast 2'])
    assert.equal(errors.length, 2)
    queue.close()
  })
})
