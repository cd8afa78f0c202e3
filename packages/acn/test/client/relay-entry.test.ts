import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { AcnConnectionError, identityFromRecords, RelayEntry } from '@parley/acn/client'
import type { EntryHandler } from '@parley/acn/entrance'
import { STATUS } from '@parley/acn/protocol'
import { LEDGERS, PeerKey } from '@parley/acn/record'
import { folderOf, newIdentity, numbered, peerSettings, startNode, TestAgent } from '../node/network.ts'
import { newRecord } from '../peer/test-peer.ts'

const HANDLER: EntryHandler = { onEnvelope: () => assert.fail('nothing comes'), onReport: () => assert.fail() }

test('relay clients of two peers, delegates of each: all pairs, on all ledgers', async (t) => {
  const a = await startNode(t, peerSettings())
  const b = await startNode(t, peerSettings([a]))
  const agents = [
    await TestAgent.relay(t, [a], newIdentity(LEDGERS[0])),
    await TestAgent.relay(t, [a], newIdentity(LEDGERS[1])),
    await TestAgent.relay(t, [b], newIdentity(LEDGERS[2])),
    await TestAgent.delegate(t, a),
    await TestAgent.delegate(t, b),
  ]
  for (const from of agents) {
    for (const to of agents) {
      const words = `${from.address} to ${to.address}`
      assert.equal(await from.send(to, words), STATUS.SUCCESS)
      assert.deepEqual(await to.receive(), [words])
    }
  }
})

test('a thousand envelopes from relay client to relay client arrive whole and in order', async (t) => {
  const a = await startNode(t, peerSettings())
  const b = await startNode(t, peerSettings([a]))
  const one = await TestAgent.relay(t, [a])
  for (const [relay, count] of [
    [a, 1_000],
    [b, 100],
  ] as const) {
    const other = await TestAgent.relay(t, [relay])
    const words = numbered(count)
    const sent = words.map((word) => one.send(other, word))
    assert.deepEqual(await other.receive(words.length), words)
    assert.ok((await Promise.all(sent)).every((code) => code === STATUS.SUCCESS))
  }
})

test('envelopes of 30 KB and of 1 MB come whole through a relay', async (t) => {
  const node = await startNode(t, peerSettings())
  const [one, other] = [await TestAgent.relay(t, [node]), await TestAgent.relay(t, [node])]
  // The Go node resets what it relays after 128 KiB: spec/acn.md §13b.
  const words = [...Array.from({ length: 12 }, (_, i) => `${i}`.repeat(30_000)), 'x'.repeat(1_000_000)]
  for (const word of words) assert.equal(await one.send(other, word), STATUS.SUCCESS)
  assert.deepEqual(await other.receive(words.length), words)
})

test('the next peer is taken when one fails; what is sent meanwhile comes, and others find the agent there', async (t) => {
  const root = await startNode(t, peerSettings())
  const [a, b] = [await startNode(t, peerSettings([root])), await startNode(t, peerSettings([root]))]
  const friend = await TestAgent.delegate(t, root)
  const agent = await TestAgent.relay(t, [a, b])
  await agent.send(friend, 'through the first')
  assert.deepEqual(await friend.receive(), ['through the first'])
  const first = agent.client.entry
  await a.stop()
  const sending = agent.send(friend, 'through the second')
  assert.deepEqual(await friend.receive(), ['through the second'])
  assert.equal(await sending, STATUS.SUCCESS)
  assert.notEqual(agent.client.entry, first)
  assert.equal(await friend.send(agent, 'found there'), STATUS.SUCCESS)
  assert.deepEqual(await agent.receive(), ['found there'])
})

test('a relay client comes back to a peer that starts anew, and gets what waited for it', async (t) => {
  const settings = peerSettings()
  const dataFolder = await folderOf(t)
  const before = await startNode(t, settings, { dataFolder })
  const agent = await TestAgent.relay(t, [before])
  const { port = 0 } = before.host
  await before.stop()
  const place = { host: '127.0.0.1', port }
  const node = await startNode(t, { ...settings, listen: place, publicUri: place }, { dataFolder })
  const friend = await TestAgent.delegate(t, node)
  assert.equal(await friend.send(agent, 'waits'), STATUS.SUCCESS)
  assert.deepEqual(await agent.receive(), ['waits'])
})

test('what cannot be delivered is told', async (t) => {
  const node = await startNode(t, peerSettings())
  const agent = await TestAgent.relay(t, [node])
  assert.equal(await agent.send(newIdentity().address, 'for nobody'), STATUS.ERROR_UNKNOWN_AGENT_ADDRESS)
  const code = await agent.send(newIdentity().address, 'of another', newIdentity().address)
  assert.equal(code, STATUS.ERROR_WRONG_AGENT_ADDRESS)
})

test('a peer that is not there, and an agent without a record for its own key', async (t) => {
  const { signal } = new AbortController()
  const identity = newIdentity()
  const privateKey = randomBytes(32)
  const nobody = `/dns4/127.0.0.1/tcp/1/p2p/${new PeerKey(randomBytes(32)).peerId}`
  const absent = new RelayEntry({ peer: nobody, privateKey, identity })
  await assert.rejects(
    absent.connect(HANDLER, signal),
    (error) => error instanceof AcnConnectionError && error.code === 'CONNECT',
  )
  const node = await startNode(t, peerSettings())
  const records = [newRecord(node.key.publicKeyHex)]
  const other = new RelayEntry({ peer: node.multiaddr ?? '', privateKey, identity: identityFromRecords(records) })
  await assert.rejects(other.connect(HANDLER, signal))
  assert.throws(() => new RelayEntry({ peer: '/dns4/127.0.0.1/tcp/1', privateKey, identity }), RangeError)
})
