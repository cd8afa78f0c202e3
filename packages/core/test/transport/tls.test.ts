import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectTcp, createServer as createTcpServer, type Socket } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { type ConnectionOptions, connect as connectRaw, createServer as createRaw, type TLSSocket } from 'node:tls'
import { BoundedQueue } from '@parley/core/queue'
import {
  BLOCK_SIZE,
  type BlockConnection,
  connectTls,
  type ListenTlsOptions,
  listenTls,
  NetworkError,
  SMP_ALPN,
  TransportError,
} from '@parley/core/transport'
import { pemCredentials, TLS_PARAMETERS } from '../../src/transport/tls-parameters.ts'
import { makeRouter, type TestRouter } from './routers.ts'

const HOST = '127.0.0.1'

const isNetworkError = (code: string) => (error: unknown) => error instanceof NetworkError && error.code === code

/** A listener that hands its connections and errors to the test. */
async function listenFor(router: TestRouter, options: Partial<ListenTlsOptions> = {}) {
  const connections = new BoundedQueue<BlockConnection>(100)
  const errors = new BoundedQueue<Error>(1000)
  const listener = await listenTls({
    host: HOST,
    port: 0,
    certificates: router.certificates,
    onConnection: (connection) => void connections.tryPut(connection),
    onError: (error) => void errors.tryPut(error),
    ...options,
  })
  const accept = async (): Promise<BlockConnection> => {
    const connection = await connections.take()
    assert.ok(connection)
    return connection
  }
  return { listener, accept, errors }
}

const block = (fill: number): Buffer => Buffer.alloc(BLOCK_SIZE, fill)

for (const algorithm of ['ed25519', 'ed448'] as const) {
  suite(`TLS with ${algorithm} certificates`, () => {
    const router = makeRouter(algorithm)
    let server: Awaited<ReturnType<typeof listenFor>>
    before(async () => {
      server = await listenFor(router)
    })
    after(() => server.listener.close())

    const connect = (options: { alpn?: readonly string[]; keyHash?: Uint8Array } = {}) =>
      connectTls({
        host: HOST,
        port: server.listener.port,
        keyHash: options.keyHash ?? router.keyHash,
        alpn: options.alpn,
        timeoutMs: 10_000,
      })

    test('both sides know one session id, the ALPN protocol and the chain; blocks go both ways', async () => {
      const client = await connect({ alpn: SMP_ALPN })
      const peer = await server.accept()
      assert.equal(client.sessionId.length, 32)
      assert.deepEqual(client.sessionId, peer.sessionId)
      assert.equal(client.alpn, 'smp/1')
      assert.equal(peer.alpn, 'smp/1')
      const { serverCertificate, identityCertificate } = router.certificates
      assert.deepEqual(
        client.peerCertificates.map(Buffer.from),
        [serverCertificate, identityCertificate].map(Buffer.from),
      )
      assert.deepEqual(peer.peerCertificates, [])
      assert.equal(peer.remoteAddress.replace('::ffff:', ''), HOST)
      await client.write(block(1))
      await peer.write(block(2))
      assert.deepEqual(await peer.read(), block(1))
      assert.deepEqual(await client.read(), block(2))
      client.close()
      assert.equal(await client.read(), undefined)
      assert.equal(await peer.read(), undefined)
      await Promise.all([client.closed, peer.closed])
      assert.equal(peer.error, undefined)
    })

    test('TLS 1.2, with a session id of 12 bytes', async () => {
      const raw = await connectRawly({ maxVersion: 'TLSv1.2' }, server.listener.port)
      const peer = await server.accept()
      assert.equal(raw.getProtocol(), 'TLSv1.2')
      assert.equal(raw.getCipher().standardName, 'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256')
      assert.equal(peer.sessionId.length, 12)
      assert.deepEqual(Buffer.from(peer.sessionId), raw.getFinished())
      await exchange(raw, peer)
    })

    test('a client of ours speaks TLS 1.2 with a server that has nothing newer, and sends no SNI', async () => {
      const { serverCertificate, identityCertificate, serverKey } = router.certificates
      const raw = createRaw({
        ...TLS_PARAMETERS,
        ...pemCredentials({ certificates: [serverCertificate, identityCertificate], key: serverKey }),
        maxVersion: 'TLSv1.2',
      })
      raw.listen(0, HOST)
      await once(raw, 'listening')
      const accepted = once(raw, 'secureConnection')
      // A name, because Node never makes SNI of an address.
      const client = await connectTls({
        host: 'localhost',
        port: portOf(raw),
        keyHash: router.keyHash,
        timeoutMs: 10_000,
      })
      const [socket] = (await accepted) as [TLSSocket & { servername: unknown }]
      assert.equal(socket.servername, false)
      assert.equal(socket.getProtocol(), 'TLSv1.2')
      assert.equal(client.alpn, undefined)
      assert.equal(client.sessionId.length, 12)
      assert.deepEqual(Buffer.from(client.sessionId), socket.getPeerFinished())
      client.close()
      await client.closed
      raw.close()
      await once(raw, 'close')
    })

    test('another fingerprint is UNKNOWNCA', async () => {
      const keyHash = router.keyHash.toReversed()
      await assert.rejects(connect({ keyHash }), isNetworkError('UNKNOWNCA'))
    })

    test('the other algorithm of keys works in the same client', async () => {
      const other = makeRouter(algorithm === 'ed448' ? 'ed25519' : 'ed448')
      const { listener, accept } = await listenFor(other)
      const client = await connectTls({ host: HOST, port: listener.port, keyHash: other.keyHash, timeoutMs: 10_000 })
      assert.deepEqual(client.sessionId, (await accept()).sessionId)
      await listener.close()
      await client.closed
    })
  })
}

suite('what TLS negotiates', () => {
  const router = makeRouter('ed25519')
  let server: Awaited<ReturnType<typeof listenFor>>
  before(async () => {
    server = await listenFor(router)
  })
  after(() => server.listener.close())

  const connect = (alpn?: readonly string[]) =>
    connectTls({ host: HOST, port: server.listener.port, keyHash: router.keyHash, alpn, timeoutMs: 10_000 })

  test('no ALPN extension is accepted', async () => {
    const client = await connect()
    const peer = await server.accept()
    assert.equal(client.alpn, undefined)
    assert.equal(peer.alpn, undefined)
    client.close()
    await peer.closed
  })

  for (const [offered, chosen] of [
    [['http/1.1', 'h2', 'smp/1'], 'smp/1'],
    [['http/1.1', 'h2'], 'h2'],
    [['unknown', 'http/1.1'], 'http/1.1'],
  ] as const) {
    test(`of ${offered.join()} the server takes ${chosen}`, async () => {
      const client = await connect(offered)
      const peer = await server.accept()
      assert.equal(client.alpn, chosen)
      assert.equal(peer.alpn, chosen)
      client.close()
      await peer.closed
    })
  }

  test('nothing in common aborts the handshake', async () => {
    await assert.rejects(connect(['xftp/1']), isNetworkError('TLS'))
    assert.ok((await server.errors.take()) instanceof NetworkError)
  })

  for (const [what, options] of [
    ['TLS 1.1', { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' }],
    ['AES-GCM', { ciphers: 'TLS_AES_256_GCM_SHA384:ECDHE-ECDSA-AES256-GCM-SHA384' }],
    ['P-256', { ecdhCurve: 'P-256' }],
  ] as const) {
    test(`${what} is refused`, async () => {
      await assert.rejects(connectRawly(options, server.listener.port))
      assert.ok((await server.errors.take()) instanceof NetworkError)
    })
  }

  test('sessions are never resumed', async () => {
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const first = await connectRawly({ maxVersion }, server.listener.port)
      const session = first.getSession()
      const peer = await server.accept()
      await exchange(first, peer)
      const second = await connectRawly({ maxVersion, ...(session && { session }) }, server.listener.port)
      assert.equal(second.isSessionReused(), false)
      await exchange(second, await server.accept())
    }
  })

  test('certificates of a client are handed over, self-signed or not', async () => {
    const service = makeRouter('ed25519').certificates
    const certificates = [service.serverCertificate, service.identityCertificate] as const
    for (const chain of [certificates, [service.serverCertificate]] as const) {
      const client = await connectTls({
        host: HOST,
        port: server.listener.port,
        keyHash: router.keyHash,
        clientCertificate: { certificates: chain, key: service.serverKey },
        timeoutMs: 10_000,
      })
      const peer = await server.accept()
      assert.deepEqual(peer.peerCertificates.map(Buffer.from), chain.map(Buffer.from))
      client.close()
      await peer.closed
    }
  })

  test('a certificate that is not valid yet is refused', async () => {
    const early = makeRouter('ed25519', new Date('2200-01-01T00:00:00Z'))
    const { listener } = await listenFor(early)
    await assert.rejects(
      connectTls({ host: HOST, port: listener.port, keyHash: early.keyHash, timeoutMs: 10_000 }),
      isNetworkError('TLS'),
    )
    await listener.close()
  })
})

suite('connecting', () => {
  const router = makeRouter('ed25519')

  test('a refused port and an unknown host are CONNECT', async () => {
    const { listener } = await listenFor(router)
    await listener.close()
    const options = { keyHash: router.keyHash, timeoutMs: 10_000 }
    await assert.rejects(connectTls({ host: HOST, port: listener.port, ...options }), isNetworkError('CONNECT'))
    await assert.rejects(connectTls({ host: 'no-such-host.invalid', port: 1, ...options }), isNetworkError('CONNECT'))
  })

  test('a server that is silent or does not speak TLS: TIMEOUT, the reason of the signal, or TLS', async () => {
    const silent = createTcpServer((socket) => socket.on('error', () => {}))
    const chatty = createTcpServer((socket) => socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    const rude = createTcpServer((socket) => socket.on('error', () => {}).destroy())
    for (const server of [silent, chatty, rude]) server.listen(0, HOST)
    await Promise.all([silent, chatty, rude].map((server) => once(server, 'listening')))
    const connect = (port: number, timeoutMs: number, signal?: AbortSignal) =>
      connectTls({ host: HOST, port, keyHash: router.keyHash, timeoutMs, signal })
    await assert.rejects(connect(portOf(silent), 50), isNetworkError('TIMEOUT'))
    const controller = new AbortController()
    const reason = new Error('not wanted any more')
    const aborted = connect(portOf(silent), 10_000, controller.signal)
    controller.abort(reason)
    await assert.rejects(aborted, reason)
    await assert.rejects(connect(portOf(silent), 10_000, controller.signal), reason)
    await assert.rejects(connect(portOf(chatty), 10_000), isNetworkError('TLS'))
    await assert.rejects(connect(portOf(rude), 10_000), isNetworkError('TLS'))
    for (const server of [silent, chatty, rude]) server.close()
  })
})

suite('listening', () => {
  const router = makeRouter('ed25519')

  test('a port in use is a CONNECT error', async () => {
    const { listener } = await listenFor(router)
    await assert.rejects(listenFor(router, { port: listener.port }), isNetworkError('CONNECT'))
    await listener.close()
  })

  test('clients that send nothing, rubbish or break off do no harm; the silent one is dropped in time', async () => {
    const { listener, accept, errors } = await listenFor(router, { setupTimeoutMs: 300 })
    const rubbish = [new Uint8Array(), Buffer.alloc(5000, 0x16), Buffer.from('GET / HTTP/1.1\r\n\r\n')]
    const sockets = rubbish.map((bytes) => {
      const socket = connectTcp(listener.port, HOST)
      socket.on('error', () => {}).resume()
      socket.write(bytes)
      return socket
    })
    const hasty = connectTcp(listener.port, HOST, () => hasty.resetAndDestroy())
    const client = await connectTls({ host: HOST, port: listener.port, keyHash: router.keyHash, timeoutMs: 10_000 })
    const peer = await accept()
    await peer.write(block(3))
    assert.deepEqual(await client.read(), block(3))
    await Promise.all(sockets.map((socket) => socket.closed || once(socket, 'close')))
    for (let i = 0; i < 3; i++) assert.ok(isNetworkError('TLS')(await errors.take()))
    await peer.write(block(4))
    assert.deepEqual(await client.read(), block(4))
    client.close()
    await listener.close()
  })

  test('connections beyond the limit are closed at once', async () => {
    const { listener, accept } = await listenFor(router, { maxConnections: 1 })
    const options = { host: HOST, port: listener.port, keyHash: router.keyHash, timeoutMs: 10_000 }
    const client = await connectTls(options)
    const peer = await accept()
    assert.equal(listener.connectionCount, 1)
    await assert.rejects(connectTls(options), NetworkError)
    client.close()
    await peer.closed
    await listener.close()
    assert.equal(listener.connectionCount, 0)
  })

  test('close ends connections and those still in the handshake', async () => {
    const { listener, accept } = await listenFor(router)
    const client = await connectTls({ host: HOST, port: listener.port, keyHash: router.keyHash, timeoutMs: 10_000 })
    const peer = await accept()
    const silent = connectTcp(listener.port, HOST)
    await once(silent, 'connect')
    silent.on('error', () => {}).resume()
    await listener.close()
    await Promise.all([peer.closed, client.closed, silent.closed || once(silent, 'close')])
    assert.equal(await peer.read(), undefined)
    await assert.rejects(peer.write(block(1)), isNetworkError('FAILED'))
  })

  test('what onConnection throws ends that connection and is reported', async () => {
    const reasons = [new Error('thrown'), new Error('rejected')]
    const left = [...reasons]
    const { listener, errors } = await listenFor(router, {
      onConnection: () => {
        const reason = left.shift()
        if (left.length > 0) throw reason
        return Promise.reject(reason)
      },
    })
    for (const reason of reasons) {
      const client = await connectTls({ host: HOST, port: listener.port, keyHash: router.keyHash, timeoutMs: 10_000 })
      await client.closed
      assert.equal(await errors.take(), reason)
    }
    await listener.close()
  })
})

suite('blocks', () => {
  const router = makeRouter('ed25519')
  let server: Awaited<ReturnType<typeof listenFor>>
  before(async () => {
    server = await listenFor(router)
  })
  after(() => server.listener.close())

  const connectPair = async () => {
    const client = await connectTls({
      host: HOST,
      port: server.listener.port,
      keyHash: router.keyHash,
      timeoutMs: 10_000,
    })
    return { client, peer: await server.accept() }
  }

  test('are put together from pieces of any size, also several of them in one piece', async () => {
    const raw = await connectRawly({}, server.listener.port)
    const peer = await server.accept()
    const stream = Buffer.concat([block(1), block(2), block(3), block(4), block(5)])
    let offset = 0
    for (const size of [1, 2, 16_381, 100, 16_384, 1, 20_000, 5_000, 30_000]) {
      raw.write(stream.subarray(offset, offset + size))
      offset += size
    }
    for (let fill = 1; fill <= 5; fill++) assert.deepEqual(await peer.read(), block(fill))
    assert.equal(peer.tryRead(), undefined)
    raw.end()
    assert.equal(await peer.read(), undefined)
  })

  test('a connection that ends inside a block is a BLOCK error, after the blocks before it', async () => {
    const raw = await connectRawly({}, server.listener.port)
    const peer = await server.accept()
    raw.write(block(1))
    raw.end(block(2).subarray(1))
    assert.deepEqual(await peer.read(), block(1))
    await assert.rejects(peer.read(), (error) => error instanceof TransportError && error.code === 'BLOCK')
    await peer.closed
    assert.ok(peer.error instanceof TransportError)
  })

  test('a connection that is reset is a FAILED error', async () => {
    const upstream = Promise.withResolvers<Socket>()
    const relay = createTcpServer((socket) => {
      const toServer = connectTcp(server.listener.port, HOST)
      socket
        .on('error', () => {})
        .pipe(toServer)
        .pipe(socket)
      upstream.resolve(toServer)
    })
    relay.listen(0, HOST)
    await once(relay, 'listening')
    const client = await connectTls({ host: HOST, port: portOf(relay), keyHash: router.keyHash, timeoutMs: 10_000 })
    const peer = await server.accept()
    await peer.write(block(1))
    assert.deepEqual(await client.read(), block(1))
    const reading = peer.read()
    const toServer = await upstream.promise
    toServer.resetAndDestroy()
    relay.close()
    await assert.rejects(reading, isNetworkError('FAILED'))
    await peer.closed
    client.destroy()
    await client.closed
  })

  test('of another size are refused before anything is sent', async () => {
    const { client, peer } = await connectPair()
    await assert.rejects(client.write(new Uint8Array(BLOCK_SIZE + 1)), RangeError)
    await assert.rejects(client.write(new Uint8Array(BLOCK_SIZE - 1)), RangeError)
    client.close()
    assert.equal(await peer.read(), undefined)
  })

  test('close sends what was written before', async () => {
    const { client, peer } = await connectPair()
    for (let fill = 0; fill < 20; fill++) void client.write(block(fill))
    client.close()
    await assert.rejects(client.write(block(20)), isNetworkError('FAILED'))
    for (let fill = 0; fill < 20; fill++) assert.deepEqual(await peer.read(), block(fill))
    assert.equal(await peer.read(), undefined)
    await client.closed
  })

  test('destroy gives readers its reason', async () => {
    const { client, peer } = await connectPair()
    const reason = new TransportError('SESSION', 'wrong session')
    const reading = client.read()
    client.destroy(reason)
    await assert.rejects(reading, reason)
    await assert.rejects(client.read(), reason)
    await assert.rejects(client.write(block(1)), reason)
    assert.equal(client.error, reason)
    await Promise.all([client.closed, peer.closed])
  })

  test('a slow reader holds up the sender, and nothing is lost', async () => {
    const { client, peer } = await connectPair()
    const TOTAL = 3000
    // What the kernel may hold for a connection on loopback is some 10 MB; 3,000 blocks are 49 MB.
    const MOST_UNDER_WAY = 1500
    let received = 0
    let mostUnderWay = 0
    const sending = (async () => {
      for (let sent = 0; sent < TOTAL; sent++) {
        await client.write(block(sent % 251))
        mostUnderWay = Math.max(mostUnderWay, sent - received)
      }
    })()
    for (; received < TOTAL; received++) {
      assert.equal((await peer.read())?.[0], received % 251)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await sending
    assert.ok(mostUnderWay < MOST_UNDER_WAY, `${mostUnderWay} blocks under way`)
    client.close()
    await peer.closed
  })

  test('writers that wait are told when the connection ends', async () => {
    const { client, peer } = await connectPair()
    const writes = Array.from({ length: 2000 }, () => client.write(block(1)))
    peer.destroy()
    await assert.rejects(Promise.all(writes), isNetworkError('FAILED'))
    await client.closed
  })

  test('a read can be given up and repeated; only one may wait', async () => {
    const { client, peer } = await connectPair()
    const controller = new AbortController()
    const reason = new Error('enough')
    const reading = peer.read(controller.signal)
    await assert.rejects(peer.read(), /another read/)
    controller.abort(reason)
    await assert.rejects(reading, reason)
    await assert.rejects(peer.read(controller.signal), reason)
    const again = peer.read(new AbortController().signal)
    await client.write(block(9))
    assert.deepEqual(await again, block(9))
    client.close()
    await peer.closed
  })
})

async function connectRawly(options: ConnectionOptions, port: number): Promise<TLSSocket> {
  const socket = connectRaw({
    ...TLS_PARAMETERS,
    ...(options.socket ? {} : { host: HOST, port }),
    rejectUnauthorized: false,
    ...options,
  })
  await once(socket, 'secureConnect')
  return socket
}

/** One block each way, then an orderly end. */
async function exchange(raw: TLSSocket, peer: BlockConnection): Promise<void> {
  raw.write(block(1))
  assert.deepEqual(await peer.read(), block(1))
  await peer.write(block(2))
  let received = Buffer.alloc(0)
  for await (const chunk of raw) {
    received = Buffer.concat([received, chunk])
    if (received.length >= BLOCK_SIZE) break
  }
  assert.deepEqual(received, block(2))
  raw.destroy()
  await peer.closed
}

function portOf(server: { address(): unknown }): number {
  const address = server.address() as { port: number }
  return address.port
}
