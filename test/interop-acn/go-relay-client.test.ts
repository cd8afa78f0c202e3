import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { STATUS } from '@parley/acn/protocol'
import { FramedAgent } from '../../packages/acn/test/entrance/framed-agent.ts'
import { peerSettings, startNode, TestAgent } from '../../packages/acn/test/node/network.ts'
import { newRecord } from '../../packages/acn/test/peer/test-peer.ts'
import { GoNode, WITHOUT_GO_NODE } from './go-node.ts'

test('an agent of ours as a relay client of the original node', {
  skip: WITHOUT_GO_NODE,
  timeout: 60_000,
}, async (t) => {
  const go = await GoNode.start({ privateKey: randomBytes(32) })
  t.after(() => go.stop())
  const ours = await startNode(t, peerSettings([], { entryPeers: [entryOf(go)] }))
  const delegate = await FramedAgent.delegate(newRecord(go.key.publicKeyHex), go.ports.delegate)
  t.after(() => delegate.close())
  const agent = await TestAgent.relay(t, [go, ours])
  const second = await TestAgent.relay(t, [go])
  const far = await TestAgent.delegate(t, ours)

  assert.equal(await agent.send(delegate.address, 'to its delegate'), STATUS.SUCCESS)
  const received = await delegate.received.take(AbortSignal.timeout(10_000))
  assert.equal(Buffer.from(received?.message ?? []).toString(), 'to its delegate')
  await delegate.send(agent.address, Buffer.from('from its delegate'))
  assert.deepEqual(await agent.receive(), ['from its delegate'])
  for (const [from, to] of [
    [agent, second],
    [second, agent],
    [agent, far],
    [far, agent],
  ] as const) {
    assert.equal(await from.send(to, 'over the original'), STATUS.SUCCESS)
    assert.deepEqual(await to.receive(), ['over the original'])
  }

  await go.stop()
  assert.equal(await agent.send(far, 'over ours'), STATUS.SUCCESS)
  assert.deepEqual(await far.receive(), ['over ours'])
  assert.equal(await far.send(agent, 'back'), STATUS.SUCCESS)
  assert.deepEqual(await agent.receive(), ['back'])
})

function entryOf({ key, ports }: GoNode) {
  return { protocol: 'dns4' as const, host: '127.0.0.1', port: ports.libp2p, peerId: key.peerId }
}
