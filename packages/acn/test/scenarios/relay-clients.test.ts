import { type TestContext, test } from 'node:test'
import type { AcnNode } from '@parley/acn/node'
import { peerSettings, startNode, startWithAgent, type TestAgent } from '../node/network.ts'
import { deliver, eachToEach, echo, PATIENCE } from './parties.ts'

const timeout = PATIENCE

/** The agent of a relay client of these peers. */
async function relayed(t: TestContext, ...entries: AcnNode[]): Promise<TestAgent> {
  return (await startWithAgent(t, entries, { relayed: true })).agent
}

test('a relay client and the agent of its relay', { timeout }, async (t) => {
  const relay = await startWithAgent(t, [])
  await echo(await relayed(t, relay.node), relay.agent)
})

test('a relay client and the agent of another peer', { timeout }, async (t) => {
  const first = await startWithAgent(t, [])
  const relay = await startWithAgent(t, [first.node])
  await echo(await relayed(t, relay.node), first.agent)
})

test('two relay clients of one relay', { timeout }, async (t) => {
  const relay = await startWithAgent(t, [])
  await echo(await relayed(t, relay.node), await relayed(t, relay.node))
})

test('relay clients of different relays', { timeout }, async (t) => {
  const first = await startWithAgent(t, [])
  const second = await startWithAgent(t, [first.node])
  await echo(await relayed(t, first.node), await relayed(t, second.node))
})

test('two entry peers, with two relay clients and another peer each: all 56 pairs of agents', {
  timeout,
}, async (t) => {
  const first = await startWithAgent(t, [])
  const second = await startWithAgent(t, [first.node])
  const agents = [first.agent, second.agent]
  for (const { node } of [first, second]) {
    agents.push(await relayed(t, node), await relayed(t, node), (await startWithAgent(t, [node])).agent)
  }
  await eachToEach(agents)
})

test('three peers without agents, two relay clients of each: the same relay, and another one', {
  timeout,
}, async (t) => {
  const first = await startNode(t, peerSettings())
  const second = await startNode(t, peerSettings([first]))
  const third = await startNode(t, peerSettings([first, second]))
  const pairs: (readonly [TestAgent, TestAgent])[] = []
  for (const node of [first, second, third]) pairs.push([await relayed(t, node), await relayed(t, node)])
  for (const [one, other] of pairs) await deliver(one, other)
  await eachToEach(pairs.map(([one]) => one))
})
