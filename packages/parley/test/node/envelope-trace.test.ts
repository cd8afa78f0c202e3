import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CARRIED, type NotDelivered, type TraceEvent } from '@parley/acn/store'
import type { EnvelopeState } from '../../src/channel/index.ts'
import { type EnvelopeTrace, traceOf } from '../../src/node/envelope-trace.ts'

const ID = 'ab'.repeat(16)
const NAMES = { sender: 'a', to: 'b' }

function step(event: string, detail?: string, names = {}): TraceEvent {
  return { id: ID, at: 1000, event, ...(detail !== undefined && { detail }), ...names }
}

async function trace(
  steps: readonly TraceEvent[],
  inChannel?: EnvelopeState | 'at router',
  lost: readonly NotDelivered[] = [],
): Promise<Omit<EnvelopeTrace, 'hops'> | undefined> {
  const traced = await traceOf(ID, {
    steps,
    lost,
    privateState: async (from, to) => (from === 'a' && to === 'b' ? inChannel : undefined),
  })
  if (!traced) return undefined
  const { hops, ...rest } = traced
  assert.equal(hops.length, steps.length)
  return rest
}

const received = step('received', 'delegate 127.0.0.1:1', NAMES)
const handedOver = step('handed over', CARRIED)

test('nothing is known of an envelope that nobody has seen', async () => {
  assert.equal(await trace([]), undefined)
})

test('the private way, from waiting to the end', async () => {
  const known = { id: ID, from: 'a', to: 'b' }
  const states = [
    ['waiting', 'waiting'],
    ['sent', 'sent'],
    ['at router', 'at router'],
    ['stored', 'at peer'],
    ['delivered', 'delivered'],
    ['expired', 'not delivered'],
  ] as const
  for (const [inChannel, state] of states) {
    const expected = { ...known, way: 'private', state }
    assert.deepEqual(await trace([received, handedOver], inChannel), expected)
  }
  // The channel has forgotten it.
  assert.deepEqual(await trace([received, handedOver]), { ...known, way: 'private', state: 'sent' })
  const delivered = [received, handedOver, step('delivered', CARRIED)]
  assert.deepEqual(await trace(delivered), { ...known, way: 'private', state: 'delivered' })
  // At the receiver's node.
  const arrived = [step('received', CARRIED, NAMES), step('delivered', 'agent')]
  assert.deepEqual(await trace(arrived), { ...known, way: 'private', state: 'delivered' })
})

test('the plain way, and none yet', async () => {
  const known = { id: ID, from: 'a', to: 'b' }
  assert.deepEqual(await trace([received]), { ...known, state: 'waiting' })
  const failed = [received, step('attempt-failed', 'no contact card was found')]
  assert.deepEqual(await trace(failed), { ...known, state: 'waiting', reason: 'no contact card was found' })
  assert.deepEqual(await trace([...failed, step('delivered', 'peer')]), { ...known, way: 'plain', state: 'at peer' })
  // One that was never written has a single step.
  assert.deepEqual(await trace([step('delivered', 'agent', NAMES)]), { ...known, way: 'plain', state: 'delivered' })
})

test('what was given up says why, also when its steps are gone', async () => {
  const lost = { id: ID, ...NAMES, reason: 'refused', status: 34, attempts: 1, size: 0, receivedAt: 1, at: 2 } as const
  const expected = { id: ID, from: 'a', to: 'b', state: 'not delivered', reason: 'refused, status 34' }
  assert.deepEqual(await trace([], undefined, [lost]), expected)
  const steps = [received, handedOver, step('not-delivered', 'expired')]
  assert.deepEqual(await trace(steps, 'expired'), { ...expected, way: 'private', reason: 'expired' })
})
