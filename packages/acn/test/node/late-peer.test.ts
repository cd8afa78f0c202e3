import assert from 'node:assert/strict'
import { test } from 'node:test'
import { STATUS } from '@parley/acn/protocol'
import { startWithAgent } from './network.ts'

test('a peer that joins later reaches a relay client', { timeout: 60_000 }, async (t) => {
  const relay = await startWithAgent(t, [])
  const client = await startWithAgent(t, [relay.node], { relayed: true })
  const late = await startWithAgent(t, [relay.node])
  assert.equal(await late.agent.send(client.agent, 'hello'), STATUS.SUCCESS)
  assert.deepEqual(await client.agent.receive(), ['hello'])
  assert.equal(await client.agent.send(late.agent, 'hello'), STATUS.SUCCESS)
  assert.deepEqual(await late.agent.receive(), ['hello'])
})
