import assert from 'node:assert/strict'
import { test } from 'node:test'
import { STATUS } from '@parley/acn/protocol'
import { until } from '../entrance/agents.ts'
import { newIdentity, numbered, peerSettings, startNode, startWithAgent, TestAgent } from './network.ts'

/** Both directions between two agents. */
async function exchange(one: TestAgent, other: TestAgent): Promise<void> {
  assert.equal(await one.send(other, 'ping'), STATUS.SUCCESS)
  assert.deepEqual(await other.receive(), ['ping'])
  assert.equal(await other.send(one, 'pong'), STATUS.SUCCESS)
  assert.deepEqual(await one.receive(), ['pong'])
}

test('delegates of one node, and an agent to itself', async (t) => {
  const node = await startNode(t, peerSettings())
  const [one, other] = [await TestAgent.delegate(t, node), await TestAgent.delegate(t, node)]
  await exchange(one, other)
  await one.send(one, 'note to myself')
  assert.deepEqual(await one.receive(), ['note to myself'])
})

test('the own agent of a node and a delegate', async (t) => {
  const { node, agent } = await startWithAgent(t, [])
  await exchange(agent, await TestAgent.delegate(t, node))
})

test('agents of two peers that joined a third', async (t) => {
  const first = await startNode(t, peerSettings())
  const [a, b] = [await startNode(t, peerSettings([first])), await startNode(t, peerSettings([first]))]
  await exchange(await TestAgent.delegate(t, a), await TestAgent.delegate(t, b))
})

test('an agent with a mailbox, delegates of its node and of another, and its own delegate after it', async (t) => {
  const a = await startNode(t, peerSettings([], { mailbox: { host: '127.0.0.1', port: 0 } }))
  const b = await startNode(t, peerSettings([a]))
  const identity = newIdentity()
  const [near, far] = [await TestAgent.delegate(t, a), await TestAgent.delegate(t, b)]
  const posted = await TestAgent.mailbox(t, a, identity)
  await exchange(near, posted)
  await exchange(far, posted)
  await posted.client.close()
  const attached = await TestAgent.delegate(t, a, identity)
  await exchange(far, attached)
})

test('a relay client with an agent of its relay, of another peer, and another relay client', async (t) => {
  const relay = await startNode(t, peerSettings())
  const other = await startNode(t, peerSettings([relay]))
  const [here, there] = [await TestAgent.delegate(t, relay), await TestAgent.delegate(t, other)]
  const { agent } = await startWithAgent(t, [relay], { relayed: true })
  await exchange(agent, here)
  await exchange(agent, there)
  const { agent: second } = await startWithAgent(t, [other], { relayed: true })
  await exchange(agent, second)
})

test('order holds over two nodes even when the first envelope misses the DHT', async (t) => {
  const a = await startNode(t, peerSettings())
  const b = await startNode(t, peerSettings([a]))
  const sender = await TestAgent.delegate(t, a)
  const identity = newIdentity()
  const words = numbered(30)
  const sent = Promise.all(words.map((word) => sender.send(identity.address, word)))
  assert.ok((await sent).every((code) => code === STATUS.SUCCESS))
  const receiver = await TestAgent.delegate(t, b, identity)
  assert.deepEqual(await receiver.receive(words.length), words)
})

test('order holds over two nodes for an agent with a mailbox too, when its first envelope misses the DHT', async (t) => {
  const a = await startNode(t, peerSettings([], { mailbox: { host: '127.0.0.1', port: 0 } }))
  const b = await startNode(t, peerSettings([a]))
  const sender = await TestAgent.mailbox(t, a)
  const identity = newIdentity()
  const words = numbered(30)
  for (const word of words.slice(0, 20)) assert.equal(await sender.send(identity.address, word), STATUS.SUCCESS)
  const receiver = await TestAgent.delegate(t, b, identity)
  for (const word of words.slice(20)) assert.equal(await sender.send(identity.address, word), STATUS.SUCCESS)
  assert.deepEqual(await receiver.receive(words.length), words)
})

test('a peer that all others have left serves new delegates, and finds agents again when peers come', async (t) => {
  const node = await startNode(t, peerSettings())
  const other = await startNode(t, peerSettings([node]))
  await TestAgent.delegate(t, other)
  await other.stop()
  await until(() => node.host.connectedPeers.length === 0)
  const [one, two] = [await TestAgent.delegate(t, node), await TestAgent.delegate(t, node)]
  await exchange(one, two)
  const later = newIdentity()
  assert.equal(await one.send(later.address, 'for one who comes later'), STATUS.SUCCESS)
  const next = await startNode(t, peerSettings([node]))
  const there = await TestAgent.delegate(t, next, later)
  assert.deepEqual(await there.receive(), ['for one who comes later'])
  await exchange(two, there)
})

test('the first envelope from a relay client to one of another relay does not wait for a dial in vain', async (t) => {
  const relay = await startNode(t, peerSettings())
  const other = await startNode(t, peerSettings([relay]))
  const times: number[] = []
  // The Go node's client takes five seconds each time; the quickest of three is not slow for another reason.
  for (let i = 0; i < 3; i++) {
    const [from, to] = [await TestAgent.relay(t, [relay]), await TestAgent.relay(t, [other])]
    const started = performance.now()
    assert.equal(await from.send(to, 'at once'), STATUS.SUCCESS)
    assert.deepEqual(await to.receive(), ['at once'])
    times.push(performance.now() - started)
  }
  assert.ok(Math.min(...times) < 5_000, `${times.map(Math.round)} ms`)
})

test('a burst of 2,000 on one pair over two nodes arrives whole and in order', async (t) => {
  const a = await startNode(t, peerSettings())
  const b = await startNode(t, peerSettings([a]))
  const [sender, receiver] = [await TestAgent.delegate(t, a), await TestAgent.delegate(t, b)]
  const words = numbered(2000)
  const sent = Promise.all(words.map((word) => sender.send(receiver, word)))
  assert.deepEqual(await receiver.receive(words.length), words)
  assert.ok((await sent).every((code) => code === STATUS.SUCCESS))
})

test('an agent that moves to another node gets what is sent from a third', async (t) => {
  const first = await startNode(t, peerSettings())
  const [a, b] = [await startNode(t, peerSettings([first])), await startNode(t, peerSettings([first]))]
  const sender = await TestAgent.delegate(t, first)
  const identity = newIdentity()
  const before = await TestAgent.delegate(t, a, identity)
  await sender.send(identity.address, 'at the first node')
  assert.deepEqual(await before.receive(), ['at the first node'])
  await before.client.close()
  const after = await TestAgent.delegate(t, b, identity)
  await sender.send(identity.address, 'at the second node')
  assert.deepEqual(await after.receive(), ['at the second node'])
})
