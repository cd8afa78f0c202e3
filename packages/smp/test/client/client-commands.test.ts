import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { PrivateKey } from '@parley/core/crypto'
import { type RecipientQueue, SmpClient } from '@parley/smp/client'
import {
  type AuthPrivateKey,
  authorizedBytes,
  type BrokerMessage,
  type Command,
  verifyAuthorization,
} from '@parley/smp/protocol'
import { Responder, type ResponderSession } from './responder.ts'

const key = PrivateKey.generate('ed25519')
const sndKey = PrivateKey.generate('ed25519')
const dhKey = PrivateKey.generate('x25519').publicKey
const otherDhKey = PrivateKey.generate('x25519').publicKey
const queue: RecipientQueue = { rcvId: randomBytes(24), key }
const sndId = randomBytes(24)
const linkId = randomBytes(24)
const msgId = randomBytes(24)
const link = { fixed: randomBytes(100), user: randomBytes(1000) }
const info = { qiSnd: true, qiNtf: false, qiSize: 3 }

interface Case {
  readonly name: string
  readonly call: (client: SmpClient) => Promise<unknown>
  readonly command: Command
  readonly entityId: Uint8Array
  readonly key?: AuthPrivateKey
  readonly answer: BrokerMessage
  readonly result?: unknown
}

const OK: BrokerMessage = { type: 'OK' }
const ids = { type: 'IDS', rcvId: queue.rcvId, sndId, rcvPublicDhKey: otherDhKey } as const

const CASES: readonly Case[] = [
  {
    name: 'createQueue',
    call: (client) => client.createQueue({ rcvAuthKey: key, rcvDhKey: dhKey, subscribe: false }),
    command: { type: 'NEW', rcvAuthKey: key.publicKey, rcvDhKey: dhKey, subscribe: false },
    entityId: new Uint8Array(),
    key,
    answer: ids,
    result: ids,
  },
  {
    name: 'createQueue with everything',
    call: (client) =>
      client.createQueue({
        rcvAuthKey: key,
        rcvDhKey: dhKey,
        password: 'secret',
        subscribe: true,
        queueRequest: { mode: 'contact', data: { linkId, senderId: sndId, link } },
        notifier: { ntfKey: sndKey.publicKey, ntfDhKey: dhKey },
      }),
    command: {
      type: 'NEW',
      rcvAuthKey: key.publicKey,
      rcvDhKey: dhKey,
      password: 'secret',
      subscribe: true,
      queueRequest: { mode: 'contact', data: { linkId, senderId: sndId, link } },
      notifier: { ntfKey: sndKey.publicKey, ntfDhKey: dhKey },
    },
    entityId: new Uint8Array(),
    key,
    answer: {
      ...ids,
      queueMode: 'contact',
      linkId,
      serviceId: msgId,
      notifier: { notifierId: msgId, ntfDhKey: dhKey },
    },
    result: {
      ...ids,
      queueMode: 'contact',
      linkId,
      serviceId: msgId,
      notifier: { notifierId: msgId, ntfDhKey: dhKey },
    },
  },
  {
    name: 'subscribe',
    call: (client) => client.subscribe(queue),
    command: { type: 'SUB' },
    entityId: queue.rcvId,
    key,
    answer: { type: 'SOK', serviceId: msgId },
    result: { serviceId: msgId },
  },
  {
    name: 'secureQueue',
    call: (client) => client.secureQueue(queue, sndKey.publicKey),
    command: { type: 'KEY', sndAuthKey: sndKey.publicKey },
    entityId: queue.rcvId,
    key,
    answer: OK,
  },
  {
    name: 'secureBySender',
    call: (client) => client.secureBySender(sndId, sndKey),
    command: { type: 'SKEY', sndAuthKey: sndKey.publicKey },
    entityId: sndId,
    key: sndKey,
    answer: OK,
  },
  {
    name: 'setLinkData',
    call: (client) => client.setLinkData(queue, linkId, link),
    command: { type: 'LSET', linkId, link },
    entityId: queue.rcvId,
    key,
    answer: OK,
  },
  {
    name: 'deleteLinkData',
    call: (client) => client.deleteLinkData(queue),
    command: { type: 'LDEL' },
    entityId: queue.rcvId,
    key,
    answer: OK,
  },
  {
    name: 'getLinkData',
    call: (client) => client.getLinkData(linkId),
    command: { type: 'LGET' },
    entityId: linkId,
    answer: { type: 'LNK', sndId, link },
    result: { sndId, link },
  },
  {
    name: 'secureAndGetLinkData',
    call: (client) => client.secureAndGetLinkData(linkId, sndKey),
    command: { type: 'LKEY', sndAuthKey: sndKey.publicKey },
    entityId: linkId,
    key: sndKey,
    answer: { type: 'LNK', sndId, link },
    result: { sndId, link },
  },
  {
    name: 'setRecipientKeys',
    call: (client) => client.setRecipientKeys(queue, [key.publicKey, sndKey.publicKey]),
    command: { type: 'RKEY', rcvAuthKeys: [key.publicKey, sndKey.publicKey] },
    entityId: queue.rcvId,
    key,
    answer: OK,
  },
  {
    name: 'send, unsecured',
    call: (client) => client.send({ sndId, notification: false, body: link.user }),
    command: { type: 'SEND', notification: false, body: link.user },
    entityId: sndId,
    answer: OK,
  },
  {
    name: 'send, secured',
    call: (client) => client.send({ sndId, key: sndKey, notification: true, body: link.user }),
    command: { type: 'SEND', notification: true, body: link.user },
    entityId: sndId,
    key: sndKey,
    answer: OK,
  },
  {
    name: 'ack, nothing more',
    call: (client) => client.ack(queue, msgId),
    command: { type: 'ACK', msgId },
    entityId: queue.rcvId,
    key,
    answer: OK,
  },
  {
    name: 'ack with the next message',
    call: (client) => client.ack(queue, msgId),
    command: { type: 'ACK', msgId },
    entityId: queue.rcvId,
    key,
    answer: { type: 'MSG', msgId, encrypted: link.user },
    result: { type: 'MSG', msgId, encrypted: link.user },
  },
  {
    name: 'get',
    call: (client) => client.get(queue),
    command: { type: 'GET' },
    entityId: queue.rcvId,
    key,
    answer: { type: 'MSG', msgId, encrypted: link.user },
    result: { type: 'MSG', msgId, encrypted: link.user },
  },
  {
    name: 'suspend',
    call: (client) => client.suspend(queue),
    command: { type: 'OFF' },
    entityId: queue.rcvId,
    key,
    answer: OK,
  },
  {
    name: 'delete',
    call: (client) => client.delete(queue),
    command: { type: 'DEL' },
    entityId: queue.rcvId,
    key,
    answer: OK,
  },
  {
    name: 'queueInfo',
    call: (client) => client.queueInfo(queue),
    command: { type: 'QUE' },
    entityId: queue.rcvId,
    key,
    answer: { type: 'INFO', info },
    result: info,
  },
  {
    name: 'ping',
    call: (client) => client.ping(),
    command: { type: 'PING' },
    entityId: new Uint8Array(),
    answer: { type: 'PONG' },
  },
  {
    name: 'sendCommand',
    call: (client) =>
      client.sendCommand({
        command: { type: 'NKEY', notifier: { ntfKey: sndKey.publicKey, ntfDhKey: dhKey } },
        entityId: queue.rcvId,
        key,
      }),
    command: { type: 'NKEY', notifier: { ntfKey: sndKey.publicKey, ntfDhKey: dhKey } },
    entityId: queue.rcvId,
    key,
    answer: { type: 'NID', notifierId: msgId, ntfDhKey: otherDhKey },
    result: { type: 'NID', notifierId: msgId, ntfDhKey: otherDhKey },
  },
]

suite('every command', () => {
  let responder: Responder
  let client: SmpClient
  let session: ResponderSession
  before(async () => {
    responder = await Responder.start()
    client = await SmpClient.connect(responder.server)
    session = await responder.accept()
  })
  after(async () => {
    client.close()
    await client.closed
    await responder[Symbol.asyncDispose]()
  })

  for (const { name, call, command, entityId, key: signer, answer, result } of CASES) {
    test(name, async () => {
      const called = call(client)
      const received = await session.receiveOne()
      assert.deepEqual(comparable(received.message), comparable(command))
      assert.deepEqual(comparable(received.entityId), comparable(entityId))
      assert.equal(received.authorization !== undefined, signer !== undefined)
      if (signer) {
        const context = { version: session.version, sessionId: session.connection.sessionId }
        const parts = { authorized: authorizedBytes(received.body, context), corrId: received.corrId }
        assert.ok(verifyAuthorization(received.authorization, [signer.publicKey], parts))
      }
      await session.answer(received, answer)
      assert.deepEqual(comparable(await called), comparable(result))
    })
  }

  test('ids and keys of a new queue are copies, not views of a block', async () => {
    const called = client.createQueue({ rcvAuthKey: key, rcvDhKey: dhKey, subscribe: true })
    await session.answer(await session.receiveOne(), { ...ids, linkId })
    const created = await called
    for (const bytes of [created.rcvId, created.sndId, created.linkId, created.rcvPublicDhKey.raw]) {
      assert.ok(bytes && bytes.buffer.byteLength < 10_000)
    }
  })
})

/** Plain data: keys by their bytes, byte strings as hexadecimal text. */
function comparable(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (Array.isArray(value)) return value.map(comparable)
  if (typeof value !== 'object' || value === null) return value
  if ('spki' in value) return comparable(value.spki)
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, comparable(part)]))
}
