import assert from 'node:assert/strict'
import { test } from 'node:test'
import { STATUS } from '@parley/acn/protocol'
import { newIdentity, startWithAgent } from '../node/network.ts'
import { PATIENCE, take } from './parties.ts'

/** How long the originals' test waits for the line, ms. */
const LINE_PATIENCE = 30_000

test('an envelope to nobody is taken, and the log has its line in time; one to a known agent arrives meanwhile', {
  timeout: PATIENCE,
}, async (t) => {
  const logged = Promise.withResolvers<number>()
  const log = (_: string, line: string) => {
    if (line.startsWith('while sending slow envelope:')) logged.resolve(performance.now())
  }
  const first = await startWithAgent(t, [])
  const sender = await startWithAgent(t, [first.node], { log })
  await startWithAgent(t, [first.node])
  const known = await startWithAgent(t, [first.node])
  const started = performance.now()
  assert.equal(await sender.agent.send(known.agent, 'to a known agent'), STATUS.SUCCESS)
  assert.equal(await sender.agent.send(newIdentity().address, 'to nobody'), STATUS.SUCCESS)
  assert.deepEqual(await take(known.agent, 1), ['to a known agent'])
  assert.ok((await logged.promise) - started < LINE_PATIENCE)
})
