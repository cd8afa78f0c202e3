import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { BoxKey, dh, PrivateKey, sha3_384 } from '@parley/core/crypto'
import { decode } from '@parley/core/encoding'
import { BoundedQueue } from '@parley/core/queue'
import {
  type MessageOf,
  type RecipientQueue,
  type ServerTransmissionBatch,
  SmpClient,
  SmpClientError,
  type SmpClientOptions,
} from '@parley/smp/client'
import {
  maxMessageLength,
  parseSmpServer,
  type QueueMode,
  type RcvMessageBody,
  rcvMessageBodyCodec,
  SMP_VERSIONS,
} from '@parley/smp/protocol'
import { SmpRouter } from '@parley/smp/router'

const VERSIONS = Array.from({ length: SMP_VERSIONS.max - SMP_VERSIONS.min + 1 }, (_, i) => SMP_VERSIONS.min + i)

interface Party extends AsyncDisposable {
  readonly client: SmpClient
  /** The next pushed message or other event. */
  readonly next: () => Promise<{ readonly entityId: Uint8Array; readonly message: { readonly type: string } }>
}

interface TestQueue extends RecipientQueue {
  readonly sndId: Uint8Array
  readonly open: (message: MessageOf<'MSG'>) => RcvMessageBody
}

const isProtocolError = (type: string) => (error: unknown) =>
  error instanceof SmpClientError && error.protocolError?.type === type

suite('a client and the router', () => {
  let dataDir: string
  let router: SmpRouter
  before(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'smp-client-'))
    router = await SmpRouter.start({ dataDir, host: '127.0.0.1', port: 0 })
  })
  after(async () => {
    await router.close()
    await rm(dataDir, { recursive: true })
  })

  const connect = async (options: SmpClientOptions = {}): Promise<Party> => {
    const events = new BoundedQueue<ServerTransmissionBatch>(64)
    const client = await SmpClient.connect(parseSmpServer(router.address).server, { events, ...options })
    const waiting: ServerTransmissionBatch['transmissions'][number][] = []
    return {
      client,
      async next() {
        if (waiting.length === 0) waiting.push(...((await events.take())?.transmissions ?? []))
        const transmission = waiting.shift()
        assert.ok(transmission?.type === 'event')
        return transmission
      },
      async [Symbol.asyncDispose]() {
        client.close()
        await client.closed
      },
    }
  }

  const createQueue = async (client: SmpClient, mode: QueueMode = 'messaging'): Promise<TestQueue> => {
    const key = PrivateKey.generate('ed25519')
    const dhKey = PrivateKey.generate('x25519')
    const ids = await client.createQueue({
      rcvAuthKey: key,
      rcvDhKey: dhKey.publicKey,
      subscribe: true,
      queueRequest: { mode },
    })
    const box = new BoxKey(dh(dhKey, ids.rcvPublicDhKey))
    const open = (message: MessageOf<'MSG'>) => decode(rcvMessageBodyCodec, box.open(message.msgId, message.encrypted))
    return { rcvId: ids.rcvId, sndId: ids.sndId, key, open }
  }

  for (const version of VERSIONS) {
    test(`version ${version}: a queue from its creation to its end`, async () => {
      await using recipient = await connect({ versions: { min: 6, max: version } })
      await using sender = await connect({ versions: { min: 6, max: version } })
      assert.equal(recipient.client.version, version)
      const queue = await createQueue(recipient.client)
      const sndKey = PrivateKey.generate(version < 7 ? 'ed448' : 'x25519')
      if (version >= 9) await sender.client.secureBySender(queue.sndId, sndKey)
      else await recipient.client.secureQueue(queue, sndKey.publicKey)

      const bodies = [randomBytes(maxMessageLength(version)), Buffer.from('second'), Buffer.from('third')]
      for (const body of bodies) {
        await sender.client.send({ sndId: queue.sndId, key: sndKey, notification: true, body })
      }
      await assert.rejects(
        sender.client.send({ sndId: queue.sndId, notification: true, body: Buffer.from('unsigned') }),
        isProtocolError('AUTH'),
      )
      const pushed = await recipient.next()
      assert.deepEqual(Buffer.from(pushed.entityId), Buffer.from(queue.rcvId))
      let message: MessageOf<'MSG'> | undefined = pushed.message as MessageOf<'MSG'>
      for (const body of bodies) {
        assert.ok(message)
        const content = queue.open(message)
        assert.ok(content.type === 'message' && content.notification)
        assert.deepEqual(Buffer.from(content.body), body)
        message = await recipient.client.ack(queue, message.msgId)
      }
      assert.equal(message, undefined)

      assert.equal((await recipient.client.queueInfo(queue)).qiSize, 0)
      await recipient.client.suspend(queue)
      await assert.rejects(
        sender.client.send({
          sndId: queue.sndId,
          key: sndKey,
          notification: false,
          body: bodies[1] ?? Buffer.alloc(1),
        }),
        isProtocolError('AUTH'),
      )
      await recipient.client.delete(queue)
      await assert.rejects(recipient.client.subscribe(queue), isProtocolError('AUTH'))
    })
  }

  test('many subscriptions at once, some of which fail; the previous subscriber gets END', async () => {
    await using first = await connect()
    await using second = await connect()
    const queues = await Promise.all(Array.from({ length: 200 }, () => createQueue(first.client)))
    const stranger = { rcvId: randomBytes(24), key: PrivateKey.generate('ed25519') }
    const results = await second.client.subscribeMany([...queues, stranger])
    assert.ok(results.slice(0, 200).every((result) => !(result instanceof Error)))
    assert.ok(isProtocolError('AUTH')(results[200]))
    const ended = new Set<string>()
    while (ended.size < 200) {
      const { entityId, message } = await first.next()
      assert.equal(message.type, 'END')
      ended.add(Buffer.from(entityId).toString('hex'))
    }
    assert.deepEqual(ended, new Set(queues.map(({ rcvId }) => Buffer.from(rcvId).toString('hex'))))
  })

  test('short link data of a contact address: set with NEW, read, changed, deleted', async () => {
    await using owner = await connect()
    await using visitor = await connect()
    const key = PrivateKey.generate('ed25519')
    const corrId = randomBytes(24)
    const linkId = randomBytes(24)
    const link = { fixed: randomBytes(2048), user: randomBytes(13_824) }
    const { rcvId, sndId } = await owner.client.createQueue({
      rcvAuthKey: key,
      rcvDhKey: PrivateKey.generate('x25519').publicKey,
      subscribe: true,
      corrId,
      queueRequest: { mode: 'contact', data: { linkId, senderId: sha3_384(corrId).subarray(0, 24), link } },
    })
    const read = await visitor.client.getLinkData(linkId)
    assert.deepEqual(Buffer.from(read.sndId), Buffer.from(sndId))
    assert.deepEqual(Buffer.from(read.link.user), link.user)
    const queue = { rcvId, key }
    const user = randomBytes(13_824)
    await owner.client.setLinkData(queue, linkId, { ...link, user })
    assert.deepEqual(Buffer.from((await visitor.client.getLinkData(linkId)).link.user), user)
    const otherKey = PrivateKey.generate('ed25519')
    await owner.client.setRecipientKeys(queue, [key.publicKey, otherKey.publicKey])
    await owner.client.deleteLinkData({ rcvId, key: otherKey })
    await assert.rejects(visitor.client.getLinkData(linkId), isProtocolError('AUTH'))
  })

  test('messages sent all at once arrive all, in order', async () => {
    await using recipient = await connect()
    await using sender = await connect()
    const queue = await createQueue(recipient.client)
    const sndKey = PrivateKey.generate('ed25519')
    await sender.client.secureBySender(queue.sndId, sndKey)
    const TOTAL = 100
    const sent = Promise.all(
      Array.from({ length: TOTAL }, (_, i) =>
        sender.client.send({ sndId: queue.sndId, key: sndKey, notification: false, body: Buffer.from(`message ${i}`) }),
      ),
    )
    let following: MessageOf<'MSG'> | undefined
    for (let i = 0; i < TOTAL; i++) {
      const message = following ?? ((await recipient.next()).message as MessageOf<'MSG'>)
      const content = queue.open(message)
      assert.ok(content.type === 'message')
      assert.equal(Buffer.from(content.body).toString(), `message ${i}`)
      following = await recipient.client.ack(queue, message.msgId)
    }
    await sent
  })
})
