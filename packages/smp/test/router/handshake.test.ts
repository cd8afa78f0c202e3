import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { createRouterCertificates, signSessionKey } from '@parley/core/certificates'
import { PrivateKey } from '@parley/core/crypto'
import { encode } from '@parley/core/encoding'
import { connectTls, NetworkError, paddedBlocks } from '@parley/core/transport'
import { clientHelloCodec, decodeServiceResponse, encodeBatch, parseSmpServer } from '../../src/protocol/index.ts'
import { openConnection, RawClient, within } from './raw-client.ts'
import { cmdErr, err, newQueue, OK, open, RouterFixture, send, textOf } from './router-fixture.ts'

const VERSIONS = Array.from({ length: 13 }, (_, index) => index + 6)

describe('handshake', () => {
  for (const version of VERSIONS) {
    it(`version ${version} carries a conversation`, async (t) => {
      const fixture = await RouterFixture.start(t)
      const client = await fixture.connect({ version })
      assert.deepEqual(client.hello.versions, { min: 6, max: 18 })
      const queue = await newQueue(client, { queueRequest: { mode: 'messaging' } })
      assert.equal(queue.ids.queueMode, version >= 9 ? 'messaging' : undefined)
      const sndKey = PrivateKey.generate(version >= 7 ? 'x25519' : 'ed448')
      assert.deepEqual(await client.ask({ type: 'KEY', sndAuthKey: sndKey.publicKey }, queue.rcvId, queue.rcvKey), OK)
      const longest = version >= 11 ? 16048 : version >= 8 ? 16064 : 16088
      // Below version 7 the session id in each transmission leaves less room than the body may have.
      const body = randomBytes(version === 6 ? 16048 : longest)
      assert.deepEqual(await client.ask(send(body), queue.sndId, sndKey), OK)
      const message = open(queue, await client.event())
      assert.ok(message.type === 'message' && Buffer.compare(message.body, body) === 0)
      const sub = await client.ask({ type: 'SUB' }, queue.rcvId, queue.rcvKey)
      assert.deepEqual(sub, version >= 16 ? { type: 'SOK' } : OK)
      await client.event()
      const other = await fixture.connect({ version: 18 })
      assert.deepEqual(await other.ask({ type: 'DEL' }, queue.rcvId, queue.rcvKey), OK)
      const deleted = await client.event()
      assert.equal(deleted.ok && deleted.message.type, version >= 10 ? 'DELD' : 'END')
    })
  }

  it('limits bodies by version', async (t) => {
    const fixture = await RouterFixture.start(t)
    const recipient = await fixture.connect()
    const queue = await newQueue(recipient)
    for (const [version, longest] of [
      [18, 16048],
      [11, 16048],
      [10, 16064],
      [8, 16064],
      [7, 16088],
    ] as const) {
      const client = await fixture.connect({ version })
      assert.deepEqual(await client.ask(send(randomBytes(longest + 1)), queue.sndId), err('LARGE_MSG'), `${version}`)
      assert.deepEqual(await client.ask(send(randomBytes(longest)), queue.sndId), OK, `${version}`)
    }
  })

  it('works without encryption of blocks: no key of the client, or a proxy', async (t) => {
    const fixture = await RouterFixture.start(t)
    for (const options of [{ withKey: false }, { proxyServer: true }]) {
      const client = await fixture.connect(options)
      const queue = await newQueue(client, { algorithm: 'x25519' })
      assert.deepEqual(await client.ask(send('hello'), queue.sndId), OK)
      assert.equal(textOf(queue, await client.event()), 'hello')
    }
  })

  it('offers version 6 alone to a client without ALPN', async (t) => {
    const fixture = await RouterFixture.start(t)
    const client = await fixture.connect({ version: 6, alpn: [] })
    assert.deepEqual(client.hello.versions, { min: 6, max: 6 })
    assert.equal(client.hello.authentication, undefined)
    const queue = await newQueue(client)
    await client.ask(send('old'), queue.sndId)
    assert.equal(textOf(queue, await client.event()), 'old')
    const answer = await client.askAll([
      { command: { type: 'SUB' }, entityId: queue.rcvId, authenticator: new Uint8Array(80) },
    ])
    assert.deepEqual(answer, [err('AUTH')], 'no session key, no authenticators')
    await assert.rejects(
      RawClient.connect(fixture.router.address, { version: 7, alpn: [] }).then((c) => c.ask({ type: 'PING' })),
    )
  })

  it('gives the whole range for any protocol of ALPN, and refuses unknown ones', async (t) => {
    const fixture = await RouterFixture.start(t)
    for (const alpn of [['h2'], ['http/1.1'], ['x', 'smp/1']]) {
      const client = await fixture.connect({ alpn })
      assert.deepEqual(client.hello.versions, { min: 6, max: 18 })
    }
    await assert.rejects(openConnection(fixture.router.address, { alpn: ['x'] }), NetworkError)
  })

  it('ends without a word when the hello is wrong', async (t) => {
    const fixture = await RouterFixture.start(t)
    const { address } = fixture.router
    const good = { keyHash: fixture.router.fingerprint, proxyServer: false, version: 18 }
    const hellos: [string, Uint8Array][] = [
      ['version 5', encode(clientHelloCodec, { ...good, version: 5 })],
      ['version 19', encode(clientHelloCodec, { ...good, version: 19 })],
      ['another router', encode(clientHelloCodec, { ...good, keyHash: randomBytes(32) })],
      ['nothing', new Uint8Array()],
      ['noise', randomBytes(1000)],
    ]
    for (const [name, hello] of hellos) {
      const { connection } = await openConnection(address)
      await connection.write(paddedBlocks.encrypt(hello))
      assert.equal(await within(connection.read(), name), undefined, name)
    }
    const { connection } = await openConnection(address)
    await connection.write(randomBytes(16384))
    assert.equal(await within(connection.read(), 'unpadded'), undefined)
    const trailing = await openConnection(address)
    const room = Buffer.concat([encode(clientHelloCodec, good), Buffer.from('of later versions')])
    await trailing.connection.write(paddedBlocks.encrypt(room))
    trailing.connection.close()
    assert.deepEqual(await (await fixture.connect()).ask({ type: 'PING' }), { type: 'PONG' })
  })

  it('answers services with BAD_SERVICE and ends', async (t) => {
    const fixture = await RouterFixture.start(t)
    const { identityCertificate, serverCertificate, serverKey } = createRouterCertificates({
      algorithm: 'ed25519',
      commonName: 'service',
    })
    const { connection, keyHash } = await openConnection(fixture.router.address)
    const service = {
      role: 'messaging',
      certificates: [serverCertificate, identityCertificate],
      signedKey: signSessionKey(PrivateKey.generate('x25519').publicKey, serverKey),
    } as const
    const hello = { version: 18, keyHash, proxyServer: false, service }
    await connection.write(paddedBlocks.encrypt(encode(clientHelloCodec, hello)))
    const block = await within(connection.read(), 'no service response')
    assert.ok(block)
    const expected = { type: 'error', error: { type: 'HANDSHAKE', error: 'BAD_SERVICE' } }
    assert.deepEqual(decodeServiceResponse(paddedBlocks.decrypt(block)), expected)
    assert.equal(await within(connection.read(), 'stays open'), undefined)
  })

  it('checks the session id below version 7', async (t) => {
    const fixture = await RouterFixture.start(t)
    const client = await fixture.connect({ version: 6 })
    const queue = await newQueue(client)
    const { sessionId } = client.session
    Object.assign(client.session, { sessionId: randomBytes(32) })
    const strange = client.encode({ command: { type: 'SUB' }, entityId: queue.rcvId, key: queue.rcvKey })
    Object.assign(client.session, { sessionId })
    await client.sendContent(encodeBatch([strange], 6))
    assert.deepEqual(await client.ask({ type: 'PING' }), { type: 'PONG' })
    const [answer] = client.strays
    assert.ok(answer?.ok)
    assert.deepEqual(answer.message, err('SESSION'))
  })

  it('serves certificates of Ed448 too', async (t) => {
    const fixture = await RouterFixture.start(t, { certificateAlgorithm: 'ed448' })
    const client = await fixture.connect()
    assert.deepEqual(await client.ask({ type: 'PING' }), { type: 'PONG' })
    assert.deepEqual(await client.ask({ type: 'PING' }, new Uint8Array(24)), cmdErr('HAS_AUTH'))
  })

  it('gives up on clients that say nothing', async (t) => {
    const fixture = await RouterFixture.start(t, { handshakeTimeout: 50, tlsTimeout: 50 })
    const { server } = parseSmpServer(fixture.router.address)
    const { connection } = await openConnection(fixture.router.address)
    assert.equal(await within(connection.read(), 'waits for ever'), undefined)
    const { connect } = await import('node:net')
    const socket = connect(Number(server.port), server.hosts[0])
    const closed = Promise.withResolvers<void>()
    socket.on('close', () => closed.resolve()).on('error', () => {})
    await within(closed.promise, 'waits for TLS for ever')
    await assert.rejects(
      connectTls({ host: server.hosts[0], port: Number(server.port), keyHash: randomBytes(32), timeoutMs: 5000 }),
      NetworkError,
    )
  })
})
