import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { peerIdFromString } from '@libp2p/peer-id'
import { peerIdBytes, peerIdOf } from '@parley/acn/protocol'
import { PeerKey } from '@parley/acn/record'
import { compareDistance, pointOf } from '../../../src/peer/dht/distance.ts'
import { DHT_MESSAGE, type DhtPeer } from '../../../src/peer/dht/message.ts'
import { CLOSEST_PEERS, findClosest, type SearchNetwork, search } from '../../../src/peer/dht/search.ts'

const KEY = Buffer.from('1220'.padEnd(68, '5'), 'hex')

/** Keys that are the same in each run. */
const keys = Array.from({ length: 60 }, (_, i) => new PeerKey(createHash('sha256').update(`peer ${i}`).digest()))
const peers: DhtPeer[] = keys.map(({ publicKey }) => ({ id: peerIdBytes(publicKey), addresses: [] }))
const text = ({ id }: DhtPeer) => Buffer.from(id).toString('hex')
const byDistance = (list: readonly DhtPeer[], to: Uint8Array) =>
  list.toSorted((a, b) => compareDistance(pointOf(to), pointOf(a.id), pointOf(b.id)))

/** What a peer knows: for each length of the bits that another has in common with it, so many others. */
function knownTo(peer: DhtPeer): DhtPeer[] {
  const buckets = new Map<number, DhtPeer[]>()
  for (const other of byDistance(peers, peer.id).slice(1)) {
    const bits = commonBits(pointOf(peer.id), pointOf(other.id))
    const bucket = buckets.get(bits) ?? []
    if (bucket.length < 10) buckets.set(bits, [...bucket, other])
  }
  return [...buckets.values()].flat()
}

function commonBits(a: Uint8Array, b: Uint8Array): number {
  const at = a.findIndex((byte, i) => byte !== b[i])
  return at * 8 + Math.clz32((a[at] ?? 0) ^ (b[at] ?? 0)) - 24
}

/** A network in which each peer knows some others; this peer knows one. */
function network(down: ReadonlySet<string> = new Set()): SearchNetwork & { asked: string[] } {
  const asked: string[] = []
  return {
    asked,
    self: peerIdBytes(new PeerKey(createHash('sha256').update('self').digest()).publicKey),
    closest: () => [peerIdFromString(peerIdOf(keys[0]?.publicKey ?? new Uint8Array()))],
    ask: async (peer, { key }) => {
      asked.push(text(peer))
      if (down.has(text(peer))) throw new Error('down')
      const closerPeers = byDistance(knownTo(peer), key).slice(0, CLOSEST_PEERS)
      return { type: DHT_MESSAGE.FIND_NODE, key, closerPeers, providerPeers: [] }
    },
  }
}

describe('search in the DHT', () => {
  test('finds the closest peers from one that is known', async () => {
    const net = network()
    const found = await findClosest(net, KEY, AbortSignal.timeout(5000))
    assert.deepEqual(found.map(text), byDistance(peers, KEY).slice(0, CLOSEST_PEERS).map(text))
    assert.equal(new Set(net.asked).size, net.asked.length, 'nobody is asked twice')
    assert.ok(net.asked.length < peers.length)
  })

  test('goes round peers that do not answer', async () => {
    const down = new Set(byDistance(peers, KEY).slice(0, 5).map(text))
    down.delete(text(peers[0] as DhtPeer))
    const found = await findClosest(network(down), KEY, AbortSignal.timeout(5000))
    const alive = peers.filter((peer) => !down.has(text(peer)))
    assert.deepEqual(found.map(text), byDistance(alive, KEY).slice(0, CLOSEST_PEERS).map(text))
  })

  test('ends when nobody is known or nobody answers', async () => {
    const alone = { ...network(), closest: () => [] }
    assert.deepEqual(await findClosest(alone, KEY, AbortSignal.timeout(5000)), [])
    assert.deepEqual(await findClosest(network(new Set(peers.map(text))), KEY, AbortSignal.timeout(5000)), [])
  })

  test('gives up the questions under way when it is broken off', async () => {
    const net = network()
    const signals: AbortSignal[] = []
    const ask: SearchNetwork['ask'] = (peer, message, signal) => {
      signals.push(signal)
      return net.ask(peer, message, signal)
    }
    for await (const _ of search({ ...net, ask }, DHT_MESSAGE.GET_PROVIDERS, KEY, AbortSignal.timeout(5000))) {
      if (signals.length > 3) break
    }
    assert.ok(signals.every(({ aborted }) => aborted))
  })

  test('does not ask itself, nor whom a peer makes up without end', async () => {
    let made = 0
    const net = network()
    const liar: SearchNetwork = {
      ...net,
      ask: async (peer, { key }) => {
        net.asked.push(text(peer))
        const closerPeers = Array.from({ length: 20 }, () => ({ id: Buffer.from(`made up ${made++}`), addresses: [] }))
        return { type: 4, key, closerPeers: [{ id: net.self, addresses: [] }, ...closerPeers], providerPeers: [] }
      },
    }
    await findClosest(liar, KEY, AbortSignal.timeout(5000))
    assert.ok(!net.asked.includes(Buffer.from(net.self).toString('hex')))
    assert.ok(net.asked.length <= 200)
  })
})
