import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { STATUS } from '@parley/acn/protocol'
import { PeerKey } from '@parley/acn/record'
import { registered } from '../delegate/delegate-fixture.ts'
import { FramedAgent } from '../entrance/framed-agent.ts'

import { folderOf, newIdentity, peerSettings, startNode, startWithAgent, TestAgent } from '../node/network.ts'
import { newRecord } from '../peer/test-peer.ts'
import { deliver, echo, PATIENCE, pythonDelegate, take } from './parties.ts'

const timeout = PATIENCE

test('a delegate whose connection breaks when it sends connects again, and sends again', { timeout }, async (t) => {
  const { node } = await startWithAgent(t, [])
  const [sender, receiver] = [await pythonDelegate(t, node), await pythonDelegate(t, node, 2)]
  await deliver(sender, receiver, 'before')
  sender.close()
  const again = await FramedAgent.delegate(sender.record, node.delegatePort ?? 0, { looksFirst: true })
  t.after(() => again.close())
  await echo(again, receiver)
})

test('a delegate that registers on a second connection, and leaves the first open, gets what is sent at that moment', {
  timeout,
}, async (t) => {
  const { node } = await startWithAgent(t, [])
  const port = node.delegatePort ?? 0
  const sender = await pythonDelegate(t, node)
  const record = newRecord(node.key.publicKeyHex, 1)
  // The first connection is one that nobody reads: the envelope is written to it and never answered.
  const first = await registered(t, port, record)
  first.socket.pause()
  assert.equal(await sender.send(record.address, 'at that moment'), STATUS.SUCCESS)
  const second = await FramedAgent.delegate(record, port)
  t.after(() => second.close())
  assert.deepEqual(await take(second, 1), ['at that moment'])
  // The end of the first one does not take the agent away.
  first.destroy()
  await echo(sender, second)
})

test('an agent whose pipe fails when it reads starts its node again, and gets what was given to it then', {
  timeout,
}, async (t) => {
  const genesis = await startWithAgent(t, [])
  const home = await agentlessHome(t)
  const pipe = await FramedAgent.pipe(home.record)
  const before = await home.start([genesis.node], pipe.port)
  const broken = await pipe.connected
  await deliver(genesis.agent, broken, 'before')
  // Its node finds that out by itself when the pipe is gone.
  broken.close()
  assert.equal(await genesis.agent.send(home.record.address, 'at that moment'), STATUS.SUCCESS)
  await before.stop()
  const again = await FramedAgent.pipe(home.record)
  await home.start([genesis.node], again.port)
  const agent = await again.connected
  t.after(() => agent.close())
  assert.deepEqual(await take(agent, 1), ['at that moment'])
  // And one that fails when it writes sends by the new pipe.
  await echo(agent, genesis.agent)
})

test('a client and its node leave each other in either order', { timeout }, async (t) => {
  const { node, agent } = await startWithAgent(t, [], { mailbox: { host: '127.0.0.1', port: 0 } })
  const clients = [await TestAgent.delegate(t, node), await TestAgent.mailbox(t, node)]
  for (const client of clients) await echo(client, agent)
  await clients[0]?.client.close()
  await node.stop()
  await clients[1]?.take('disconnected')
  await clients[1]?.client.close()
  await assert.rejects(TestAgent.delegate(t, node), AggregateError)
})

/** A peer's key, folder and agent's record, with which a node is started several times. */
async function agentlessHome(t: TestContext) {
  const peerKey = randomBytes(32)
  const record = await newIdentity().recordFor(new PeerKey(peerKey).publicKeyHex)
  const dataFolder = await folderOf(t)
  const start = (entries: Parameters<typeof peerSettings>[0], port: number) => {
    const pipe = { agentAddress: record.address, port }
    return startNode(t, peerSettings(entries, { peerKey, record, pipe }), { dataFolder })
  }
  return { record, start }
}
