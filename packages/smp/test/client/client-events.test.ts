import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import { PrivateKey } from '@parley/core/crypto'
import { BoundedQueue } from '@parley/core/queue'
import { type ServerTransmissionBatch, SmpClient } from '@parley/smp/client'
import type { BrokerMessage } from '@parley/smp/protocol'
import fc from 'fast-check'
import { Responder } from './responder.ts'

const key = PrivateKey.generate('ed25519')

async function connect(capacity: number) {
  const responder = await Responder.start()
  const events = new BoundedQueue<ServerTransmissionBatch>(capacity)
  const client = await SmpClient.connect(responder.server, { events })
  const session = await responder.accept()
  return {
    client,
    session,
    events,
    async [Symbol.asyncDispose]() {
      client.close()
      await responder[Symbol.asyncDispose]()
      await client.closed
    },
  }
}

const message = (msgId: Uint8Array): BrokerMessage => ({ type: 'MSG', msgId, encrypted: Buffer.alloc(16_122) })

suite('events', () => {
  test('come in the order sent, with the connection they came on; one block is one batch', async () => {
    await using connection = await connect(10)
    const { client, session, events } = connection
    const ids = Array.from({ length: 5 }, () => randomBytes(24)) as [Buffer, Buffer, Buffer, Buffer, Buffer]
    const corrId = new Uint8Array()
    await session.send(
      { corrId, entityId: ids[0], message: { type: 'END' } },
      { corrId, entityId: ids[1], message: { type: 'DELD' } },
      { corrId, entityId: ids[2], message: { type: 'ENDS', count: 7n } },
      { corrId, entityId: ids[3], message: { type: 'ERR', error: { type: 'BLOCKED', reason: 'spam' } } },
      { corrId, entityId: ids[4], message: { type: 'MSG', msgId: ids[0], encrypted: Buffer.from('box') } },
    )
    const batch = await events.take()
    assert.ok(batch)
    assert.equal(batch.server, client.server)
    assert.equal(batch.version, client.version)
    assert.deepEqual(batch.sessionId, session.connection.sessionId)
    assert.deepEqual(
      batch.transmissions.map(({ entityId }) => Buffer.from(entityId)),
      ids,
    )
    const [end, deleted, ends, blocked, received] = batch.transmissions
    assert.ok(end?.type === 'event' && end.message.type === 'END')
    assert.ok(deleted?.type === 'event' && deleted.message.type === 'DELD')
    assert.ok(ends?.type === 'event' && ends.message.type === 'ENDS' && ends.message.count === 7n)
    assert.ok(blocked?.type === 'error')
    assert.deepEqual(blocked.error.protocolError, { type: 'BLOCKED', reason: 'spam' })
    assert.ok(received?.type === 'event' && received.message.type === 'MSG')
    assert.equal(Buffer.from(received.message.encrypted).toString(), 'box')
  })

  test('a message in the answer to SUB is an event, in the answers to ACK and GET it is their result', async () => {
    await using connection = await connect(10)
    const { client, session, events } = connection
    const queue = { rcvId: randomBytes(24), key }
    const msgId = randomBytes(24)
    const subscribed = client.subscribe(queue)
    await session.answer(await session.receiveOne(), message(msgId))
    assert.deepEqual(await subscribed, {})
    const [event] = (await events.take())?.transmissions ?? []
    assert.ok(event?.type === 'event' && event.message.type === 'MSG')
    assert.deepEqual(Buffer.from(event.entityId), queue.rcvId)
    assert.deepEqual(Buffer.from(event.message.msgId), msgId)
    for (const receive of [() => client.ack(queue, msgId), () => client.get(queue)]) {
      const next = receive()
      await session.answer(await session.receiveOne(), message(msgId))
      assert.deepEqual(Buffer.from((await next)?.msgId ?? []), msgId)
      const none = receive()
      await session.answer(await session.receiveOne(), { type: 'OK' })
      assert.equal(await none, undefined)
    }
    assert.equal(events.size, 0)
  })

  test('a reader of events that is slow holds up the router, and nothing is lost', async () => {
    await using connection = await connect(1)
    const { session, events } = connection
    const TOTAL = 3000
    // As in the transport's own test: the kernel holds some 10 MB, 3,000 blocks are 49 MB.
    const MOST_UNDER_WAY = 1500
    let received = 0
    let mostUnderWay = 0
    const sending = (async () => {
      for (let sent = 0; sent < TOTAL; sent++) {
        const msgId = Buffer.alloc(24)
        msgId.writeUInt32BE(sent)
        await session.push(randomBytes(24), message(msgId))
        mostUnderWay = Math.max(mostUnderWay, sent - received)
      }
    })()
    while (received < TOTAL) {
      const batch = await events.take()
      assert.ok(batch && batch.transmissions.length > 0)
      for (const transmission of batch.transmissions) {
        assert.ok(transmission.type === 'event' && transmission.message.type === 'MSG')
        assert.equal(Buffer.from(transmission.message.msgId).readUInt32BE(), received++)
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
    await sending
    assert.ok(mostUnderWay < MOST_UNDER_WAY, `${mostUnderWay} blocks under way`)
  })

  test('closing the client works while the queue for events is full', async () => {
    await using connection = await connect(1)
    const { client, session, events } = connection
    for (let i = 0; i < 10; i++) await session.push(randomBytes(24), { type: 'END' })
    while (!events.isFull) await new Promise((resolve) => setImmediate(resolve))
    const pinged = client.ping()
    client.close()
    await assert.rejects(pinged)
    await client.closed
  })

  test('a closed queue for events ends the client', async () => {
    await using connection = await connect(1)
    const { client, session, events } = connection
    events.close()
    await session.push(randomBytes(24), { type: 'END' })
    await client.closed
    assert.ok(client.error)
  })

  test('without a queue events are dropped', async () => {
    await using responder = await Responder.start()
    const client = await SmpClient.connect(responder.server)
    const session = await responder.accept()
    for (let i = 0; i < 20; i++) await session.push(randomBytes(24), { type: 'END' })
    const pinged = client.ping()
    await session.answer(await session.receiveOne(), { type: 'PONG' })
    await pinged
    client.close()
    await client.closed
  })

  test('rubbish of any kind in blocks leaves the client working', async () => {
    await using responder = await Responder.start()
    const client = await SmpClient.connect(responder.server)
    const session = await responder.accept()
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.uint8Array({ maxLength: 300 }),
          // A batch of one transmission: no authorisation, then anything.
          fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from([1, 0, bytes.length + 1, 0, ...bytes])),
        ),
        (content) => session.sendContent(content),
      ),
      { numRuns: 500 },
    )
    const pinged = client.ping()
    await session.answer(await session.receiveOne(), { type: 'PONG' })
    await pinged
    client.close()
    await client.closed
  })
})
