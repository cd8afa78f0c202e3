import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { AcnConnectionError, type AgentIdentity, identityFromRecords } from '@parley/acn/client'
import type { AcnNode } from '@parley/acn/node'
import { AcnStatusError, STATUS } from '@parley/acn/protocol'
import { SqliteAcnStore } from '@parley/acn/store'
import { until } from '../entrance/agents.ts'
import { folderOf, newIdentity, peerSettings, startNode, startWithAgent, TestAgent } from './network.ts'

const LOOPBACK = { host: '127.0.0.1', port: 0 }
const HOUR = 3_600_000

/** Somebody who has the agent's record for the node, as any peer has that looked it up, and not its key. */
async function copyOf(identity: AgentIdentity, node: AcnNode): Promise<AgentIdentity> {
  return identityFromRecords([await identity.recordFor(node.key.publicKeyHex)])
}

async function assertRefused(t: TestContext, node: AcnNode, copy: AgentIdentity): Promise<void> {
  for (const kind of ['delegate', 'mailbox'] as const) {
    await assert.rejects(TestAgent[kind](t, node, copy), (error) => {
      assert.ok(error instanceof AggregateError)
      const [failure] = error.errors
      assert.ok(failure instanceof AcnConnectionError && failure.code === 'REFUSED')
      assert.ok(failure.cause instanceof AcnStatusError)
      assert.equal(failure.cause.code, STATUS.ERROR_INVALID_PROOF)
      return true
    })
  }
}

test('a copied record does not get in beside an agent that gave a fresh proof, nor after it, nor after a new start', async (t) => {
  const settings = peerSettings([], { mailbox: LOOPBACK })
  const dataFolder = await folderOf(t)
  const node = await startNode(t, settings, { dataFolder })
  const identity = newIdentity()
  const copy = await copyOf(identity, node)
  const agent = await TestAgent.delegate(t, node, identity)
  const friend = await TestAgent.delegate(t, node)
  await assertRefused(t, node, copy)
  await friend.send(agent, 'still for the agent')
  assert.deepEqual(await agent.receive(), ['still for the agent'])

  await agent.client.close()
  await friend.send(identity.address, 'while it is away')
  await assertRefused(t, node, copy)
  await node.stop()
  const again = await startNode(t, settings, { dataFolder })
  await assertRefused(t, again, copy)
  const back = await TestAgent.mailbox(t, again, identity)
  assert.deepEqual(await back.receive(), ['while it is away'])
})

test('nor at the peer that the agent has left for another, over new starts of it', async (t) => {
  const settings = peerSettings([], { mailbox: LOOPBACK })
  const dataFolder = await folderOf(t)
  const left = await startNode(t, settings, { dataFolder })
  const identity = newIdentity()
  const copy = await copyOf(identity, left)
  const before = await TestAgent.delegate(t, left, identity)
  await before.client.close()
  const other = await startNode(t, peerSettings([left]))
  const agent = await TestAgent.delegate(t, other, identity)
  const isElsewhere = async () => (await left.store.getRegistration(identity.address))?.kind === 'remote'
  await until(isElsewhere)
  await assertRefused(t, left, copy)
  await left.stop()
  const again = await startNode(t, settings, { dataFolder })
  await assertRefused(t, again, copy)
  assert.equal(await agent.send(agent, 'untouched'), STATUS.SUCCESS)
  assert.deepEqual(await agent.receive(), ['untouched'])
})

test('a day later an agent may come without', async (t) => {
  const settings = peerSettings()
  const dataFolder = await folderOf(t)
  const node = await startNode(t, settings, { dataFolder })
  const identity = newIdentity()
  const record = await identity.recordFor(node.key.publicKeyHex)
  await node.stop()
  const store = await SqliteAcnStore.open(dataFolder)
  const [issuedAt, provenAt] = [Date.now() - 30 * HOUR, Date.now() - 25 * HOUR]
  await store.putRegistration({ kind: 'delegate', record, issuedAt, provenAt })
  await store.close()
  const again = await startNode(t, settings, { dataFolder })
  const agent = await TestAgent.delegate(t, again, await copyOf(identity, again))
  await agent.send(agent, 'here')
  assert.deepEqual(await agent.receive(), ['here'])
})

test("nobody takes the place of the node's own agent with its record", async (t) => {
  const { node, agent, identity } = await startWithAgent(t, [], { mailbox: LOOPBACK })
  await assertRefused(t, node, await copyOf(identity, node))
  const friend = await TestAgent.delegate(t, node)
  await friend.send(agent, 'for the own agent')
  assert.deepEqual(await agent.receive(), ['for the own agent'])
  const proven = await TestAgent.delegate(t, node, identity)
  assert.equal(await proven.send(friend, 'the agent itself may'), STATUS.SUCCESS)
})

test('where fresh proofs are required of all a record is never enough; where they are off it always is', async (t) => {
  const strict = await startNode(t, peerSettings([], { mailbox: LOOPBACK }), { challenge: 'required' })
  const identity = newIdentity()
  await assertRefused(t, strict, await copyOf(identity, strict))
  await TestAgent.delegate(t, strict, identity)
  const open = await startNode(t, peerSettings(), { challenge: 'off' })
  await TestAgent.delegate(t, open, identity)
  await TestAgent.delegate(t, open, await copyOf(identity, open))
})
