import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { after, describe, test } from 'node:test'
import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { ADDRESS_PROTOCOL, NOTIFY_PROTOCOL } from '@parley/acn/peer'
import { PeerKey } from '@parley/acn/record'
import { DHT_PROTOCOL } from '../../../src/peer/dht/client.ts'
import { DhtStream } from '../../../src/peer/dht/dht-stream.ts'
import { DHT_MESSAGE } from '../../../src/peer/dht/message.ts'
import { PeerIds } from '../../../src/peer/dht/peer-ids.ts'
import { CircuitHandshake } from '../../../src/peer/relay-v1/handshake.ts'
import {
  CIRCUIT_PROTOCOL,
  CIRCUIT_STATUS,
  CIRCUIT_TYPE,
  type CircuitMessage,
} from '../../../src/peer/relay-v1/message.ts'
import { openTo, readAll } from '../host/stranger.ts'
import { TestPeer } from '../test-peer.ts'
import { ask, connectTo, ECHO_PROTOCOL, HOST_TIME, named, type OlderOptions, olderHost } from './older.ts'

const { HOP, STOP, STATUS, CAN_HOP } = CIRCUIT_TYPE

describe('circuits of relay v1', { timeout: 60_000 }, () => {
  const closing: (() => Promise<void> | void)[] = []
  after(async () => {
    await Promise.all(closing.map((close) => close()))
  })

  async function start(options: Parameters<typeof TestPeer.start>[0] = {}): Promise<TestPeer> {
    const peer = await TestPeer.start(options)
    closing.push(() => peer.stop())
    await peer.host.join(AbortSignal.timeout(HOST_TIME))
    return peer
  }

  async function older(options?: OlderOptions): Promise<Libp2p> {
    const node = await olderHost(options)
    closing.push(() => node.stop())
    return node
  }

  /** A host that answers calls as a test wants it, or not at all. */
  async function called(relay: TestPeer, answer?: (stream: Stream, call: CircuitMessage) => void): Promise<Libp2p> {
    const node = await older({ v1: 'none' })
    await node.handle(CIRCUIT_PROTOCOL, async (stream) => {
      const handshake = new CircuitHandshake(stream)
      const signal = AbortSignal.timeout(HOST_TIME)
      const call = await handshake.read(signal)
      if (!answer) return
      await handshake.write({ type: STATUS, code: CIRCUIT_STATUS.SUCCESS }, signal)
      answer(handshake.release(), call)
    })
    await connectTo(node, relay.multiaddr)
    return node
  }

  const call = (from: Libp2p, to: Pick<Libp2p, 'peerId'>): CircuitMessage => ({
    type: HOP,
    source: named(from),
    destination: named(to),
  })

  const codeOf = async (node: Libp2p, relay: string, message: CircuitMessage) =>
    (await ask(node, relay, message)).answer.code

  test('a relay says that it relays, a relay client that it does not', async () => {
    const relay = await start()
    const client = await start({ entryPeers: [relay.multiaddr], isClient: true })
    const caller = await older()
    assert.equal(await codeOf(caller, relay.multiaddr, { type: CAN_HOP }), CIRCUIT_STATUS.SUCCESS)
    const v2 = await older({ dials: 'v2' })
    const connection = await v2.dial(multiaddr(`${relay.multiaddr}/p2p-circuit/p2p/${client.host.peerId}`))
    const stream = await connection.newStream(CIRCUIT_PROTOCOL, { runOnLimitedConnection: true })
    const handshake = new CircuitHandshake(stream)
    const signal = AbortSignal.timeout(HOST_TIME)
    await handshake.write({ type: CAN_HOP }, signal)
    assert.equal((await handshake.read(signal)).code, CIRCUIT_STATUS.HOP_CANT_SPEAK_RELAY)
  })

  test('carry what is said, both ways and to the end', async () => {
    const relay = await start()
    const calls: CircuitMessage[] = []
    const target = await called(relay, (stream, message) => {
      calls.push(message)
      stream.addEventListener('message', ({ data }) => stream.send(data))
      stream.addEventListener('end', () => {
        stream.close().catch(() => {})
      })
    })
    const caller = await older()
    const { answer, stream } = await ask(caller, relay.multiaddr, call(caller, target))
    assert.deepEqual(answer, { type: STATUS, code: CIRCUIT_STATUS.SUCCESS })
    assert.equal(calls[0]?.type, STOP)
    assert.deepEqual(Buffer.from(calls[0]?.source?.id ?? []), Buffer.from(named(caller).id))
    const sent = randomBytes(3_000_000)
    const back = readAll(stream)
    for (let at = 0; at < sent.length; at += 50_000) {
      if (!stream.send(sent.subarray(at, at + 50_000))) await stream.onDrain({ signal: AbortSignal.timeout(HOST_TIME) })
    }
    await stream.close()
    const { bytes, reset } = await back
    assert.equal(reset, false)
    assert.ok(sent.equals(bytes))
  })

  test('a reset at one end is one at the other', async () => {
    const relay = await start()
    const arrived = Promise.withResolvers<Stream>()
    const target = await called(relay, (stream) => arrived.resolve(stream))
    const caller = await older()
    const { stream } = await ask(caller, relay.multiaddr, call(caller, target))
    const end = readAll(await arrived.promise)
    stream.abort(new Error('enough'))
    assert.equal((await end).reset, true)
  })

  test('calls that cannot be put through are refused with the reason', async () => {
    const relay = await start({ timeouts: { openStream: 300 } })
    const caller = await older()
    const [nobody, ids] = [new PeerKey(randomBytes(32)).peerId, new PeerIds()]
    const self = { peerId: ids.parse(relay.host.peerId) }
    const mute = await called(relay)
    const deaf = await older({ v1: 'none' })
    await connectTo(deaf, relay.multiaddr)
    const bad = { id: Uint8Array.of(1, 2, 3), addresses: [] }
    const cases: [CircuitMessage, number][] = [
      [call(caller, { peerId: ids.parse(nobody) }), CIRCUIT_STATUS.HOP_NO_CONN_TO_DST],
      [call(caller, self), CIRCUIT_STATUS.HOP_CANT_RELAY_TO_SELF],
      [call(mute, deaf), CIRCUIT_STATUS.HOP_SRC_MULTIADDR_INVALID],
      [{ type: HOP, destination: named(mute) }, CIRCUIT_STATUS.HOP_SRC_MULTIADDR_INVALID],
      [{ type: HOP, source: named(caller) }, CIRCUIT_STATUS.HOP_DST_MULTIADDR_INVALID],
      [{ type: HOP, source: named(caller), destination: bad }, CIRCUIT_STATUS.HOP_DST_MULTIADDR_INVALID],
      [call(caller, mute), CIRCUIT_STATUS.HOP_CANT_OPEN_DST_STREAM],
      [call(caller, deaf), CIRCUIT_STATUS.HOP_CANT_OPEN_DST_STREAM],
      [{ type: STOP, destination: named(self) }, CIRCUIT_STATUS.STOP_SRC_MULTIADDR_INVALID],
      [{ type: STOP, source: named(caller), destination: named(deaf) }, CIRCUIT_STATUS.STOP_DST_MULTIADDR_INVALID],
      [{ type: STATUS, code: CIRCUIT_STATUS.SUCCESS }, CIRCUIT_STATUS.MALFORMED_MESSAGE],
      [{ type: 77 }, CIRCUIT_STATUS.MALFORMED_MESSAGE],
    ]
    for (const [message, code] of cases) {
      const { answer } = await ask(caller, relay.multiaddr, message)
      assert.deepEqual(answer, { type: STATUS, code })
    }
  })

  test('what the called peer refuses with is passed on', async () => {
    const relay = await start()
    const target = await older({ v1: 'none' })
    await target.handle(CIRCUIT_PROTOCOL, async (stream) => {
      const handshake = new CircuitHandshake(stream)
      const signal = AbortSignal.timeout(HOST_TIME)
      await handshake.read(signal)
      await handshake.write({ type: STATUS, code: CIRCUIT_STATUS.STOP_RELAY_REFUSED }, signal)
    })
    await connectTo(target, relay.multiaddr)
    const caller = await older()
    assert.equal(await codeOf(caller, relay.multiaddr, call(caller, target)), CIRCUIT_STATUS.STOP_RELAY_REFUSED)
  })

  test('garbage, endless messages and silence end the stream', async () => {
    const relay = await start({ timeouts: { readRequest: 300 } })
    const node = await older()
    const garbage: [Uint8Array, string][] = [
      [Uint8Array.of(2, 0xff, 0xff), '0803209003'],
      // 5000 bytes, of which none comes.
      [Uint8Array.of(0x88, 0x27), ''],
      [new Uint8Array(20).fill(0xff), ''],
      [new Uint8Array(), ''],
    ]
    for (const [bytes, expected] of garbage) {
      const stream = await node.dialProtocol(multiaddr(relay.multiaddr), CIRCUIT_PROTOCOL)
      const answer = readAll(stream)
      if (bytes.length > 0) stream.send(bytes)
      const text = Buffer.from((await answer).bytes.subarray(1)).toString('hex')
      assert.equal(text, expected)
    }
  })

  test('a peer has so many circuits, and new ones when those have ended', async () => {
    const relay = await start({ limits: { relayedConnectionsPerPeer: 2 } })
    const target = await called(relay, (stream) => {
      stream.addEventListener('end', () => {
        stream.close().catch(() => {})
      })
    })
    const [caller, other] = [await older(), await older()]
    const first = await ask(caller, relay.multiaddr, call(caller, target))
    await ask(other, relay.multiaddr, call(other, target))
    const refused = await ask(caller, relay.multiaddr, call(caller, target))
    assert.equal(refused.answer.code, CIRCUIT_STATUS.HOP_CANT_OPEN_DST_STREAM)
    const end = readAll(first.stream)
    await first.stream.close()
    await end
    const deadline = AbortSignal.timeout(HOST_TIME)
    // The relay hears of the end of the other half a moment later than we do of ours.
    while ((await codeOf(caller, relay.multiaddr, call(caller, target))) !== CIRCUIT_STATUS.SUCCESS) {
      deadline.throwIfAborted()
    }
  })

  test('over which nothing goes are ended', async () => {
    const relay = await start({ timeouts: { circuitIdle: 200 } })
    // It keeps its half open when the other has ended.
    const target = await called(relay, () => {})
    const caller = await older()
    const { stream } = await ask(caller, relay.multiaddr, call(caller, target))
    const closed = once(stream, 'close', { signal: AbortSignal.timeout(HOST_TIME) })
    await stream.close()
    await closed
    assert.equal(stream.status, 'reset')
  })

  test('end with the relay', async () => {
    const relay = await start()
    const target = await called(relay, () => {})
    const caller = await older()
    const { stream } = await ask(caller, relay.multiaddr, call(caller, target))
    const closed = once(stream, 'close', { signal: AbortSignal.timeout(HOST_TIME) })
    await relay.stop()
    await closed
    assert.notEqual(stream.status, 'open')
  })

  /** A message there and back over a connection. */
  async function echo(connection: Connection): Promise<void> {
    const stream = await connection.newStream(ECHO_PROTOCOL, { runOnLimitedConnection: true })
    const sent = randomBytes(200_000)
    const back = readAll(stream)
    stream.send(sent)
    await stream.close()
    assert.ok(sent.equals((await back).bytes))
  }

  const dial = (node: Libp2p, relay: string, peer: Pick<Libp2p, 'peerId'>) =>
    node.dial(multiaddr(`${relay}/p2p-circuit/p2p/${peer.peerId}`), { signal: AbortSignal.timeout(HOST_TIME) })

  test('a client of v1 is reached by v2', async () => {
    const relay = await start()
    const client = await older()
    const identified = once(client, 'peer:identify')
    await connectTo(client, relay.multiaddr)
    await identified
    const caller = await older({ dials: 'v2', v1: 'none' })
    // The relay may hear a moment later than the client with whom it has to do.
    const end = AbortSignal.timeout(HOST_TIME)
    let connection: Connection | undefined
    while (!connection) {
      end.throwIfAborted()
      connection = await dial(caller, relay.multiaddr, client).catch(() => undefined)
    }
    assert.equal(connection.remotePeer.toString(), client.peerId.toString())
    await echo(connection)
    // Those who look for the client in the DHT are told that way.
    const dht = new DhtStream(await openTo(caller, relay.multiaddr, DHT_PROTOCOL))
    const question = { type: DHT_MESSAGE.FIND_NODE, key: named(client).id, closerPeers: [], providerPeers: [] }
    const { closerPeers } = await dht.ask(question, AbortSignal.timeout(HOST_TIME))
    const found = closerPeers.find(({ id }) => Buffer.from(id).equals(named(client).id))
    assert.deepEqual(
      found?.addresses.map((bytes) => multiaddr(bytes).toString()),
      [`${relay.multiaddr}/p2p-circuit`],
    )
  })

  test('a client of v2 is reached by v1', async () => {
    const relay = await start()
    const client = await older({ dials: 'v2', v1: 'none', listen: [`${relay.multiaddr}/p2p-circuit`] })
    const caller = await older({ v1: 'none' })
    const { answer } = await ask(caller, relay.multiaddr, call(caller, client))
    assert.equal(answer.code, CIRCUIT_STATUS.SUCCESS)
  })

  test('a relay of v1 alone is dialled through', async () => {
    const relay = await older({ v1: 'relay', listen: ['/ip4/127.0.0.1/tcp/0'] })
    const address = String(relay.getMultiaddrs()[0])
    const client = await older()
    await connectTo(client, address)
    const caller = await older({ dials: 'both', v1: 'none' })
    const connection = await dial(caller, address, client)
    assert.equal(connection.remotePeer.toString(), client.peerId.toString())
    assert.equal(connection.limits, undefined)
    await echo(connection)
    // And again, now that it is known which versions the relay speaks.
    await connection.close()
    await echo(await dial(caller, address, client))
    await assert.rejects(dial(caller, address, { peerId: new PeerIds().parse(new PeerKey(randomBytes(32)).peerId) }))
  })

  test('lead to clients of other relays, once a look-up has named them, and not for peers', async () => {
    // Where it says it is there is nobody, so that the client does not connect to it by itself.
    const relay = await start({ announce: { host: '127.0.0.1', port: 1 } })
    const address = `/dns4/127.0.0.1/tcp/${relay.host.port}/p2p/${relay.host.peerId}`
    const other = await start({ entryPeers: [address] })
    const client = await start({ entryPeers: [other.multiaddr], isClient: true })
    const target = { peerId: new PeerIds().parse(client.host.peerId) }
    const [caller, peer] = [await older(), await older()]
    await peer.handle(NOTIFY_PROTOCOL, () => {})
    const codes = async () => [
      await codeOf(peer, address, call(peer, target)),
      await codeOf(caller, address, call(caller, target)),
    ]
    const { HOP_NO_CONN_TO_DST, SUCCESS } = CIRCUIT_STATUS
    assert.deepEqual(await codes(), [HOP_NO_CONN_TO_DST, HOP_NO_CONN_TO_DST])
    assert.equal((await relay.host.resolve(client.address))?.peerId, client.host.peerId)
    assert.equal(relay.host.connectedPeers.includes(client.host.peerId), false)
    assert.deepEqual(await codes(), [HOP_NO_CONN_TO_DST, SUCCESS])
    for (const dials of ['both', 'v2'] as const) {
      const connection = await dial(await older({ dials, v1: 'none' }), address, target)
      const stream = await connection.newStream(ADDRESS_PROTOCOL, { runOnLimitedConnection: true })
      stream.abort(new Error('seen'))
    }
  })
})
