import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import { createRouterCertificates, fingerprint, signSessionKey, verifySignedKey } from '@parley/core/certificates'
import { PrivateKey } from '@parley/core/crypto'
import { BLOCK_SIZE, BlockCipher, paddedBlocks } from '@parley/core/transport'
import { SmpClient, SmpClientError, type SmpClientErrorType, type SmpClientOptions } from '@parley/smp/client'
import { authorizedBytes, SMP_VERSIONS, verifyAuthorization, verifyServiceSignature } from '@parley/smp/protocol'
import { Responder, type ResponderOptions, type ResponderSession } from './responder.ts'

const VERSIONS = Array.from({ length: SMP_VERSIONS.max - SMP_VERSIONS.min + 1 }, (_, i) => SMP_VERSIONS.min + i)

/** True for the error of exactly this reason. */
const isReason = (reason: SmpClientErrorType) => (error: unknown) => {
  assert.ok(error instanceof SmpClientError, String(error))
  assert.deepEqual(error.reason, reason)
  return true
}

async function connected(responder: Responder, options: SmpClientOptions = {}) {
  const client = await SmpClient.connect(responder.server, options)
  return { client, session: await responder.accept() }
}

/** PING and PONG: both sides agree on version, session id and keys of blocks. */
async function assertWorks(client: SmpClient, session: ResponderSession): Promise<void> {
  assert.equal(client.version, session.version)
  for (let i = 0; i < 3; i++) {
    const pinged = client.ping()
    const command = await session.receiveOne()
    assert.equal(command.message.type, 'PING')
    await session.answer(command, { type: 'PONG' })
    await pinged
  }
}

suite('versions', () => {
  for (const version of VERSIONS) {
    test(`a router of version ${version}: commands are authorised with keys of all kinds`, async () => {
      await using responder = await Responder.start({ versions: { min: 6, max: version } })
      const { client, session } = await connected(responder)
      await assertWorks(client, session)
      assert.equal(session.hello.sessionKey !== undefined, version >= 7)
      assert.equal(session.seal instanceof BlockCipher, version >= 11)
      const sndId = randomBytes(24)
      for (const algorithm of ['ed25519', 'ed448', 'x25519'] as const) {
        const key = PrivateKey.generate(algorithm)
        const sent = client.send({ sndId, key, notification: true, body: Buffer.from('hello') })
        if (version < 7 && algorithm === 'x25519') {
          await assert.rejects(sent, isReason({ type: 'TRANSPORT', error: { type: 'NO_AUTH' } }))
          continue
        }
        const command = await session.receiveOne()
        assert.equal(command.corrId.length, 24)
        assert.deepEqual(Buffer.from(command.entityId), sndId)
        const context = { version, sessionId: session.connection.sessionId }
        assert.ok(
          verifyAuthorization(command.authorization, [key.publicKey], {
            authorized: authorizedBytes(command.body, context),
            corrId: command.corrId,
            sessionKey: session.sessionKey,
          }),
        )
        await session.answer(command, { type: 'OK' })
        await sent
      }
      client.close()
      await client.closed
    })

    test(`a client of version ${version} at most`, async () => {
      await using responder = await Responder.start()
      const { client, session } = await connected(responder, { versions: { min: 6, max: version } })
      assert.equal(client.version, version)
      await assertWorks(client, session)
      client.close()
    })
  }

  test('without ALPN the router offers version 6 only', async () => {
    await using responder = await Responder.start()
    const { client, session } = await connected(responder, { alpn: [] })
    assert.equal(client.version, 6)
    await assertWorks(client, session)
    client.close()
  })

  test('no version in common is TRANSPORT VERSION', async () => {
    await using responder = await Responder.start({ versions: { min: 19, max: 20 } })
    await assert.rejects(
      SmpClient.connect(responder.server),
      isReason({ type: 'TRANSPORT', error: { type: 'VERSION' } }),
    )
  })

  test('without agreeing on a secret blocks are not encrypted', async () => {
    await using responder = await Responder.start()
    const { client, session } = await connected(responder, { agreeSecret: false })
    assert.equal(session.hello.sessionKey, undefined)
    assert.equal(session.seal, paddedBlocks)
    await assertWorks(client, session)
    client.close()
  })
})

suite('proxies as clients', () => {
  for (const [max, version] of [
    [18, 18],
    [14, 14],
    [13, 10],
    [9, 9],
  ] as const) {
    test(`agree on ${version} with a router of version ${max}, and do not encrypt blocks`, async () => {
      await using responder = await Responder.start({ versions: { min: 6, max } })
      const { client, session } = await connected(responder, { proxyServer: true })
      assert.equal(client.version, version)
      assert.equal(session.hello.proxyServer, version >= 14)
      assert.equal(session.seal, paddedBlocks)
      await assertWorks(client, session)
      client.close()
    })
  }
})

suite('what a client refuses', () => {
  const refused: readonly (readonly [string, ResponderOptions, SmpClientErrorType])[] = [
    [
      'another session id',
      { alterHello: (hello) => ({ ...hello, sessionId: hello.sessionId.toReversed() }) },
      { type: 'TRANSPORT', error: { type: 'SESSION' } },
    ],
    [
      'a session key signed by another certificate',
      {
        alterHello: (hello) => ({
          ...hello,
          ...(hello.authentication && {
            authentication: {
              ...hello.authentication,
              signedKey: signSessionKey(PrivateKey.generate('x25519').publicKey, PrivateKey.generate('ed25519')),
            },
          }),
        }),
      },
      { type: 'TRANSPORT', error: { type: 'HANDSHAKE', error: 'BAD_AUTH' } },
    ],
    [
      'a session key of another algorithm',
      {
        alterHello: (hello, leafKey) => ({
          ...hello,
          ...(hello.authentication && {
            authentication: {
              ...hello.authentication,
              signedKey: signSessionKey(PrivateKey.generate('ed25519').publicKey, leafKey),
            },
          }),
        }),
      },
      { type: 'TRANSPORT', error: { type: 'HANDSHAKE', error: 'BAD_AUTH' } },
    ],
    [
      'a session key that is no such thing',
      {
        alterHello: (hello) => ({
          ...hello,
          ...(hello.authentication && { authentication: { ...hello.authentication, signedKey: randomBytes(122) } }),
        }),
      },
      { type: 'TRANSPORT', error: { type: 'HANDSHAKE', error: 'BAD_AUTH' } },
    ],
    [
      'the chain of another router',
      {
        alterHello: (hello) => {
          const other = createRouterCertificates({ algorithm: 'ed25519', commonName: 'other' })
          const certificates = [other.serverCertificate, other.identityCertificate] as const
          return {
            ...hello,
            ...(hello.authentication && { authentication: { ...hello.authentication, certificates } }),
          }
        },
      },
      { type: 'TRANSPORT', error: { type: 'HANDSHAKE', error: 'BAD_AUTH' } },
    ],
    [
      'a hello of a new version without a session key',
      { alterHello: ({ versions, sessionId }) => ({ versions, sessionId }) },
      { type: 'TRANSPORT', error: { type: 'HANDSHAKE', error: 'BAD_AUTH' } },
    ],
    [
      'a hello that cannot be read',
      { firstBlock: (connection) => void connection.write(paddedBlocks.encrypt(Buffer.from([0, 6, 0]))) },
      { type: 'TRANSPORT', error: { type: 'HANDSHAKE', error: 'PARSE' } },
    ],
    [
      'a block that is not padded',
      { firstBlock: (connection) => void connection.write(new Uint8Array(BLOCK_SIZE).fill(0xff)) },
      { type: 'TRANSPORT', error: { type: 'BLOCK' } },
    ],
    [
      'a router that closes the connection',
      { firstBlock: (connection) => connection.close() },
      { type: 'NETWORK', error: { type: 'FAILED' } },
    ],
  ]
  for (const [what, options, reason] of refused) {
    test(what, async () => {
      await using responder = await Responder.start(options)
      await assert.rejects(SmpClient.connect(responder.server), isReason(reason))
    })
  }

  test('another fingerprint', async () => {
    await using responder = await Responder.start()
    const server = { ...responder.server, keyHash: randomBytes(32) }
    await assert.rejects(SmpClient.connect(server), isReason({ type: 'NETWORK', error: { type: 'UNKNOWNCA' } }))
  })

  test('a silent router, after the timeout of the mode', async () => {
    await using responder = await Responder.start({ firstBlock: () => {} })
    await assert.rejects(
      SmpClient.connect(responder.server, {
        mode: 'interactive',
        connectTimeouts: { interactive: 200, background: 60_000 },
      }),
      isReason({ type: 'NETWORK', error: { type: 'TIMEOUT' } }),
    )
  })

  test('nothing more once its signal is aborted', async () => {
    const controller = new AbortController()
    const reason = new Error('stop')
    await using responder = await Responder.start({ firstBlock: () => controller.abort(reason) })
    await assert.rejects(SmpClient.connect(responder.server, { signal: controller.signal }), reason)
    await assert.rejects(SmpClient.connect(responder.server, { signal: controller.signal }), reason)
  })
})

suite('certificates of Ed448', () => {
  test('work like those of Ed25519', async () => {
    await using responder = await Responder.start({ algorithm: 'ed448' })
    const { client, session } = await connected(responder)
    await assertWorks(client, session)
    client.close()
  })
})

suite('services', () => {
  const service = createRouterCertificates({ algorithm: 'ed25519', commonName: 'service' })
  const credentials = {
    certificates: [service.serverCertificate, service.identityCertificate] as const,
    key: service.serverKey,
  }

  test('sign NEW and SUB twice; other commands once', async () => {
    const serviceId = randomBytes(24)
    await using responder = await Responder.start({ serviceResponse: { type: 'service', serviceId } })
    const { client, session } = await connected(responder, { service: { role: 'messaging', credentials } })
    assert.deepEqual(Buffer.from(client.serviceId ?? []), serviceId)
    assert.equal(session.hello.service?.role, 'messaging')
    assert.deepEqual(session.connection.peerCertificates.map(Buffer.from), credentials.certificates.map(Buffer.from))
    const key = PrivateKey.generate('ed25519')
    const queue = { rcvId: randomBytes(24), key }
    const serviceFingerprint = fingerprint(service.identityCertificate)
    const parts = { sessionKey: session.sessionKey, serviceFingerprint }
    const context = { version: session.version, sessionId: session.connection.sessionId }

    const subscribed = client.subscribe(queue)
    const sub = await session.receiveOne()
    assert.ok(sub.authorization?.serviceSignature)
    const authorized = authorizedBytes(sub.body, context)
    assert.ok(verifyAuthorization(sub.authorization, [key.publicKey], { authorized, corrId: sub.corrId, ...parts }))
    const sessionKey = verifySignedKey(
      session.hello.service?.signedKey ?? new Uint8Array(),
      service.serverKey.publicKey,
    )
    assert.ok(sessionKey.is('ed25519'))
    assert.ok(verifyServiceSignature(sub.authorization, sessionKey, authorized))
    await session.answer(sub, { type: 'SOK', serviceId })
    assert.deepEqual(await subscribed, { serviceId: new Uint8Array(serviceId) })

    const suspended = client.suspend(queue)
    const off = await session.receiveOne()
    assert.equal(off.authorization?.serviceSignature, undefined)
    await session.answer(off, { type: 'OK' })
    await suspended
    client.close()
  })

  test('that the router refuses are not connected', async () => {
    await using responder = await Responder.start({
      serviceResponse: { type: 'error', error: { type: 'HANDSHAKE', error: 'BAD_SERVICE' } },
    })
    await assert.rejects(
      SmpClient.connect(responder.server, { service: { role: 'notifier', credentials } }),
      isReason({ type: 'TRANSPORT', error: { type: 'HANDSHAKE', error: 'BAD_SERVICE' } }),
    )
  })

  test('are ordinary clients of routers before version 16', async () => {
    await using responder = await Responder.start({ versions: { min: 6, max: 15 } })
    const { client, session } = await connected(responder, { service: { role: 'messaging', credentials } })
    assert.equal(session.hello.service, undefined)
    assert.equal(client.serviceId, undefined)
    await assertWorks(client, session)
    client.close()
  })
})
