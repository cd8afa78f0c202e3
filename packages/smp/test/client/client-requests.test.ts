import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import { PrivateKey } from '@parley/core/crypto'
import { EncodeError } from '@parley/core/encoding'
import { BoundedQueue } from '@parley/core/queue'
import {
  type ServerTransmission,
  type ServerTransmissionBatch,
  SmpClient,
  SmpClientError,
  type SmpClientErrorType,
  type SmpClientOptions,
} from '@parley/smp/client'
import type { ReceivedCommand } from '@parley/smp/protocol'
import { Responder, type ResponderSession } from './responder.ts'

const key = PrivateKey.generate('ed25519')
const queue = () => ({ rcvId: randomBytes(24), key })

const isReason = (reason: SmpClientErrorType) => (error: unknown) => {
  assert.ok(error instanceof SmpClientError, String(error))
  assert.deepEqual(error.reason, reason)
  return true
}

const disconnected = isReason({ type: 'NETWORK', error: { type: 'FAILED' } })

interface Connected extends AsyncDisposable {
  readonly client: SmpClient
  readonly session: ResponderSession
  /** The next transmission that no command waited for. */
  nextEvent(): Promise<ServerTransmission>
}

async function connect(options: SmpClientOptions = {}): Promise<Connected> {
  const responder = await Responder.start()
  const events = new BoundedQueue<ServerTransmissionBatch>(10)
  const client = await SmpClient.connect(responder.server, { events, ...options })
  const session = await responder.accept()
  const waiting: ServerTransmission[] = []
  return {
    client,
    session,
    async nextEvent() {
      if (waiting.length === 0) {
        const batch = await events.take()
        assert.deepEqual(batch?.sessionId, client.sessionId)
        waiting.push(...(batch?.transmissions ?? []))
      }
      const event = waiting.shift()
      assert.ok(event)
      return event
    },
    async [Symbol.asyncDispose]() {
      client.close()
      await responder[Symbol.asyncDispose]()
      await client.closed
    },
  }
}

/** Commands of the next blocks until `count` have come, by block. */
async function receiveBlocks(session: ResponderSession, count: number): Promise<ReceivedCommand[][]> {
  const blocks: ReceivedCommand[][] = []
  for (let received = 0; received < count; ) {
    const block = await session.receive()
    blocks.push(block)
    received += block.length
  }
  return blocks
}

suite('answers', () => {
  test('find their commands in any order, also many in one block', async () => {
    await using connection = await connect()
    const { client, session } = connection
    const queues = [queue(), queue(), queue()]
    const infos = queues.map((q) => client.queueInfo(q))
    const commands = await session.receive()
    assert.equal(commands.length, 3)
    await session.send(
      ...commands.toReversed().map(({ corrId, entityId }, index) => ({
        corrId,
        entityId,
        message: { type: 'INFO' as const, info: { qiSnd: true, qiNtf: false, qiSize: index } },
      })),
    )
    assert.deepEqual(
      (await Promise.all(infos)).map(({ qiSize }) => qiSize),
      [2, 1, 0],
    )
  })

  test('with the error of the router are PROTOCOL errors that carry it, the server, and nothing else', async () => {
    await using connection = await connect()
    const { client, session } = connection
    const suspended = client.suspend(queue())
    await session.answer(await session.receiveOne(), { type: 'ERR', error: { type: 'CMD', error: 'PROHIBITED' } })
    const error = await suspended.then(
      () => undefined,
      (reason: unknown) => reason,
    )
    assert.ok(error instanceof SmpClientError)
    assert.deepEqual(error.protocolError, { type: 'CMD', error: 'PROHIBITED' })
    assert.equal(error.server, client.server)
    assert.equal(error.message, 'PROTOCOL CMD PROHIBITED (127.0.0.1)')
    assert.equal(error.isTemporary, false)
  })

  test('of a kind that does not fit, or for another entity, are UNEXPECTED', async () => {
    await using connection = await connect()
    const { client, session } = connection
    const pinged = client.suspend(queue())
    await session.answer(await session.receiveOne(), { type: 'SOK' })
    await assert.rejects(pinged, isReason({ type: 'UNEXPECTED', detail: 'SOK' }))
    const suspended = client.suspend(queue())
    const { corrId } = await session.receiveOne()
    await session.send({ corrId, entityId: randomBytes(24), message: { type: 'OK' } })
    await assert.rejects(suspended, isReason({ type: 'UNEXPECTED', detail: 'OK' }))
  })

  test('that cannot be read are RESPONSE errors', async () => {
    await using connection = await connect()
    const { client, session } = connection
    const suspended = client.suspend(queue())
    const { corrId, entityId } = await session.receiveOne()
    const transmission = Buffer.concat([
      Uint8Array.of(0, corrId.length),
      corrId,
      Uint8Array.of(entityId.length),
      entityId,
      Buffer.from('WAT'),
    ])
    await session.sendContent(Buffer.concat([Uint8Array.of(1, 0, transmission.length), transmission]))
    await assert.rejects(suspended, isReason({ type: 'RESPONSE', error: { type: 'CMD', error: 'UNKNOWN' } }))
  })

  test('to nothing that was asked, blocks that are no batch and blocks that do not decrypt are error events', async () => {
    await using connection = await connect()
    const { client, session } = connection
    await session.send({ corrId: randomBytes(24), entityId: randomBytes(24), message: { type: 'OK' } })
    await session.sendContent(Buffer.from('no batch'))
    await session.connection.write(session.seal.encrypt(Buffer.from('x')).fill(0, 100, 200))
    const reasons: SmpClientErrorType[] = []
    for (let i = 0; i < 3; i++) {
      const event = await connection.nextEvent()
      assert.ok(event.type === 'error')
      reasons.push(event.error.reason)
    }
    assert.deepEqual(reasons, [
      { type: 'UNEXPECTED', detail: 'OK' },
      { type: 'RESPONSE', error: { type: 'BLOCK' } },
      { type: 'RESPONSE', error: { type: 'BLOCK' } },
    ])
    const pinged = client.ping()
    await session.answer(await session.receiveOne(), { type: 'PONG' })
    await pinged
  })
})

suite('batches', () => {
  test('commands of one turn share a block, but not two for one entity; their order is kept', async () => {
    await using connection = await connect()
    const { client, session } = connection
    const [a, b] = [queue(), queue()]
    const done = Promise.all([
      client.subscribe(a),
      client.subscribe(b),
      client.ping(),
      client.ping(),
      client.ack(a, randomBytes(24)),
      client.ack(b, randomBytes(24)),
      client.suspend(a),
    ])
    const blocks = await receiveBlocks(session, 7)
    assert.deepEqual(
      blocks.map((block) => block.map(({ message }) => message.type)),
      [['SUB', 'SUB', 'PING', 'PING'], ['ACK', 'ACK'], ['OFF']],
    )
    for (const command of blocks.flat()) {
      await session.answer(command, { type: command.message.type === 'PING' ? 'PONG' : 'OK' })
    }
    await done
  })

  test('300 subscriptions take three blocks, and have their own results', async () => {
    await using connection = await connect()
    const { client, session } = connection
    const queues = Array.from({ length: 300 }, queue)
    const subscribed = client.subscribeMany(queues)
    const blocks = await receiveBlocks(session, 300)
    assert.ok(blocks.length <= 4, `${blocks.length} blocks`)
    for (const block of blocks) {
      await session.send(
        ...block.map(({ corrId, entityId }) => ({
          corrId,
          entityId,
          message:
            (entityId[0] ?? 0) < 128 ? ({ type: 'SOK' } as const) : ({ type: 'ERR', error: { type: 'AUTH' } } as const),
        })),
      )
    }
    const results = await subscribed
    for (const [index, result] of results.entries()) {
      if ((queues[index]?.rcvId[0] ?? 0) < 128) assert.deepEqual(result, {})
      else assert.ok(isReason({ type: 'PROTOCOL', error: { type: 'AUTH' } })(result))
    }
    assert.equal(results.length, 300)
  })

  test('a command that is too large for a block fails alone', async () => {
    await using connection = await connect()
    const { client, session } = connection
    const message = (length: number) => ({
      sndId: randomBytes(24),
      key,
      notification: false,
      body: Buffer.alloc(length),
    })
    const pings = [client.ping()]
    const largest = client.send(message(16_048))
    const tooLarge = client.send(message(16_300))
    pings.push(client.ping())
    const rejected = assert.rejects(tooLarge, isReason({ type: 'TRANSPORT', error: { type: 'LARGE_MSG' } }))
    const commands = (await receiveBlocks(session, 3)).flat()
    assert.deepEqual(
      commands.map(({ message: { type } }) => type),
      ['PING', 'SEND', 'PING'],
    )
    for (const command of commands) {
      await session.answer(command, { type: command.message.type === 'PING' ? 'PONG' : 'OK' })
    }
    await Promise.all([...pings, largest, rejected])
  })

  test('a command that cannot be encoded is refused at once and leaves nothing behind', async () => {
    await using connection = await connect()
    const { client, session } = connection
    await assert.rejects(client.suspend({ rcvId: randomBytes(300), key }), EncodeError)
    const pinged = client.ping()
    await session.answer(await session.receiveOne(), { type: 'PONG' })
    await pinged
  })

  test('corrIds are unique, and one given by the caller is used', async () => {
    await using connection = await connect()
    const { client, session } = connection
    const corrId = randomBytes(24)
    const pings = [
      client.sendCommand({ command: { type: 'PING' }, corrId }),
      ...Array.from({ length: 200 }, () => client.sendCommand({ command: { type: 'PING' } })),
    ]
    const commands = (await receiveBlocks(session, 201)).flat()
    assert.deepEqual(Buffer.from(commands[0]?.corrId ?? []), corrId)
    assert.equal(new Set(commands.map((command) => Buffer.from(command.corrId).toString('hex'))).size, 201)
    for (const command of commands) await session.answer(command, { type: 'PONG' })
    await Promise.all(pings)
  })
})

suite('commands that are given up', () => {
  test('fail with TIMEOUT; an answer that comes later is an event', async () => {
    await using connection = await connect({ requestTimeouts: { interactive: 30, background: 60_000 } })
    const { client, session } = connection
    const q = queue()
    await assert.rejects(client.subscribe(q, { mode: 'interactive' }), isReason({ type: 'TIMEOUT' }))
    await session.answer(await session.receiveOne(), { type: 'SOK' })
    const late = await connection.nextEvent()
    assert.ok(late.type === 'lateResponse')
    assert.equal(late.command, 'SUB')
    assert.deepEqual(Buffer.from(late.entityId), q.rcvId)
    assert.deepEqual(late.result, { type: 'SOK' })
  })

  test('late errors are such events too, late answers for another entity are errors', async () => {
    await using connection = await connect()
    const { client, session } = connection
    for (let i = 0; i < 2; i++) {
      await assert.rejects(client.suspend(queue(), { timeoutMs: 20 }), isReason({ type: 'TIMEOUT' }))
    }
    const [first, second] = (await receiveBlocks(session, 2)).flat()
    assert.ok(first && second)
    await session.answer(first, { type: 'ERR', error: { type: 'AUTH' } })
    await session.send({ corrId: second.corrId, entityId: randomBytes(24), message: { type: 'OK' } })
    const late = await connection.nextEvent()
    assert.ok(late.type === 'lateResponse')
    assert.ok(isReason({ type: 'PROTOCOL', error: { type: 'AUTH' } })(late.result))
    const wrong = await connection.nextEvent()
    assert.ok(wrong.type === 'error')
    assert.ok(isReason({ type: 'UNEXPECTED', detail: 'OK' })(wrong.error))
  })

  test('throw the reason of their signal', async () => {
    await using connection = await connect()
    const { client, session } = connection
    const controller = new AbortController()
    const reason = new Error('not needed any more')
    const pinged = client.ping({ signal: controller.signal })
    const command = await session.receiveOne()
    controller.abort(reason)
    await assert.rejects(pinged, reason)
    await assert.rejects(client.ping({ signal: controller.signal }), reason)
    await session.answer(command, { type: 'PONG' })
    assert.equal((await connection.nextEvent()).type, 'lateResponse')
  })

  test('before they were sent are not sent', async () => {
    await using connection = await connect()
    const { client, session } = connection
    const controller = new AbortController()
    const aborted = client.suspend(queue(), { signal: controller.signal })
    controller.abort(new Error('never mind'))
    await assert.rejects(aborted, /never mind/)
    const pinged = client.ping()
    const command = await session.receiveOne()
    assert.equal(command.message.type, 'PING')
    await session.answer(command, { type: 'PONG' })
    await pinged
  })
})

suite('the end of a connection', () => {
  test('by the router fails all commands with NETWORK, and later ones at once', async () => {
    await using connection = await connect()
    const { client, session } = connection
    const commands = Promise.allSettled([client.ping(), client.suspend(queue()), client.subscribeMany([queue()])])
    await receiveBlocks(session, 3)
    session.connection.close()
    const [pinged, suspended, subscribed] = await commands
    assert.ok(pinged.status === 'rejected' && disconnected(pinged.reason))
    assert.ok(suspended.status === 'rejected' && disconnected(suspended.reason))
    assert.ok(subscribed.status === 'fulfilled' && disconnected(subscribed.value[0]))
    await client.closed
    assert.equal(client.isClosed, true)
    assert.equal(client.error, undefined)
    await assert.rejects(client.ping(), disconnected)
  })

  test('inside a block tells why', async () => {
    await using connection = await connect()
    const { client, session } = connection
    const pinged = client.ping()
    await session.receiveOne()
    session.connection.destroy()
    await assert.rejects(pinged, disconnected)
    await client.closed
  })

  test('by the client, or by its signal', async () => {
    const controller = new AbortController()
    await using connection = await connect({ signal: controller.signal })
    const { client, session } = connection
    const pinged = client.ping()
    await session.receiveOne()
    controller.abort()
    await assert.rejects(pinged, disconnected)
    await client.closed
    assert.equal(await session.connection.read(), undefined)
    assert.equal(client.error, undefined)
  })

  test('comes after what was given to the connection before', async () => {
    await using connection = await connect()
    const { client, session } = connection
    const answered = client.ping()
    const command = await session.receiveOne()
    await session.answer(command, { type: 'PONG' })
    session.connection.close()
    await answered
    await client.closed
  })
})
