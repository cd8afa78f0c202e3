import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { after, describe, test } from 'node:test'
import type { Connection, Libp2p } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { ADDRESS_PROTOCOL, ENVELOPE_PROTOCOL, REGISTER_PROTOCOL } from '@parley/acn/peer'
import {
  type AcnMessage,
  decodeAcnMessage,
  encodeAcnMessage,
  encodeEnvelope,
  encodeFrame,
  MAX_FRAME_LENGTH,
  STATUS,
} from '@parley/acn/protocol'
import { LEDGERS } from '@parley/acn/record'
import { toHex } from '@parley/core/encoding'
import { newRecord, TestPeer } from '../test-peer.ts'
import { openTo, readAll, stranger } from './stranger.ts'

const ENVELOPE = encodeEnvelope({ to: 'a', sender: 'b', protocolId: '', message: new Uint8Array(), uri: '' })

describe('what strangers may do to a peer', () => {
  const closing: (() => Promise<void> | void)[] = []
  after(async () => {
    await Promise.all(closing.map((close) => close()))
  })

  async function start(options: Parameters<typeof TestPeer.start>[0] = {}): Promise<TestPeer> {
    const peer = await TestPeer.start(options)
    closing.push(() => peer.stop())
    return peer
  }

  async function newStranger(encrypters?: ('tls' | 'noise')[]): Promise<Libp2p> {
    const node = await stranger(encrypters)
    closing.push(() => node.stop())
    return node
  }

  /** Sends bytes on a stream of its own; what comes back, or undefined when the stream was reset without an answer. */
  async function say(node: Libp2p, peer: TestPeer, protocol: string, bytes: Uint8Array) {
    const stream = await openTo(node, peer.multiaddr, protocol).catch(() => undefined)
    if (!stream) return undefined
    const answer = readAll(stream)
    // It may be reset before all is said.
    if (stream.status === 'open') stream.send(bytes)
    await stream.close().catch(() => {})
    const { bytes: frame } = await answer
    return frame.length === 0 ? undefined : decodeAcnMessage(frame.subarray(4))
  }

  const statusCode = (message: AcnMessage | undefined) =>
    message?.type === 'status' ? message.body?.code : message?.type

  for (const encrypter of ['tls', 'noise'] as const) {
    test(`connect with ${encrypter} and yamux`, async () => {
      const peer = await start()
      const node = await newStranger([encrypter])
      const connection = await node.dial(multiaddr(peer.multiaddr))
      assert.equal(connection.encryption, encrypter === 'tls' ? '/tls/1.0.0' : '/noise')
      assert.equal(connection.multiplexer, '/yamux/1.0.0')
      const answer = await say(
        node,
        peer,
        ADDRESS_PROTOCOL,
        frame({ type: 'lookupRequest', agentAddress: peer.address }),
      )
      assert.deepEqual(answer, { type: 'lookupResponse', record: peer.record })
    })
  }

  test('malformed and unfitting messages are answered with their status', async () => {
    const peer = await start()
    const node = await newStranger()
    const key = node.peerId.publicKey?.raw ?? new Uint8Array()
    const foreign = newRecord('02'.padEnd(66, '1'))
    const own = newRecord(toHex(key))
    const cases: [protocol: string, bytes: Uint8Array, code: number | string | undefined][] = [
      [ADDRESS_PROTOCOL, encodeFrame(Buffer.from('ffff', 'hex')), STATUS.ERROR_DECODE],
      [ADDRESS_PROTOCOL, encodeFrame(new Uint8Array()), STATUS.ERROR_UNEXPECTED_PAYLOAD],
      [ADDRESS_PROTOCOL, frame({ type: 'register', record: own }), STATUS.ERROR_UNEXPECTED_PAYLOAD],
      [ADDRESS_PROTOCOL, frame({ type: 'lookupRequest', agentAddress: '' }), STATUS.ERROR_UNKNOWN_AGENT_ADDRESS],
      [
        ADDRESS_PROTOCOL,
        frame({ type: 'lookupRequest', agentAddress: 'x'.repeat(1_000_000) }),
        STATUS.ERROR_UNKNOWN_AGENT_ADDRESS,
      ],
      [ENVELOPE_PROTOCOL, encodeFrame(Buffer.from('2a00', 'hex')), STATUS.ERROR_UNEXPECTED_PAYLOAD],
      [ENVELOPE_PROTOCOL, encodeFrame(Buffer.from('4a00', 'hex')), STATUS.ERROR_UNEXPECTED_PAYLOAD],
      [
        ENVELOPE_PROTOCOL,
        frame({ type: 'aeaEnvelope', envelope: Buffer.from('ff', 'hex'), record: foreign }),
        STATUS.ERROR_DECODE,
      ],
      [
        ENVELOPE_PROTOCOL,
        frame({ type: 'aeaEnvelope', envelope: ENVELOPE, record: foreign }),
        STATUS.ERROR_WRONG_PUBLIC_KEY,
      ],
      [REGISTER_PROTOCOL, encodeFrame(Buffer.from('4200', 'hex')), STATUS.ERROR_UNEXPECTED_PAYLOAD],
      [REGISTER_PROTOCOL, frame({ type: 'register', record: foreign }), STATUS.ERROR_WRONG_PUBLIC_KEY],
      [
        REGISTER_PROTOCOL,
        frame({ type: 'register', record: { ...own, signature: '' } }),
        // A key that is not secp256k1 proves nothing at all.
        STATUS.ERROR_WRONG_PUBLIC_KEY,
      ],
    ]
    for (const [protocol, bytes, code] of cases) {
      assert.equal(statusCode(await say(node, peer, protocol, bytes)), code, `${protocol} ${bytes.length} bytes`)
    }
    const answer = await say(node, peer, ADDRESS_PROTOCOL, encodeFrame(Buffer.from('ffff', 'hex')))
    assert.ok(answer?.type === 'status' && answer.body?.msgs.every((text) => !/wire|tag|offset/.test(text)))
  })

  test('a peer whose key is of another kind cannot speak for an agent that signed no key', async () => {
    const peer = await start()
    const node = await newStranger()
    const [ledger] = LEDGERS
    assert.ok(ledger)
    const privateKey = randomBytes(32)
    const signed = newRecord(peer.host.publicKey)
    const publicKey = ledger.publicKeyOf(privateKey)
    const address = ledger.addressOf(publicKey) ?? ''
    const record = {
      ...signed,
      address,
      publicKey,
      peerPublicKey: '',
      signature: ledger.sign(privateKey, Buffer.alloc(0)),
    }
    assert.notEqual(node.peerId.type, 'secp256k1')
    for (const [protocol, message] of [
      [ENVELOPE_PROTOCOL, { type: 'aeaEnvelope', envelope: ENVELOPE, record }],
      [REGISTER_PROTOCOL, { type: 'register', record }],
    ] as const) {
      assert.equal(statusCode(await say(node, peer, protocol, frame(message))), STATUS.ERROR_WRONG_PUBLIC_KEY)
    }
    assert.deepEqual([peer.received.size, peer.relayed], [0, []])
  })

  test('frames that are too long or cut short are reset, without an answer', async () => {
    const peer = await start()
    const node = await newStranger()
    const tooLong = Buffer.alloc(4)
    tooLong.writeUInt32BE(MAX_FRAME_LENGTH + 1)
    assert.equal(await say(node, peer, ADDRESS_PROTOCOL, tooLong), undefined)
    assert.equal(await say(node, peer, ENVELOPE_PROTOCOL, Buffer.of(0, 0, 1, 0, 5)), undefined)
    assert.equal(await say(node, peer, REGISTER_PROTOCOL, new Uint8Array()), undefined)
  })

  test('those who say nothing are reset after a time', async () => {
    const peer = await start({ timeouts: { readRequest: 50 } })
    const node = await newStranger()
    const stream = await openTo(node, peer.multiaddr, ENVELOPE_PROTOCOL)
    assert.deepEqual(await readAll(stream), { bytes: Buffer.alloc(0), reset: true })
  })

  test('those who never close leave nothing open', async () => {
    const peer = await start({ timeouts: { linger: 50 } })
    const node = await newStranger()
    const connection = await node.dial(multiaddr(peer.multiaddr))
    const ended = Array.from({ length: 50 }, async () => {
      const stream = await connection.newStream(ADDRESS_PROTOCOL)
      const closed = Promise.withResolvers<void>()
      stream.addEventListener('close', () => closed.resolve())
      stream.addEventListener('message', () => {})
      stream.send(frame({ type: 'lookupRequest', agentAddress: 'x' }))
      await closed.promise
    })
    await Promise.all(ended)
    assert.equal(connection.streams.filter(({ protocol }) => protocol === ADDRESS_PROTOCOL).length, 0)
  })

  test('a peer that opens streams faster than it may is reset, and may come again later', async () => {
    const peer = await start({ limits: { streamBurstPerPeer: 20, streamRatePerPeer: 100 } })
    const node = await newStranger()
    const request = frame({ type: 'lookupRequest', agentAddress: peer.address })
    const answers = await Promise.all(Array.from({ length: 60 }, () => say(node, peer, ADDRESS_PROTOCOL, request)))
    const answered = answers.filter((answer) => answer?.type === 'lookupResponse').length
    assert.ok(answered >= 20 && answered < 60, `${answered} of 60 answered`)
    let again: AcnMessage | undefined
    while (again === undefined) again = await say(node, peer, ADDRESS_PROTOCOL, request)
    assert.equal(again.type, 'lookupResponse')
  })

  test('connections of one address are so many', async () => {
    const peer = await start({ limits: { connectionsPerAddress: 10, connectionsPerPeer: 100 } })
    const nodes = await Promise.all(Array.from({ length: 14 }, () => newStranger()))
    const results = await Promise.allSettled(nodes.map((node) => node.dial(multiaddr(peer.multiaddr))))
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 10)
    await nodes[results.findIndex(({ status }) => status === 'fulfilled')]?.stop()
    let connected = false
    while (!connected) {
      connected = await newStranger().then((node) =>
        node.dial(multiaddr(peer.multiaddr)).then(
          () => true,
          () => false,
        ),
      )
    }
  })

  test('connections of one peer are so many', async () => {
    const peer = await start({ limits: { connectionsPerPeer: 3 } })
    const node = await newStranger()
    const connections: Connection[] = []
    for (let i = 0; i < 3; i++) connections.push(await node.dial(multiaddr(peer.multiaddr), { force: true }))
    // One more may be open for a moment on this side; it ends, and the others stay.
    const refused = await node.dial(multiaddr(peer.multiaddr), { force: true }).catch(() => undefined)
    const ended = Promise.withResolvers<void>()
    refused?.addEventListener('close', () => ended.resolve())
    if (refused?.status === 'open') await ended.promise
    assert.ok(connections.every(({ status }) => status === 'open'))
    assert.deepEqual(peer.host.connectedPeers, [node.peerId.toString()])
  })

  test('silent connections keep nobody out and are ended', async () => {
    const peer = await start({ limits: { pendingConnections: 40 }, timeouts: { handshake: 1000 } })
    const sockets: Socket[] = Array.from({ length: 60 }, () => connect(peer.host.port ?? 0, '127.0.0.1'))
    const ended = sockets.map(endOf)
    // Beyond a quarter of all unfinished handshakes an address has no more; the others are closed at once.
    await Promise.race(ended)
    const other = connect({ port: peer.host.port ?? 0, host: '127.0.0.1', localAddress: '127.0.0.2' })
    other.write('\x13/multistream/1.0.0\n')
    const [greeting] = await once(other, 'data')
    assert.ok(greeting.toString().includes('/multistream/1.0.0'))
    other.destroy()
    await Promise.all(ended)
    const node = await newStranger()
    let connected = false
    while (!connected) connected = await node.dial(multiaddr(peer.multiaddr)).then(Boolean, () => false)
  })

  test('garbage instead of a handshake ends the connection', async () => {
    const peer = await start({ timeouts: { handshake: 300 } })
    for (const bytes of [randomBytes(1000), Buffer.from('GET / HTTP/1.1\r\n\r\n')]) {
      const socket = connect(peer.host.port ?? 0, '127.0.0.1')
      socket.resume()
      socket.write(bytes)
      await endOf(socket)
    }
  })

  test('an open port of the DHT takes no garbage', async () => {
    const peer = await start()
    const node = await newStranger()
    for (const bytes of [Buffer.from('ffffffff', 'hex'), Buffer.from('02ffff', 'hex'), Buffer.from('020804', 'hex')]) {
      const stream = await openTo(node, peer.multiaddr, '/ipfs/kad/1.0.0')
      const answer = readAll(stream)
      stream.send(bytes)
      assert.deepEqual(await answer, { bytes: Buffer.alloc(0), reset: true })
    }
  })
})

function frame(message: AcnMessage): Uint8Array {
  return encodeFrame(encodeAcnMessage(message))
}

/** The end of a connection, in order or not. */
function endOf(socket: Socket): Promise<void> {
  socket.on('error', () => {})
  return new Promise((resolve) => socket.once('close', () => resolve()))
}
