import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { after, describe, test } from 'node:test'
import { AcnHost, ADDRESS_PROTOCOL, JoinError } from '@parley/acn/peer'
import { AcnStatusError, STATUS } from '@parley/acn/protocol'
import { PeerKey } from '@parley/acn/record'
import { entryOf, TestPeer } from '../test-peer.ts'

const LOCAL = { host: '127.0.0.1', port: 0 }
const REFUSE = {
  lookup: async () => undefined,
  receive: async () => {
    throw new AcnStatusError(STATUS.ERROR_UNKNOWN_AGENT_ADDRESS, 'unknown agent')
  },
}

describe('hosts in one network', () => {
  const closing: (() => Promise<void>)[] = []
  after(async () => {
    await Promise.all(closing.map((close) => close()))
  })

  async function start(options: Parameters<typeof TestPeer.start>[0] = {}): Promise<TestPeer> {
    const peer = await TestPeer.start(options)
    closing.push(() => peer.stop())
    await peer.host.join(AbortSignal.timeout(20_000))
    return peer
  }

  test('the peer id is the key’s, the announced address /dns4/', async () => {
    const vectors = JSON.parse(
      readFileSync(new URL('../../../../../test/vectors/acn-keys-por.json', import.meta.url), 'utf8'),
    )
    for (const { privateKeyHex, peerIdBase58, publicKeyCompressedHex } of vectors.peers) {
      const key = new PeerKey(Buffer.from(privateKeyHex, 'hex'))
      const host = await AcnHost.start({
        key,
        listen: LOCAL,
        announce: { host: 'peer.test', port: 0 },
        handlers: REFUSE,
      })
      try {
        assert.equal(host.peerId, peerIdBase58)
        assert.equal(host.publicKey, publicKeyCompressedHex)
        assert.equal(host.multiaddr, `/dns4/peer.test/tcp/${host.port}/p2p/${peerIdBase58}`)
        assert.deepEqual(host.multiaddrs, [host.multiaddr])
      } finally {
        await host.stop()
      }
    }
  })

  test('a first peer announces nothing before it is notified', async () => {
    const notified = Promise.withResolvers<string>()
    const first = await start({ onNotified: ({ peerId }) => notified.resolve(peerId) })
    await first.host.announce('another agent')
    assert.equal(first.host.isAnnounced(first.address), false)
    const second = await start({ entryPeers: [first.multiaddr] })
    assert.equal(await notified.promise, second.host.peerId)
    assert.ok(first.host.isAnnounced(first.address) && first.host.isAnnounced('another agent'))
    assert.ok(second.host.isAnnounced(second.address))
  })

  test('three peers find each other’s agents and exchange envelopes', async () => {
    const first = await start()
    const peers = [first, await start({ entryPeers: [first.multiaddr], ledger: 1 })]
    peers.push(await start({ entryPeers: [first.multiaddr], ledger: 2 }))
    for (const from of peers) {
      for (const to of peers) {
        if (from === to) continue
        const found = await from.host.resolve(to.address)
        assert.deepEqual(found, { record: to.record, peerId: to.host.peerId, provider: to.host.peerId })
        const message = randomBytes(100)
        await from.send(to.address, message)
        const envelope = await to.received.take(AbortSignal.timeout(5000))
        assert.deepEqual(Buffer.from(envelope?.message ?? []), message)
      }
    }
  })

  test('the largest envelope passes', async () => {
    const first = await start()
    const second = await start({ entryPeers: [first.multiaddr] })
    const message = randomBytes(3 * 1024 * 1024 - 2000)
    await second.send(first.address, message)
    const envelope = await first.received.take(AbortSignal.timeout(5000))
    assert.ok(message.equals(envelope?.message ?? new Uint8Array()))
  })

  test('an address that nobody has is not found in the time given', async () => {
    const first = await start()
    const second = await start({ entryPeers: [first.multiaddr] })
    assert.equal(await second.host.resolve('nobody', { timeout: 0 }), undefined)
    await assert.rejects(
      second.host.requestRecord(first.host.peerId, 'nobody'),
      (error: AcnStatusError) => error.code === STATUS.ERROR_UNKNOWN_AGENT_ADDRESS,
    )
  })

  test('a peer looks further for another that asks it', async () => {
    const first = await start()
    const second = await start({ entryPeers: [first.multiaddr] })
    const third = await start({ entryPeers: [first.multiaddr] })
    assert.deepEqual(await second.host.requestRecord(first.host.peerId, third.address), third.record)
  })

  test('a look-up goes on for an agent that is about to come', async () => {
    const first = await start()
    const second = await start({ entryPeers: [first.multiaddr] })
    const third = await TestPeer.start({ entryPeers: [first.multiaddr] })
    closing.push(() => third.stop())
    const looking = second.host.resolve(third.address, { timeout: 10_000 })
    await third.host.join()
    assert.equal((await looking)?.peerId, third.host.peerId)
  })

  test('a peer that is said to provide an address but has no record of it is no answer', async () => {
    const first = await start()
    const second = await start({ entryPeers: [first.multiaddr] })
    await first.host.announce('ghost')
    assert.equal(await second.host.resolve('ghost', { timeout: 0 }), undefined)
  })

  test('a peer that starts anew is told again what it should know', async () => {
    const first = await start()
    const second = await start({ entryPeers: [first.multiaddr] })
    const key = new PeerKey(randomBytes(32))
    const third = await start({ key, entryPeers: [first.multiaddr] })
    await first.stop()
    await third.stop()
    const { port = 0 } = third.host
    const again = await start({ key, listen: { host: '127.0.0.1', port }, entryPeers: [second.multiaddr] })
    assert.equal((await again.host.resolve(second.address))?.peerId, second.host.peerId)
    assert.equal((await second.host.resolve(again.address))?.peerId, again.host.peerId)
  })

  test('an entry peer that comes back is notified again', async () => {
    const key = new PeerKey(randomBytes(32))
    const first = await start({ key })
    const second = await start({ entryPeers: [first.multiaddr], timeouts: { rejoin: [20, 100] } })
    const { port = 0 } = first.host
    await first.stop()
    const notified = Promise.withResolvers<string>()
    const onNotified = ({ peerId }: { peerId: string }) => notified.resolve(peerId)
    const again = await start({ key, listen: { host: '127.0.0.1', port }, onNotified })
    assert.equal(await notified.promise, second.host.peerId)
    assert.equal((await again.host.resolve(second.address))?.peerId, second.host.peerId)
  })

  test('joining fails when no entry peer answers, and is made up for when one comes', async () => {
    const key = new PeerKey(randomBytes(32))
    const gone = await TestPeer.start({ key })
    const { multiaddr } = gone
    const { port = 0 } = gone.host
    await gone.stop()
    const peer = await TestPeer.start({ entryPeers: [multiaddr], timeouts: { rejoin: [20, 100] } })
    closing.push(() => peer.stop())
    await assert.rejects(peer.host.join(), JoinError)
    const notified = Promise.withResolvers<string>()
    await start({
      key,
      listen: { host: '127.0.0.1', port },
      onNotified: ({ peerId }) => notified.resolve(peerId),
    })
    assert.equal(await notified.promise, peer.host.peerId)
  })

  test('a peer that answers under another id is not taken for the one that was meant', async () => {
    const first = await start()
    const wrong = new PeerKey(randomBytes(32)).peerId
    const multiaddr = first.multiaddr.replace(first.host.peerId, wrong)
    const peer = await TestPeer.start()
    closing.push(() => peer.stop())
    const host = await AcnHost.start({
      key: new PeerKey(randomBytes(32)),
      listen: LOCAL,
      entryPeers: [entryOf(multiaddr)],
      handlers: REFUSE,
    })
    closing.push(() => host.stop())
    await assert.rejects(host.join(), JoinError)
    assert.deepEqual(host.connectedPeers, [])
  })

  test('a request to a peer that is gone fails', async () => {
    const first = await start()
    const second = await start({ entryPeers: [first.multiaddr], timeouts: { openStream: 500 } })
    await first.stop()
    await assert.rejects(second.host.requestRecord(first.host.peerId, first.address))
  })

  test('stopping gives up what is under way and frees the port', async () => {
    const first = await start()
    const second = await start({ entryPeers: [first.multiaddr] })
    const waiting = second.host.resolve('nobody', { timeout: 60_000 })
    await second.stop()
    await second.stop()
    assert.equal(await waiting, undefined)
    const { port = 0 } = second.host
    const again = await start({ listen: { host: '127.0.0.1', port } })
    assert.equal(again.host.port, port)
  })

  test('a host that cannot listen says so', async () => {
    const first = await start()
    const { port = 0 } = first.host
    await assert.rejects(TestPeer.start({ listen: { host: '127.0.0.1', port } }), { code: 'EADDRINUSE' })
  })

  test('channels of frames carry many each way and end in order', async () => {
    const first = await start()
    const second = await start({ entryPeers: [first.multiaddr] })
    const protocol = '/parley/test/1.0.0'
    await first.host.serveChannels(protocol, async (channel, from) => {
      assert.equal(from.peerId, second.host.peerId)
      for (let body = await channel.read(); body; body = await channel.read()) await channel.write(body)
      await channel.close()
    })
    assert.equal(await second.host.speaks(first.host.peerId, ADDRESS_PROTOCOL), true)
    const channel = await second.host.openChannel(first.host.peerId, protocol)
    const count = 500
    const writing = (async () => {
      for (let i = 0; i < count; i++) await channel.write(Buffer.alloc(2000, i))
      await channel.close()
    })()
    let read = 0
    for (let body = await channel.read(); body; body = await channel.read()) {
      assert.equal(body[0], read++ % 256)
    }
    await writing
    assert.equal(read, count)
    assert.equal(await channel.closed, undefined)
  })

  test('a channel takes frames of the length that its owner set, on either side', async () => {
    const first = await start()
    const second = await start({ entryPeers: [first.multiaddr] })
    const protocol = '/parley/test/1.0.0'
    const seen: number[] = []
    await first.host.serveChannels(
      protocol,
      async (channel) => {
        for (let body = await channel.read(); body; body = await channel.read()) {
          seen.push(body.length)
          await channel.write(new Uint8Array(11))
        }
      },
      { maxFrameLength: 10 },
    )
    const open = (maxFrameLength: number) => second.host.openChannel(first.host.peerId, protocol, { maxFrameLength })
    const roomy = await open(11)
    await roomy.write(new Uint8Array(10))
    assert.equal((await roomy.read())?.length, 11)
    await roomy.write(new Uint8Array(11))
    await assert.rejects(Promise.resolve(roomy.read()).then((body) => assert.ok(body)))
    const tight = await open(10)
    await tight.write(new Uint8Array(10))
    await assert.rejects(tight.read(), /frame of 11 bytes/)
    assert.deepEqual(seen, [10, 10])
  })
})
