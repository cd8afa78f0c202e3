import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EnqueueOutcome } from '@parley/acn/store'
import { QueueAdmission } from '../../src/routing/queue-admission.ts'

const LIMITS = { maxPerPair: 2, maxPerAgent: 3, maxBytesPerAgent: 100, maxEnvelopes: 10, maxBytes: 1000 }

function admitting(admission = new QueueAdmission(LIMITS)) {
  const stored: string[] = []
  const admit = (sender: string, name: string, { size = 1, wait = 60_000 } = {}): Promise<EnqueueOutcome> =>
    admission.admit({ to: 'agent', sender, size, deadline: Date.now() + wait }, async () => {
      stored.push(name)
      return { accepted: true, number: stored.length }
    })
  const leave = (sender: string, size = 1) => admission.leave({ to: 'agent', sender, size })
  return { admission, stored, admit, leave }
}

test('those of a full pair wait in order; other pairs pass', async () => {
  const { stored, admit, leave, admission } = admitting()
  const all = ['a1', 'a2', 'a3', 'a4'].map((name) => admit('a', name))
  const b = admit('b', 'b1')
  assert.deepEqual(stored, ['a1', 'a2', 'b1'])
  leave('b')
  assert.deepEqual(stored, ['a1', 'a2', 'b1'])
  leave('a')
  leave('a')
  assert.deepEqual(stored, ['a1', 'a2', 'b1', 'a3', 'a4'])
  assert.ok((await Promise.all([...all, b])).every(({ accepted }) => accepted))
  assert.equal(admission.count, 2)
})

test('the agent is full for all of its senders, by number and by bytes', async () => {
  const { stored, admit, leave } = admitting()
  await Promise.all([admit('a', 'a1'), admit('b', 'b1'), admit('c', 'c1')])
  const waiting = admit('d', 'd1')
  assert.equal(stored.length, 3)
  leave('a')
  await waiting
  leave('b')
  leave('c')
  leave('d')
  await admit('a', 'large', { size: 90 })
  assert.deepEqual(await admit('b', 'too much', { size: 20, wait: 0 }), { accepted: false, reason: 'agent-full' })
})

test('who waits longer than it likes is refused, and what follows may pass', async () => {
  const { stored, admit, leave } = admitting()
  await Promise.all([admit('a', 'a1'), admit('a', 'a2')])
  assert.deepEqual(await admit('a', 'a3', { wait: 1 }), { accepted: false, reason: 'pair-full' })
  leave('a')
  await admit('a', 'a4')
  assert.deepEqual(stored, ['a1', 'a2', 'a4'])
})

test('a place that the store did not use is free again', async () => {
  const admission = new QueueAdmission(LIMITS)
  const applicant = { to: 'agent', sender: 'a', size: 1, deadline: Date.now() }
  const refused = await admission.admit(applicant, async () => ({ accepted: false, reason: 'duplicate' }))
  assert.deepEqual(refused, { accepted: false, reason: 'duplicate' })
  await assert.rejects(admission.admit(applicant, () => Promise.reject(new Error('disk'))))
  assert.equal(admission.count, 0)
})
