import { type TestContext, test } from 'node:test'
import { LEDGERS } from '@parley/acn/record'
import { newIdentity, peerSettings, startNode, startWithAgent, type TestAgent } from '../node/network.ts'
import { deliver, eachToEach, echo, PATIENCE, pingAllAtOnce } from './parties.ts'

const timeout = PATIENCE

test('an agent at a pipe writes to itself', { timeout }, async (t) => {
  const { agent } = await startWithAgent(t, [])
  await deliver(agent, agent)
})

test('agents of a peer and of the peer that it joined', { timeout }, async (t) => {
  const first = await startWithAgent(t, [])
  const second = await startWithAgent(t, [first.node])
  await echo(second.agent, first.agent)
})

test('agents of two peers that joined a third', { timeout }, async (t) => {
  const entry = await startNode(t, peerSettings())
  const first = await startWithAgent(t, [entry])
  const second = await startWithAgent(t, [entry])
  await echo(second.agent, first.agent)
})

test('agents of peers that joined different entry peers, of which one joined the other', { timeout }, async (t) => {
  const entry = await startNode(t, peerSettings())
  const second = await startWithAgent(t, [entry])
  const [left, right] = [await startWithAgent(t, [entry]), await startWithAgent(t, [second.node])]
  await echo(right.agent, left.agent)
})

test('ten peers, each joined to all before it: each agent pings each', { timeout }, async (t) => {
  const peers: Awaited<ReturnType<typeof startWithAgent>>[] = []
  while (peers.length < 10) {
    const entries = peers.map(({ node }) => node)
    peers.push(await startWithAgent(t, entries))
  }
  await pingAllAtOnce(peers.map(({ agent }) => agent))
})

test('four peers around one: all pairs of agents, on all ledgers', { timeout }, async (t) => {
  const agents = await star(t, 5)
  await eachToEach(agents)
})

/** Agents of a peer and of others that joined it. */
async function star(t: TestContext, count: number): Promise<TestAgent[]> {
  const middle = await startWithAgent(t, [])
  const agents = [middle.agent]
  while (agents.length < count) {
    const identity = newIdentity(LEDGERS[agents.length % LEDGERS.length])
    agents.push((await startWithAgent(t, [middle.node], { identity })).agent)
  }
  return agents
}
