import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, describe, it } from 'node:test'
import { PeerKey } from '@parley/acn/record'
import { FramedAgent } from '../../packages/acn/test/entrance/framed-agent.ts'
import { newRecord } from '../../packages/acn/test/peer/test-peer.ts'
import { WITHOUT_GO_NODE } from './go-node.ts'
import { MixedNetwork } from './mixed-network.ts'
import { exchangeAll, type Party } from './party.ts'

describe('the original node and ours', { skip: WITHOUT_GO_NODE, timeout: 300_000 }, () => {
  const network = new MixedNetwork()
  after(() => network.close())
  const ours = network.ours.bind(network)
  const go = network.go.bind(network)
  const delegateOf = network.delegateOf.bind(network)
  const goClient = network.goClient.bind(network)

  it('the original joins us', async () => {
    const bootstrap = await ours()
    assert.equal(bootstrap.host.isAnnounced(bootstrap.address), false)
    const node = await go({ entryPeers: [bootstrap.multiaddr] })
    const agent = await delegateOf(node)
    await exchangeAll([bootstrap, agent])
    assert.equal(bootstrap.host.isAnnounced(bootstrap.address), true)
  })

  it('we join the original', async () => {
    const node = await go()
    const agent = await delegateOf(node, 1)
    const peer = await ours({ entryPeers: [node.multiaddr] })
    await exchangeAll([peer, agent])
  })

  it('three peers, the original in the middle', async () => {
    const node = await go()
    const left = await ours({ entryPeers: [node.multiaddr], ledger: 2 })
    const right = await ours({ entryPeers: [node.multiaddr] })
    await exchangeAll([left, right, await delegateOf(node, 2)])
  })

  it('three peers, ours in the middle', async () => {
    const middle = await ours()
    const left = await go({ entryPeers: [middle.multiaddr] })
    const right = await go({ entryPeers: [middle.multiaddr] })
    await exchangeAll([middle, await delegateOf(left), await delegateOf(right, 1)])
  })

  it('five peers in a chain of entry peers, mixed', async () => {
    const first = await go()
    const second = await ours({ entryPeers: [first.multiaddr] })
    const third = await go({ entryPeers: [second.multiaddr] })
    const fourth = await ours({ entryPeers: [third.multiaddr], ledger: 1 })
    const fifth = await go({ entryPeers: [fourth.multiaddr] })
    const delegates = [await delegateOf(first), await delegateOf(third, 1), await delegateOf(fifth, 2)]
    await exchangeAll([second, fourth, ...delegates])
  })

  it('an agent at the original is found there, and nowhere once that peer is excluded', async () => {
    const node = await go()
    const peer = await ours({ entryPeers: [node.multiaddr] })
    const asker = await ours({ entryPeers: [peer.multiaddr] })
    const record = newRecord(node.key.publicKeyHex)
    const agent = await FramedAgent.delegate(record, node.ports.delegate)
    await asker.send(agent.address, Buffer.from('at the original'))
    assert.equal((await asker.host.resolve(agent.address))?.peerId, node.key.peerId)
    agent.close()
    // The original answers for it no more; excluded, as after a refusal, nobody else does.
    const gone = { exclude: [node.key.peerId], timeout: 0 }
    assert.equal(await asker.host.resolve(agent.address, gone), undefined)
  })

  it('our relay client at the original, one of the original at ours', async () => {
    const node = await go()
    const peer = await ours({ entryPeers: [node.multiaddr] })
    const delegate = await delegateOf(node)
    const ourClient = await ours({ entryPeers: [node.multiaddr], isClient: true })
    const theirClient = await goClient([peer.multiaddr])
    assert.equal(ourClient.host.contact, node.key.peerId)
    assert.deepEqual(peer.relayed, [theirClient.address])
    await exchangeAll([peer, delegate, ourClient, theirClient])
  })

  it('two relay clients of the original at one relay of ours', async () => {
    const relay = await ours()
    const first = await goClient([relay.multiaddr])
    const second = await goClient([relay.multiaddr])
    await exchangeAll([relay, first, second])
  })

  it('an original node that starts anew finds us, and we it', async () => {
    const node = await go()
    const peer = await ours({ entryPeers: [node.multiaddr] })
    const { privateKey, ports } = { privateKey: node.key.exportPrivateKey(), ports: node.ports }
    await exchangeAll([peer, await delegateOf(node)])
    await node.stop()
    const again = await go({ privateKey, ports })
    const agent = await delegateOf(again)
    await until(() => peer.host.connectedEntryPeers.includes(again.key.peerId))
    await exchangeAll([peer, agent])
  })

  it('we start anew where we were, and the original finds us', async () => {
    const key = new PeerKey(randomBytes(32))
    const node = await go()
    const agent = await delegateOf(node)
    const first = await ours({ key, entryPeers: [node.multiaddr] })
    const { port, record } = { port: first.host.port ?? 0, record: first.record }
    await exchangeAll([first, agent])
    await first.stop()
    const listen = { host: '127.0.0.1', port }
    const second = await ours({ key, record, listen, entryPeers: [node.multiaddr] })
    await exchangeAll([second, agent])
  })

  it('many envelopes each way over one connection', async () => {
    const node = await go()
    const agent = await delegateOf(node)
    const peer = await ours({ entryPeers: [node.multiaddr] })
    const count = 1500
    const [sent, back] = await Promise.all([sendMany(peer, agent, count), sendMany(agent, peer, count)])
    assert.deepEqual([sent, back], [count, count])
  })
})

async function sendMany(from: Party, to: Party, count: number): Promise<number> {
  const sending = (async () => {
    for (let i = 0; i < count; i++) await from.send(to.address, Buffer.from(String(i)))
  })()
  for (let i = 0; i < count; i++) {
    const envelope = await to.received.take(AbortSignal.timeout(20_000))
    assert.equal(Buffer.from(envelope?.message ?? []).toString(), String(i))
  }
  await sending
  return count
}

/** Waits for something that no event tells. */
async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 20_000
  while (!condition()) {
    if (Date.now() > end) throw new Error('did not come about')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
