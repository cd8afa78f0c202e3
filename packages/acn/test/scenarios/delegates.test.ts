import { test } from 'node:test'
import { peerSettings, startNode, startWithAgent, TestAgent } from '../node/network.ts'
import { deliver, eachToEach, echo, goDelegate, PATIENCE, pythonDelegate } from './parties.ts'

const timeout = PATIENCE
/** Numbers of ledgers, for {@link pythonDelegate}. */
const [COSMOS, ETHEREUM] = [1, 2]

test('a delegate and the agent of its node', { timeout }, async (t) => {
  const { node, agent } = await startWithAgent(t, [])
  await echo(await goDelegate(t, node), agent)
})

test('a delegate and the agent of the peer that its node joined', { timeout }, async (t) => {
  const first = await startWithAgent(t, [])
  const second = await startWithAgent(t, [first.node])
  await echo(await goDelegate(t, second.node), first.agent)
})

test('a delegate and the agent of a peer, whose nodes joined a third', { timeout }, async (t) => {
  const entry = await startNode(t, peerSettings())
  const first = await startWithAgent(t, [entry])
  const second = await startWithAgent(t, [entry])
  await echo(await goDelegate(t, second.node), first.agent)
})

test('two delegates of one node', { timeout }, async (t) => {
  const { node } = await startWithAgent(t, [])
  await echo(await goDelegate(t, node), await goDelegate(t, node))
})

test('delegates of two nodes, of which the first has no agent', { timeout }, async (t) => {
  const first = await startNode(t, peerSettings())
  const second = await startWithAgent(t, [first])
  await echo(await goDelegate(t, second.node), await goDelegate(t, first))
})

test('a delegate and a relay client of the same node', { timeout }, async (t) => {
  const { node } = await startWithAgent(t, [])
  const { agent } = await startWithAgent(t, [node], { relayed: true })
  await echo(await goDelegate(t, node), agent)
})

test('a delegate of one peer and a relay client of another', { timeout }, async (t) => {
  const first = await startWithAgent(t, [])
  const second = await startWithAgent(t, [first.node])
  const { agent } = await startWithAgent(t, [first.node], { relayed: true })
  await echo(await goDelegate(t, second.node), agent)
})

test('delegates on two ledgers that look at the certificate first, and the agent of their node', {
  timeout,
}, async (t) => {
  const { node, agent } = await startWithAgent(t, [])
  const [one, other] = [await pythonDelegate(t, node, COSMOS), await pythonDelegate(t, node, ETHEREUM)]
  await echo(one, other)
  await echo(one, agent)
})

test('delegates that look at the certificate first, of two nodes, and the agents of both nodes', {
  timeout,
}, async (t) => {
  const first = await startWithAgent(t, [])
  const second = await startWithAgent(t, [first.node])
  const agents = [first.agent, second.agent]
  const delegates = [await pythonDelegate(t, first.node), await pythonDelegate(t, second.node, ETHEREUM)]
  await eachToEach([...agents, ...delegates])
})

test('three peers without agents, two delegates of each: the same node, and another one', { timeout }, async (t) => {
  const first = await startNode(t, peerSettings())
  const second = await startNode(t, peerSettings([first]))
  const third = await startNode(t, peerSettings([first, second]))
  const pairs: (readonly [TestAgent, TestAgent])[] = []
  for (const node of [first, second, third]) {
    pairs.push([await TestAgent.delegate(t, node), await TestAgent.delegate(t, node)])
  }
  for (const [one, other] of pairs) await deliver(one, other)
  await eachToEach(pairs.map(([one]) => one))
})
