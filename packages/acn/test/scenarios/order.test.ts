import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AcnNode } from '@parley/acn/node'
import { decodeEnvelope, STATUS } from '@parley/acn/protocol'
import { envelopeBytes } from '../entrance/agents.ts'
import { ask, inSession, session } from '../mailbox/mailbox-fixture.ts'
import { numbered, peerSettings, startNode, startWithAgent, TestAgent } from '../node/network.ts'
import { newRecord } from '../peer/test-peer.ts'
import { deliver, goDelegate, PATIENCE, type Party, pythonDelegate, take } from './parties.ts'

const timeout = PATIENCE
/** As many as the originals' tests send at once. */
const BURST = 1_000

test('twenty envelopes of a delegate, by turns to two agents: in order at each', { timeout }, async (t) => {
  const first = await startWithAgent(t, [])
  const second = await startWithAgent(t, [first.node])
  const sender = await goDelegate(t, second.node)
  const words = numbered(20)
  for (const [i, word] of words.entries()) await sender.send((i % 2 ? second : first).agent.address, word)
  for (const [i, { agent }] of [first, second].entries()) {
    const expected = words.filter((_, number) => number % 2 === i)
    assert.deepEqual(await take(agent, expected.length), expected)
  }
})

test('a hundred envelopes each way between delegates of two peers, by turns: in order', { timeout }, async (t) => {
  const first = await startWithAgent(t, [])
  const second = await startWithAgent(t, [first.node])
  const [one, other] = [await goDelegate(t, first.node), await goDelegate(t, second.node)]
  for (const word of numbered(100)) {
    await one.send(other.address, word)
    await other.send(one.address, word)
  }
  for (const agent of [one, other]) assert.deepEqual(await take(agent, 100), numbered(100))
})

test('a burst of 1,000 between the agents of two peers', { timeout }, async (t) => {
  const first = await startWithAgent(t, [])
  const second = await startWithAgent(t, [first.node])
  await burst(first.agent, second.agent)
})

test('a burst of 1,000 between delegates of one node that wait for each status', { timeout }, async (t) => {
  const { node } = await startWithAgent(t, [])
  await burst(await pythonDelegate(t, node), await pythonDelegate(t, node, 2))
})

test('a burst of 1,000 between mailboxes of one node', { timeout }, async (t) => {
  const { node } = await startWithAgent(t, [], { mailbox: { host: '127.0.0.1', port: 0 } })
  await burst(await TestAgent.mailbox(t, node), await TestAgent.mailbox(t, node))
})

test('a burst of 200 between mailboxes that make a connection for each request', { timeout }, async (t) => {
  const node = await startNode(t, peerSettings([], { mailbox: { host: '127.0.0.1', port: 0 } }))
  await burst(await pollingMailbox(node), await pollingMailbox(node), 200)
})

/** Sends numbered envelopes as fast as they are taken; all of them come, in order, and nothing else. */
async function burst(sender: Party, receiver: Party, count = BURST): Promise<void> {
  const words = numbered(count)
  const arriving = take(receiver, count)
  const codes = await Promise.all(words.map((word) => sender.send(receiver.address, word)))
  assert.deepEqual(new Set(codes), new Set([STATUS.SUCCESS]))
  assert.deepEqual(await arriving, words)
  // Those of a pair come in order: had anything come twice, it would be next.
  await deliver(sender, receiver, 'the end')
}

/** An agent at a mailbox as the Python client is one: one request after the other, each on a connection of its own. */
async function pollingMailbox({ key, mailboxPort: port = 0 }: AcnNode): Promise<Party> {
  assert.equal((await ask(port, 'GET', '/ssl_signature')).status, 200)
  const record = newRecord(key.publicKeyHex)
  const requests = inSession(port, await session(port, record))
  let sending: Promise<unknown> = Promise.resolve()
  return {
    address: record.address,
    send: async (to, words) => {
      const sent = sending.then(() => requests.send(envelopeBytes(record.address, to, words)))
      sending = sent
      assert.equal((await sent).status, 200)
      return STATUS.SUCCESS
    },
    next: async () => {
      for (;;) {
        const { status, body } = await requests.get()
        assert.equal(status, 200)
        if (body.length > 0) return decodeEnvelope(body)
      }
    },
  }
}
