import assert from 'node:assert/strict'
import { test } from 'node:test'
import { STATUS } from '@parley/acn/protocol'
import { BoundedQueue } from '@parley/core/queue'
import { folderOf, startNode, startWithAgent, TestAgent } from './network.ts'

test('while its relay is away a relay client sends and gets nothing, and then everything', {
  timeout: 120_000,
}, async (t) => {
  const slow = new BoundedQueue<string>(100)
  const log = (_: string, line: string) => void (line.includes('while sending slow envelope') && slow.tryPut(line))
  const first = await startWithAgent(t, [], { log })
  const dataFolder = await folderOf(t)
  const relay = await startWithAgent(t, [first.node], { dataFolder })
  const client = await startWithAgent(t, [relay.node], { relayed: true, log })
  const { agent: near } = first
  const { agent: far } = client
  // From here on they know each other, and have a connection that does not lead through the relay.
  for (const [from, to] of [
    [near, far],
    [far, near],
  ] as const) {
    assert.equal(await from.send(to, 'before'), STATUS.SUCCESS)
    assert.deepEqual(await to.receive(), ['before'])
  }
  const port = relay.node.host.port ?? 0
  await relay.node.stop()
  assert.equal(await near.send(far, 'to the client'), STATUS.SUCCESS)
  assert.equal(await far.send(near, 'from the client'), STATUS.SUCCESS)
  await slow.take()
  await slow.take()

  // Where it was; its own agent may stay away.
  const { pipe, record, ...settings } = relay.settings
  const listen = { host: '127.0.0.1', port }
  const again = await startNode(t, { ...settings, listen, publicUri: listen }, { dataFolder })
  assert.deepEqual([await far.receive(), await near.receive()], [['to the client'], ['from the client']])
  const delegate = await TestAgent.delegate(t, again)
  assert.equal(await delegate.send(far, 'after'), STATUS.SUCCESS)
  assert.deepEqual(await far.receive(), ['after'])
})
