import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, describe, test } from 'node:test'
import { BoundedQueue } from '@parley/core/queue'
import { TestPeer } from '../test-peer.ts'

describe('relay clients', () => {
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

  async function exchange(from: TestPeer, to: TestPeer): Promise<void> {
    const message = randomBytes(200)
    await from.send(to.address, message)
    const envelope = await to.received.take(AbortSignal.timeout(10_000))
    assert.deepEqual(Buffer.from(envelope?.message ?? []), message)
  }

  test('are reached through their relay, from wherever', async () => {
    const relay = await start()
    const other = await start({ entryPeers: [relay.multiaddr] })
    const client = await start({ entryPeers: [relay.multiaddr], isClient: true })
    const second = await start({ entryPeers: [other.multiaddr], isClient: true })
    assert.equal(client.host.contact, relay.host.peerId)
    assert.deepEqual(relay.relayed, [client.address])
    assert.equal(client.host.multiaddr, undefined)
    const parties = [relay, other, client, second]
    for (const from of parties) for (const to of parties) if (from !== to) await exchange(from, to)
  })

  test('more than eight of one address have a place at one relay', async () => {
    const relay = await start()
    const clients = await Promise.all(
      Array.from({ length: 20 }, () => start({ entryPeers: [relay.multiaddr], isClient: true })),
    )
    assert.equal(relay.relayed.length, 20)
    const [first, ninth, twentieth] = [0, 8, 19].map((i) => clients[i])
    assert.ok(first && ninth && twentieth)
    await exchange(first, ninth)
    await exchange(ninth, twentieth)
    await exchange(twentieth, first)
  })

  test('have so many places at a relay', async () => {
    const relay = await start({ limits: { relayReservations: 2 } })
    const clients = [0, 1].map(() => start({ entryPeers: [relay.multiaddr], isClient: true }))
    const [first, second] = await Promise.all(clients)
    const third = await TestPeer.start({
      entryPeers: [relay.multiaddr],
      isClient: true,
      timeouts: { reservation: 500, rejoin: [20, 50] },
    })
    closing.push(() => third.stop())
    await assert.rejects(third.host.join(AbortSignal.timeout(1_500)))
    assert.ok(first && second)
    assert.deepEqual(new Set(relay.relayed), new Set([first.address, second.address]))
    await exchange(first, second)
    await first.stop()
    await third.host.join(AbortSignal.timeout(20_000))
    await exchange(third, second)
  })

  test('what is relayed is not limited to 128 KiB', async () => {
    const relay = await start()
    const [first, second] = [
      await start({ entryPeers: [relay.multiaddr], isClient: true }),
      await start({ entryPeers: [relay.multiaddr], isClient: true }),
    ]
    const message = randomBytes(1_000_000)
    await first.send(second.address, message)
    const envelope = await second.received.take(AbortSignal.timeout(10_000))
    assert.ok(message.equals(envelope?.message ?? new Uint8Array()))
  })

  test('take the next relay when theirs is gone', async () => {
    const relay = await start()
    const other = await start({ entryPeers: [relay.multiaddr] })
    const contacts = new BoundedQueue<string | undefined>(10)
    const client = await start({
      entryPeers: [relay.multiaddr, other.multiaddr],
      isClient: true,
      timeouts: { contact: [20, 50], dial: 500 },
      onContact: (contact) => contacts.tryPut(contact),
    })
    await relay.stop()
    const seen = []
    while (seen.at(-1) !== other.host.peerId) seen.push(await contacts.take(AbortSignal.timeout(10_000)))
    assert.deepEqual(seen, [relay.host.peerId, undefined, other.host.peerId])
    assert.deepEqual(other.relayed, [client.address])
    await exchange(other, client)
    await exchange(client, other)
  })

  test('come back to a relay that starts anew', async () => {
    const { PeerKey } = await import('@parley/acn/record')
    const key = new PeerKey(randomBytes(32))
    const relay = await start({ key })
    const contacts = new BoundedQueue<string | undefined>(10)
    const client = await start({
      entryPeers: [relay.multiaddr],
      isClient: true,
      timeouts: { contact: [20, 50] },
      onContact: (contact) => contacts.tryPut(contact),
    })
    const { port = 0 } = relay.host
    await relay.stop()
    const again = await start({ key, listen: { host: '127.0.0.1', port } })
    const seen = []
    while (seen.length < 3) seen.push(await contacts.take(AbortSignal.timeout(10_000)))
    assert.deepEqual(seen, [key.peerId, undefined, key.peerId])
    await exchange(again, client)
    await exchange(client, again)
  })
})
