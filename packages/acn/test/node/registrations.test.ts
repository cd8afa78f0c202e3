import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import type { AcnNode } from '@parley/acn/node'
import { STATUS } from '@parley/acn/protocol'
import { createRecord, LEDGERS, PeerKey, signRegistration } from '@parley/acn/record'
import { LINK_PROTOCOL } from '../../src/link/link-frames.ts'
import { OutgoingLink } from '../../src/link/outgoing-link.ts'
import { until } from '../entrance/agents.ts'
import { TestPeer } from '../peer/test-peer.ts'
import { folderOf, newIdentity, numbered, peerSettings, startNode, startWithAgent, TestAgent } from './network.ts'

const LEDGER = LEDGERS[0]

/** Peers that all know each other. */
async function startPeers(t: TestContext, count: number): Promise<[AcnNode, AcnNode, ...AcnNode[]]> {
  const nodes: AcnNode[] = []
  while (nodes.length < count) nodes.push(await startNode(t, peerSettings(nodes)))
  const [first, second, ...rest] = nodes
  assert.ok(first && second)
  return [first, second, ...rest]
}

/** Which peer an agent is at, as a node finds out for others; waits until that is this one. */
async function untilFoundAt(node: AcnNode, address: string, at: AcnNode): Promise<void> {
  const signal = AbortSignal.timeout(10_000)
  for (;;) {
    signal.throwIfAborted()
    const record = await node.router.lookup(address, 'nobody', signal).catch(() => undefined)
    if (record?.peerPublicKey === at.key.publicKeyHex) return
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test('after an agent has moved everybody finds it at its new peer, whatever the old one thinks', async (t) => {
  const [first, second, third] = await startPeers(t, 3)
  assert.ok(third)
  const identity = newIdentity()
  const sender = await TestAgent.delegate(t, third)
  const before = await TestAgent.delegate(t, first, identity)
  assert.equal(await sender.send(identity.address, 'one'), STATUS.SUCCESS)
  assert.deepEqual(await before.receive(), ['one'])
  // The old session stays open: the old peer learns from the new one.
  const after = await TestAgent.delegate(t, second, identity)
  for (const node of [first, second, third]) await untilFoundAt(node, identity.address, second)
  assert.equal((await before.take('disconnected')).type, 'disconnected')
  await before.client.close()
  assert.equal(await sender.send(identity.address, 'two'), STATUS.SUCCESS)
  const near = await TestAgent.delegate(t, first)
  assert.equal(await near.send(identity.address, 'three'), STATUS.SUCCESS)
  assert.deepEqual(await after.receive(2), ['two', 'three'])
})

test('an agent whose peer was lost is found at the next one', async (t) => {
  const [first, second, third] = await startPeers(t, 3)
  assert.ok(third)
  const identity = newIdentity()
  const sender = await TestAgent.delegate(t, second)
  const before = await TestAgent.delegate(t, first, identity)
  assert.equal(await sender.send(identity.address, 'one'), STATUS.SUCCESS)
  assert.deepEqual(await before.receive(), ['one'])
  await before.client.close()
  await first.stop()
  assert.equal(await sender.send(identity.address, 'two'), STATUS.SUCCESS)
  const after = await TestAgent.delegate(t, third, identity)
  await untilFoundAt(second, identity.address, third)
  assert.deepEqual(await after.receive(), ['two'])
})

test('what waited at the old peer follows, in order of each sender', async (t) => {
  const [first, second, third] = await startPeers(t, 3)
  assert.ok(third)
  const identity = newIdentity()
  const senders = await Promise.all([first, second, third].map((node) => TestAgent.delegate(t, node)))
  const before = await TestAgent.delegate(t, first, identity)
  for (const sender of senders) assert.equal(await sender.send(identity.address, 'hello'), STATUS.SUCCESS)
  await before.receive(senders.length)
  await before.client.close()
  const words = senders.map((_, i) => numbered(40, `sender ${i}`))
  const codes = senders.flatMap((sender, i) => words[i]?.map((word) => sender.send(identity.address, word)) ?? [])
  assert.deepEqual(new Set(await Promise.all(codes)), new Set([STATUS.SUCCESS]))
  // What is still at the peer to which the agent goes would reach it first.
  await until(() => second.router.waiting + third.router.waiting === 0)
  const after = await TestAgent.delegate(t, third, identity)
  const received = await after.receive(120)
  for (const [i, expected] of words.entries()) {
    assert.deepEqual(
      received.filter((word) => word.startsWith(`sender ${i}`)),
      expected,
    )
  }
})

test('the newest registration is known after a new start', async (t) => {
  const [first, second] = await startPeers(t, 2)
  const settings = peerSettings([first, second])
  const dataFolder = await folderOf(t)
  const node = await startNode(t, settings, { dataFolder })
  const identity = newIdentity()
  const agent = await TestAgent.delegate(t, node, identity)
  await agent.client.close()
  await TestAgent.delegate(t, second, identity)
  await untilFoundAt(node, identity.address, second)
  await node.stop()
  const again = await startNode(t, { ...settings, entryPeers: [] }, { dataFolder })
  const record = await again.router.lookup(identity.address, 'nobody', AbortSignal.timeout(5_000))
  assert.equal(record?.peerPublicKey, second.key.publicKeyHex)
})

test('a relay stays where others find the agent of its relay client, which speaks for it, also after a new start', async (t) => {
  const settings = peerSettings()
  const dataFolder = await folderOf(t)
  const relay = await startNode(t, settings, { dataFolder })
  const { node, agent } = await startWithAgent(t, [relay], { relayed: true })
  await untilFoundAt(relay, agent.address, node)
  // A peer that is told nothing: it asks the DHT.
  const other = await TestPeer.start({ entryPeers: [relay.multiaddr ?? ''] })
  t.after(() => other.stop())
  await other.host.join(AbortSignal.timeout(10_000))
  const found = await other.host.resolve(agent.address, { timeout: 10_000 })
  assert.deepEqual([found?.peerId, found?.provider], [node.host.peerId, relay.host.peerId])
  await relay.stop()
  await node.stop()
  const again = await startNode(t, settings, { dataFolder })
  assert.equal(again.router.relayClients, 1)
})

test('an agent that is being looked for gets what waits for it as soon as it comes', async (t) => {
  const [first, second] = await startPeers(t, 2)
  const relay = await startNode(t, peerSettings([first]), { routing: { firstLookup: 60_000 } })
  const sender = await TestAgent.delegate(t, relay)
  const [here, there] = [newIdentity(), newIdentity()]
  for (const { address } of [here, there]) assert.equal(await sender.send(address, 'waits'), STATUS.SUCCESS)
  const started = performance.now()
  const relayed = await startWithAgent(t, [relay], { relayed: true, identity: here })
  const delegate = await TestAgent.delegate(t, second, there)
  for (const agent of [relayed.agent, delegate]) assert.deepEqual(await agent.receive(), ['waits'])
  assert.ok(performance.now() - started < 50_000)
})

test("a node's own agent stays where it is, and says so to a peer that claims it", async (t) => {
  const [first, second] = await startPeers(t, 2)
  const { node, agent, identity } = await startWithAgent(t, [first, second])
  await untilFoundAt(first, identity.address, node)
  const liar = await TestAgent.delegate(t, second, identity)
  await untilFoundAt(second, identity.address, node)
  const sender = await TestAgent.delegate(t, first)
  assert.equal(await sender.send(identity.address, 'hello'), STATUS.SUCCESS)
  assert.deepEqual(await agent.receive(), ['hello'])
  await liar.client.close()
})

test('registrations that prove nothing are refused, and those that go back are answered with the newer one', async (t) => {
  assert.ok(LEDGER)
  const [node, teller] = await startPeers(t, 2)
  const link = new OutgoingLink(await teller.host.openChannel(node.host.peerId, LINK_PROTOCOL))
  t.after(() => link.close())
  const { signal } = new AbortController()
  const peer = new PeerKey(randomBytes(32))
  const privateKey = randomBytes(32)
  const record = createRecord(LEDGER, { privateKey, peerPublicKey: peer.publicKeyHex })
  const now = Date.now()
  const lookup = () => node.router.lookup(record.address, 'nobody', AbortSignal.timeout(2_000)).catch(() => undefined)

  await link.tell(signRegistration(record, teller.key, now), signal)
  await link.tell(signRegistration(record, peer, now + 3_600_000), signal)
  await link.tell({ ...signRegistration(record, peer, now), issuedAt: now - 1 }, signal)
  assert.equal(await lookup(), undefined)

  const newest = signRegistration(record, peer, now)
  assert.equal(await link.tell(newest, signal), undefined)
  assert.deepEqual(await lookup(), record)
  const older = createRecord(LEDGER, { privateKey, peerPublicKey: teller.key.publicKeyHex })
  assert.deepEqual(await link.tell(signRegistration(older, teller.key, now - 1_000), signal), newest)
  assert.deepEqual(await lookup(), record)
})
