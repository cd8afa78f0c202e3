import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import type { IdentifyResult } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { ENVELOPE_PROTOCOL } from '@parley/acn/peer'
import { until } from '../../entrance/agents.ts'
import { TestPeer } from '../test-peer.ts'
import { openTo, readAll, stranger } from './stranger.ts'

const AUTONAT = '/libp2p/autonat/1.0.0'
const RESPONSE = 1

test('a peer says that it can dial back, as the Go node does; a relay client does not', async (t) => {
  const peer = await TestPeer.start()
  t.after(() => peer.stop())
  await peer.host.join()
  const node = await stranger()
  t.after(() => node.stop())
  const identified = once(node as unknown as EventTarget, 'peer:identify') as Promise<[CustomEvent<IdentifyResult>]>
  await node.dial(multiaddr(peer.multiaddr))
  const [{ detail }] = await identified
  assert.ok(detail.protocols.includes(AUTONAT))

  const client = await TestPeer.start({ entryPeers: [peer.multiaddr], isClient: true })
  t.after(() => client.stop())
  await client.host.join()
  assert.equal(await client.host.speaks(peer.host.peerId, AUTONAT), true)
  await until(async () => (await peer.host.speaks(client.host.peerId, ENVELOPE_PROTOCOL)) === true)
  assert.equal(await peer.host.speaks(client.host.peerId, AUTONAT), false)
})

test('who asks to be dialled back is answered', async (t) => {
  const peer = await TestPeer.start()
  t.after(() => peer.stop())
  const node = await stranger()
  t.after(() => node.stop())
  const stream = await openTo(node, peer.multiaddr, AUTONAT)
  const answer = readAll(stream)
  // Message { type = DIAL, dial { peer { id, addrs [ /ip4/127.0.0.1/tcp/9 ] } } }, with its length before it.
  const id = node.peerId.toMultihash().bytes
  const address = multiaddr('/ip4/127.0.0.1/tcp/9').bytes
  const peerInfo = Buffer.concat([Buffer.from([0x0a, id.length]), id, Buffer.from([0x12, address.length]), address])
  const dial = Buffer.concat([Buffer.from([0x0a, peerInfo.length]), peerInfo])
  const message = Buffer.concat([Buffer.from([0x08, 0x00, 0x12, dial.length]), dial])
  stream.send(Buffer.concat([Buffer.from([message.length]), message]))
  const { bytes } = await answer
  // Length, then field 1, the type.
  assert.deepEqual([...bytes.subarray(1, 3)], [0x08, RESPONSE])
  assert.equal(bytes[0], bytes.length - 1)
})
