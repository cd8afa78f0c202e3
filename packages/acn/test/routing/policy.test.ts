import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AcnStatusError, STATUS } from '@parley/acn/protocol'
import { FrameError } from '../../src/peer/streams/read-frame.ts'
import {
  actionForAgentStatus,
  actionForPeerFailure,
  actionForPeerStatus,
  MAX_FAILED_ATTEMPTS,
  MAX_UNANSWERED_ATTEMPTS,
  retryDelay,
} from '../../src/routing/policy.ts'

test('every status of a peer has one action', () => {
  const retried = new Map<number, number | undefined>([
    [STATUS.ERROR_UNKNOWN_AGENT_ADDRESS, undefined],
    [STATUS.ERROR_AGENT_NOT_READY, undefined],
    [STATUS.ERROR_GENERIC, MAX_FAILED_ATTEMPTS],
  ])
  for (const code of Object.values(STATUS)) {
    const action = actionForPeerStatus({ code })
    if (code === STATUS.SUCCESS) assert.deepEqual(action, { type: 'delivered' })
    else if (retried.has(code)) {
      assert.equal(action.type, 'retry')
      assert.equal(action.type === 'retry' && action.limit, retried.get(code))
      assert.equal(action.type === 'retry' && action.reresolve, true)
    } else assert.deepEqual(action, { type: 'give-up', reason: 'refused', status: code })
  }
  assert.equal(actionForPeerStatus({ code: 99 }).type, 'retry')
})

test('a peer that takes envelopes and never answers is not tried for ever; one that is not there is', () => {
  const unanswered = actionForPeerFailure(new FrameError('TIMEOUT', 'no answer'))
  assert.deepEqual(unanswered, { type: 'retry', reresolve: true, limit: MAX_UNANSWERED_ATTEMPTS })
  assert.deepEqual(actionForPeerFailure(new Error('refused')), { type: 'retry', reresolve: true })
  const status = actionForPeerFailure(new AcnStatusError(STATUS.ERROR_INVALID_PROOF, 'no'))
  assert.equal(status.type, 'give-up')
})

test("an agent's error is final", () => {
  assert.deepEqual(actionForAgentStatus({ code: STATUS.SUCCESS, msgs: [] }), { type: 'delivered' })
  for (const code of [STATUS.ERROR_GENERIC, STATUS.ERROR_AGENT_NOT_READY, 77]) {
    assert.deepEqual(actionForAgentStatus({ code, msgs: [] }), { type: 'give-up', reason: 'refused', status: code })
  }
})

test('waits grow to a limit', () => {
  const delays = Array.from({ length: 12 }, (_, i) => retryDelay(i + 1, 0))
  assert.deepEqual(delays.slice(0, 3), [200, 400, 800])
  assert.equal(Math.max(...delays), 5_000)
  assert.equal(retryDelay(100, 3_600_000), 30_000)
})
