import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import type { MessageStream, PeerId, StreamMuxerFactory } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddrConnectionPair } from '@libp2p/utils'
import { yamux } from '@libp2p/yamux'
import { PeerKey } from '@parley/acn/record'
import { TlsEncrypter } from '../../../src/peer/tls/encrypter.ts'

const MUXER = '/yamux/1.0.0'

function newEncrypter(muxers: string[] = [MUXER]) {
  const key = new PeerKey(randomBytes(32))
  const factory = yamux()() as StreamMuxerFactory
  const encrypter = new TlsEncrypter({
    privateKey: privateKeyFromRaw(key.exportPrivateKey()),
    upgrader: { getStreamMuxers: () => new Map(muxers.map((name) => [name, factory])) },
  })
  return { encrypter, peerId: peerIdFromString(key.peerId) }
}

/** Two ends of a connection, secured. */
async function secure(options: { expected?: PeerId; skip?: boolean; serverMuxers?: string[] } = {}) {
  const [client, server] = [newEncrypter(), newEncrypter(options.serverMuxers)]
  const [outbound, inbound] = multiaddrConnectionPair()
  const skip = options.skip ? { skipStreamMuxerNegotiation: true } : {}
  const ends = await Promise.all([
    client.encrypter.secureOutbound(outbound, { remotePeer: options.expected ?? server.peerId, ...skip }),
    server.encrypter.secureInbound(inbound, skip),
  ])
  return { ends, client, server, outbound, inbound }
}

/** Sends all of it and closes, however slowly it is taken. */
async function send(stream: MessageStream, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; at += 50_000) {
    if (!stream.send(bytes.subarray(at, at + 50_000))) await stream.onDrain()
  }
}

async function receive(stream: MessageStream, length: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let received = 0
  const { promise, resolve } = Promise.withResolvers<void>()
  stream.addEventListener('message', ({ data }) => {
    chunks.push(data.subarray())
    received += data.byteLength
    if (received >= length) resolve()
    // Now and then the reader takes a while.
    if (chunks.length % 7 !== 0) return
    stream.pause()
    setImmediate(() => {
      if (stream.status === 'open') stream.resume()
    })
  })
  await promise
  return Buffer.concat(chunks)
}

describe('TLS between peers', () => {
  test('both learn who the other is, and agree on a muxer in the handshake', async () => {
    const { ends, client, server } = await secure()
    assert.deepEqual(
      ends.map(({ remotePeer }) => remotePeer.toString()),
      [server.peerId.toString(), client.peerId.toString()],
    )
    assert.ok(ends.every(({ streamMuxer }) => streamMuxer?.protocol === MUXER))
    for (const { connection } of ends) connection.abort(new Error('done'))
  })

  test('the muxer is left open where it is not wanted or not known to the other', async () => {
    for (const options of [{ skip: true }, { serverMuxers: ['/other/1.0.0'] }]) {
      const { ends } = await secure(options)
      assert.ok(ends.every(({ streamMuxer }) => streamMuxer === undefined))
      for (const { connection } of ends) connection.abort(new Error('done'))
    }
  })

  test('much passes both ways at once, unchanged', async () => {
    const { ends } = await secure()
    const [a, b] = [ends[0].connection, ends[1].connection]
    const [there, back] = [randomBytes(3_000_000), randomBytes(2_000_000)]
    const [atB, atA] = await Promise.all([
      receive(b, there.length),
      receive(a, back.length),
      send(a, there),
      send(b, back),
    ])
    assert.ok(there.equals(atB) && back.equals(atA))
    a.abort(new Error('done'))
    b.abort(new Error('done'))
  })

  test('closing at one end ends the other in order', async () => {
    const { ends, inbound } = await secure()
    const [a, b] = [ends[0].connection, ends[1].connection]
    const received = receive(b, 5)
    const closed = Promise.withResolvers<Error | undefined>()
    b.addEventListener('close', ({ error }) => closed.resolve(error))
    a.send(Buffer.from('hello'))
    await a.close({ signal: AbortSignal.timeout(5000) })
    assert.equal(Buffer.from(await received).toString(), 'hello')
    assert.equal(await closed.promise, undefined)
    assert.notEqual(inbound.status, 'open')
  })

  test('breaking off at one end breaks off the other', async () => {
    const { ends, outbound } = await secure()
    const closed = Promise.withResolvers<void>()
    ends[1].connection.addEventListener('close', () => closed.resolve())
    ends[0].connection.abort(new Error('enough'))
    await closed.promise
    assert.notEqual(outbound.status, 'open')
  })

  test('another peer than the expected one is refused', async () => {
    const expected = peerIdFromString(new PeerKey(randomBytes(32)).peerId)
    await assert.rejects(secure({ expected }), { name: 'UnexpectedPeerError' })
  })

  test('a connection that ends in the handshake, speaks something else or says nothing fails', async () => {
    const { encrypter } = newEncrypter()
    const cases: ((other: MessageStream, abort: AbortController) => void)[] = [
      (other) => other.abort(new Error('gone')),
      (other) => void other.close(),
      (other) => void other.send(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')),
      (_, abort) => abort.abort(new Error('too slow')),
    ]
    for (const behave of cases) {
      for (const inbound of [true, false]) {
        const [here, there] = multiaddrConnectionPair()
        const abort = new AbortController()
        const options = { signal: abort.signal }
        const secured = inbound ? encrypter.secureInbound(here, options) : encrypter.secureOutbound(here, options)
        setImmediate(() => behave(there, abort))
        await assert.rejects(secured)
        assert.notEqual(here.status, 'open')
      }
    }
  })
})
