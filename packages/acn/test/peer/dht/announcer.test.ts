import assert from 'node:assert/strict'
import { describe, mock, test } from 'node:test'
import { agentMultihash } from '@parley/acn/protocol'
import { type AnnounceNetwork, Announcer } from '../../../src/peer/dht/announcer.ts'
import { compareDistance, pointOf } from '../../../src/peer/dht/distance.ts'
import type { DhtPeer } from '../../../src/peer/dht/message.ts'
import { CLOSEST_PEERS } from '../../../src/peer/dht/search.ts'

const TIMES = { announce: 1000, reannounce: 60_000 }
const peer = (n: number): DhtPeer => ({ id: Buffer.from(`peer ${n}`), addresses: [] })
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const keyOf = (address: string) => hex(agentMultihash(address))

/** A network of so many peers, with what each was told. */
function fixture(count: number) {
  const peers = Array.from({ length: count }, (_, i) => peer(i))
  const told = new Map<string, string[]>()
  let calls = 0
  const closest = (point: Uint8Array) =>
    peers.toSorted((a, b) => compareDistance(point, pointOf(a.id), pointOf(b.id))).slice(0, CLOSEST_PEERS)
  const network: AnnounceNetwork = {
    closestKnown: closest,
    findClosest: async (key) => closest(pointOf(key)),
    tell: async ({ id }, keys) => {
      calls++
      const name = Buffer.from(id).toString()
      told.set(name, [...(told.get(name) ?? []), ...keys.map(hex)])
    },
  }
  return { announcer: new Announcer(network, TIMES), network, peers, told, calls: () => calls }
}

describe('announcing addresses', () => {
  test('a peer alone keeps them to itself until it is notified', async () => {
    const { announcer, told } = fixture(2)
    await announcer.announce('a')
    assert.deepEqual([announcer.isAnnounced('a'), told.size], [false, 0])
    assert.ok(announcer.provides(agentMultihash('a')))
    await announcer.enable()
    assert.ok(announcer.isAnnounced('a'))
    assert.deepEqual([...told.values()], [[keyOf('a')], [keyOf('a')]])
    announcer.stop()
  })

  test('many at once go to each peer together', async () => {
    const { announcer, told, calls } = fixture(3)
    await announcer.enable()
    const addresses = Array.from({ length: 500 }, (_, i) => `agent ${i}`)
    await Promise.all(addresses.map((address) => announcer.announce(address)))
    for (const keys of told.values()) assert.deepEqual(keys, addresses.map(keyOf))
    assert.ok(calls() <= 6, `${calls()} streams`)
    announcer.stop()
  })

  test('in a large network each goes to the peers closest to it', async () => {
    const { announcer, network, told } = fixture(60)
    await announcer.enable()
    const addresses = ['a', 'b', 'c', 'd', 'e', 'f']
    await Promise.all(addresses.map((address) => announcer.announce(address)))
    for (const address of addresses) {
      const closest = await network.findClosest(agentMultihash(address), AbortSignal.timeout(1000))
      const holders = [...told].filter(([, keys]) => keys.includes(keyOf(address))).map(([name]) => name)
      assert.deepEqual(holders.sort(), closest.map(({ id }) => Buffer.from(id).toString()).sort())
    }
    announcer.stop()
  })

  test('a peer that comes is told what it should keep', async () => {
    const { announcer, told } = fixture(1)
    await announcer.enable()
    await announcer.announce('a')
    told.clear()
    await announcer.peerCame(peer(0))
    assert.deepEqual(told.get('peer 0'), [keyOf('a')])
    announcer.withdraw('a')
    told.clear()
    await announcer.peerCame(peer(0))
    assert.equal(told.size, 0)
    assert.ok(!announcer.provides(agentMultihash('a')))
    announcer.stop()
  })

  test('what reached nobody counts as not announced, and goes to the peer that comes next', async () => {
    const { announcer, network, told } = fixture(1)
    const { tell } = network
    const fail = mock.method(network, 'tell', async () => {
      throw new Error('down')
    })
    await announcer.enable()
    await announcer.announce('a')
    assert.equal(announcer.isAnnounced('a'), false)
    fail.mock.mockImplementation(tell)
    await announcer.peerCame(peer(0))
    assert.ok(announcer.isAnnounced('a'))
    assert.deepEqual(told.get('peer 0'), [keyOf('a')])
    announcer.stop()
  })

  test('all are told again before others forget them', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout', 'Date'] })
    const { announcer, told } = fixture(1)
    await announcer.enable()
    await announcer.announce('a')
    told.clear()
    t.mock.timers.tick(TIMES.reannounce)
    await settled()
    assert.deepEqual(told.get('peer 0'), [keyOf('a')])
    told.clear()
    t.mock.timers.tick(TIMES.reannounce)
    await settled()
    assert.deepEqual(told.get('peer 0'), [keyOf('a')])
    announcer.stop()
    told.clear()
    t.mock.timers.tick(TIMES.reannounce)
    await settled()
    assert.equal(told.size, 0)
  })
})

/** Lets everything that is ready run. */
async function settled(): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve))
}
