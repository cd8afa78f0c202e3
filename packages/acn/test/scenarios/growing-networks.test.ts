import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { newRecord, TestPeer } from '../peer/test-peer.ts'
import { PATIENCE } from './parties.ts'

// What the originals' benchmarks do, in networks of two and of eight peers, of which each joined the one before.
for (const [title, count] of [
  ['a chain of two peers: an agent registers, is found, a peer joins, an echo', 2],
  ['a chain of eight peers: agents register, are found, a peer joins, echoes', 8],
] as const) {
  test(title, { timeout: PATIENCE }, async (t) => {
    const peers: TestPeer[] = []
    while (peers.length < count) peers.push(await joined(t, peers.at(-1)))
    const [first, last] = [peers[0] ?? assert.fail(), peers.at(-1) ?? assert.fail()]

    // An agent registers at each, beside its own, and is found from the other end.
    for (const peer of peers) {
      const { address } = newRecord(peer.host.publicKey)
      await peer.host.announce(address)
      assert.ok(peer.host.isAnnounced(address))
    }
    for (const peer of peers) {
      for (const asker of [first, last]) {
        if (asker === peer) continue
        const found = await asker.host.resolve(peer.address, { timeout: 20_000 })
        assert.equal(found?.peerId, peer.host.peerId)
      }
    }
    // One more joins in the middle, and its agent gets an envelope from each, and answers.
    const newcomer = await joined(t, peers[count >> 1])
    for (const peer of peers) {
      const message = Buffer.alloc(101, peer.address)
      await peer.send(newcomer.address, message)
      await newcomer.send(peer.address, (await received(newcomer)).message)
      assert.deepEqual(Buffer.from((await received(peer)).message), message)
    }
  })
}

async function joined(t: TestContext, entry?: TestPeer): Promise<TestPeer> {
  const peer = await TestPeer.start(entry ? { entryPeers: [entry.multiaddr] } : {})
  t.after(() => peer.stop())
  await peer.host.join(AbortSignal.timeout(20_000))
  return peer
}

async function received(peer: TestPeer) {
  return (await peer.received.take(AbortSignal.timeout(20_000))) ?? assert.fail('nothing came')
}
