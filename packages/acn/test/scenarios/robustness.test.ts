import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { STATUS } from '@parley/acn/protocol'
import fc from 'fast-check'
import { peerSettings, startNode, startWithAgent, TestAgent } from '../node/network.ts'
import { deliver, PATIENCE, type Party, pairsOf, take } from './parties.ts'

const timeout = PATIENCE

/** Three peers without agents, with a relay client and a delegate each. */
async function sixAgents(t: TestContext): Promise<TestAgent[]> {
  const first = await startNode(t, peerSettings())
  const second = await startNode(t, peerSettings([first]))
  const third = await startNode(t, peerSettings([first, second]))
  const agents: TestAgent[] = []
  for (const node of [first, second, third]) {
    agents.push((await startWithAgent(t, [node], { relayed: true })).agent, await TestAgent.delegate(t, node))
  }
  return agents
}

/** That many pairs, chosen at random; all kinds of them among 100. */
function randomPairs(agents: readonly Party[], count: number): (readonly [Party, Party])[] {
  const pairs = pairsOf(agents)
  return Array.from({ length: count }, () => pairs[Math.floor(Math.random() * pairs.length)] ?? assert.fail())
}

test('100 and 1,000 envelopes of random pairs, each when the one before has come', { timeout }, async (t) => {
  const agents = await sixAgents(t)
  for (const count of [100, 1_000]) {
    for (const [i, [from, to]] of randomPairs(agents, count).entries()) await deliver(from, to, `${count}: ${i}`)
  }
})

test('100 and 1,000 envelopes of random pairs at once: all come, those of each pair in order', {
  timeout,
}, async (t) => {
  const agents = await sixAgents(t)
  for (const count of [100, 1_000]) {
    const pairs = randomPairs(agents, count).map(([from, to], i) => ({ from, to, words: `${from.address} ${i}` }))
    const arriving = agents.map((agent) => take(agent, pairs.filter(({ to }) => to === agent).length))
    const codes = await Promise.all(pairs.map(({ from, to, words }) => from.send(to.address, words)))
    assert.deepEqual(new Set(codes), new Set([STATUS.SUCCESS]))
    for (const [i, got] of (await Promise.all(arriving)).entries()) {
      for (const { address } of agents) {
        const expected = pairs.filter(({ from, to }) => from.address === address && to === agents[i])
        assert.deepEqual(
          got.filter((words) => words.startsWith(address)),
          expected.map(({ words }) => words),
        )
      }
    }
  }
})

test('whatever bytes a message has, they come as they were', { timeout }, async (t) => {
  const agents = await sixAgents(t)
  const pairs = pairsOf(agents)
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 5_000 }), fc.nat(pairs.length - 1), async (message, number) => {
      const [from, to] = pairs[number] ?? assert.fail()
      const head = { to: to.address, sender: from.address, protocolId: 'fetchai/default:1.0.0', uri: '' }
      const { code } = await from.client.send({ ...head, message })
      assert.equal(code, STATUS.SUCCESS)
      assert.deepEqual(Buffer.from((await to.next()).message), Buffer.from(message))
    }),
  )
})
