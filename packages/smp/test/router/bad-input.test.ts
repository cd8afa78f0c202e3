import assert from 'node:assert/strict'
import { randomBytes, randomInt } from 'node:crypto'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { ByteWriter } from '@parley/core/encoding'
import { paddedBlocks } from '@parley/core/transport'
import { encodeBatch, parseSmpServer, writeTransmission } from '../../src/protocol/index.ts'
import { openConnection, type RawClient, within } from './raw-client.ts'
import { err, newQueue, OK, RouterFixture, SOK, send } from './router-fixture.ts'

const PONG = { type: 'PONG' } as const

describe('bad input', () => {
  it('blocks that do not decrypt are answered BLOCK, and the connection goes on', async (t) => {
    const fixture = await RouterFixture.start(t)
    const client = await fixture.connect()
    for (let round = 0; round < 3; round++) {
      await client.connection.write(new Uint8Array(randomBytes(16384)))
      // The router's chain has moved with the block that it could not read; so must the client's.
      client.seal.encrypt(new Uint8Array(1))
      const answer = await client.event()
      assert.ok(answer.ok && answer.entityId.length === 0)
      assert.deepEqual(answer.message, err('BLOCK'))
    }
    assert.deepEqual(await client.ask({ type: 'PING' }), PONG)
  })

  it('contents that are no batch are answered BLOCK', async (t) => {
    const fixture = await RouterFixture.start(t)
    for (const version of [18, 10]) {
      const client = await fixture.connect({ version })
      const whole = encodeBatch([client.encode({ command: { type: 'PING' } })], version)
      const contents = [
        new Uint8Array(),
        Uint8Array.of(0),
        Uint8Array.of(1),
        Uint8Array.of(1, 0xff, 0xff),
        Buffer.concat([whole, Buffer.from('x')]),
        whole.subarray(0, -1),
        randomBytes(5000).fill(0xff, 0, 3),
      ]
      for (const content of contents) {
        await client.sendContent(content)
        const answer = await client.event()
        assert.deepEqual(answer.ok && answer.message, err('BLOCK'))
      }
      assert.deepEqual(await client.ask({ type: 'PING' }), PONG)
    }
  })

  it('one malformed transmission does not keep the others of its block from being executed', async (t) => {
    const fixture = await RouterFixture.start(t)
    const client = await fixture.connect()
    const queue = await newQueue(client, { subscribe: false })
    const good = client.encode({ command: send('fine'), entityId: queue.sndId })
    const goodWriter = new ByteWriter()
    writeTransmission(goodWriter, good, client.session.version)
    const bad = Uint8Array.of(200, 1, 2, 3)
    const content = new ByteWriter().byte(2).large(bad).large(goodWriter.finish()).finish()
    await client.sendContent(content)
    const answer = await client.event()
    assert.deepEqual(answer.ok && answer.message, err('BLOCK'))
    assert.deepEqual(await client.ask({ type: 'SUB' }, queue.rcvId, queue.rcvKey), SOK)
    const message = await client.event()
    assert.equal(message.ok && message.message.type, 'MSG')
  })

  it('mutated commands never harm the router or others', async (t) => {
    const faults: string[] = []
    const fixture = await RouterFixture.start(t, {
      log: (event) => {
        if (event.event === 'internalError') faults.push(event.reason)
      },
    })
    const bystander = await fixture.connect()
    const queue = await newQueue(bystander)
    const client = await fixture.connect()
    const commands = [
      client.encode({ command: send('hello'), entityId: queue.sndId }),
      client.encode({ command: { type: 'SUB' }, entityId: queue.rcvId, key: queue.rcvKey }),
      client.encode({
        command: { type: 'KEY', sndAuthKey: queue.rcvKey.publicKey },
        entityId: queue.rcvId,
        key: queue.rcvKey,
      }),
      client.encode({ command: { type: 'PING' } }),
    ]
    for (let round = 0; round < 150; round++) {
      const content = Buffer.from(encodeBatch(commands, 18))
      for (let count = randomInt(1, 6); count > 0; count--) content[randomInt(content.length)] = randomInt(256)
      await client.sendContent(content)
    }
    await within(
      (async () => {
        // The router still answers this connection, after everything before.
        for (;;) {
          const [pong] = await client.exchange([{ command: { type: 'PING' } }])
          if (pong?.ok && pong.message.type === 'PONG') return
        }
      })(),
      'no answer after the noise',
    )
    assert.deepEqual(faults, [])
    assert.deepEqual(await bystander.ask({ type: 'PING' }), PONG)
  })

  it('connections that end inside TLS, the handshake or a block are forgotten', async (t) => {
    const fixture = await RouterFixture.start(t)
    const { server } = parseSmpServer(fixture.router.address)
    for (let round = 0; round < 20; round++) {
      const socket = connect(Number(server.port), server.hosts[0])
      socket.on('error', () => {})
      socket.write(randomBytes(randomInt(1, 300)))
      const { connection } = await openConnection(fixture.router.address)
      if (round % 2) await connection.write(paddedBlocks.encrypt(randomBytes(10)))
      connection.destroy()
      socket.destroy()
    }
    const client = await fixture.connect()
    assert.deepEqual(await client.ask({ type: 'PING' }), PONG)
    assert.equal((await fixture.router.inspect()).totals.connections, 1)
  })

  it('a client that does not read its messages makes others wait for nothing and holds little memory', async (t) => {
    const fixture = await RouterFixture.start(t)
    const slow = await fixture.connect()
    const sender = await fixture.connect()
    const queues = []
    for (let index = 0; index < 300; index++) queues.push(await newQueue(sender, { subscribe: false }))
    const body = new Uint8Array(randomBytes(16048))
    for (const { sndId } of queues) assert.deepEqual(await sender.ask(send(body), sndId), OK)

    // From here on nothing is read: the test's own reader is stopped below the TLS layer's read-ahead.
    const stalled = stopReading(slow.connection)
    const before = memoryInUse()
    for (let start = 0; start < queues.length; start += 60) {
      const batch = queues.slice(start, start + 60)
      await slow.send(batch.map(({ rcvId, rcvKey }) => ({ command: { type: 'SUB' }, entityId: rcvId, key: rcvKey })))
    }
    for (let round = 0; round < 20; round++) assert.deepEqual(await sender.ask({ type: 'PING' }), PONG)
    const grown = memoryInUse() - before
    assert.ok(grown < 2 * 1024 * 1024, `${grown} bytes for messages that nobody reads`)
    const info = await sender.ask({ type: 'QUE' }, queues.at(-1)?.rcvId, queues.at(-1)?.rcvKey)
    assert.ok(info.type === 'INFO' && info.info.qiSize === 1)

    stalled.resume()
    for (let count = 0; count < queues.length; count++) {
      const event = await slow.event()
      assert.equal(event.ok && event.message.type, 'MSG')
    }
  })

  it('a client that sends and does not read its answers is not listened to any more', async (t) => {
    const fixture = await RouterFixture.start(t)
    const flooder = await fixture.connect()
    const bystander = await fixture.connect()
    const stalled = stopReading(flooder.connection)
    const pings = Array.from({ length: 255 }, () => ({ command: { type: 'PING' } as const }))
    let sent = 0
    // Written until the router stops reading and the kernel's buffers are full.
    const flooding = (async () => {
      for (; sent < 3000; sent++) await flooder.send(pings)
    })().catch(() => {})
    for (let before = -1; sent !== before && sent < 3000; ) {
      before = sent
      await roundTrips(bystander, 100)
    }
    assert.ok(sent < 3000, `${sent} blocks were taken`)
    stalled.resume()
    flooder.connection.destroy()
    await flooding
    assert.deepEqual(await bystander.ask({ type: 'PING' }), PONG)
  })
})

/** Bytes of buffers of this process, router and clients, that are still referred to. */
function memoryInUse(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  return process.memoryUsage().arrayBuffers
}

async function roundTrips(client: RawClient, count: number): Promise<void> {
  for (let round = 0; round < count; round++) await client.ask({ type: 'PING' })
}

/** Makes reads of this connection wait, so that its socket is paused and the peer meets back-pressure. */
function stopReading(connection: { read: (signal?: AbortSignal) => Promise<Uint8Array | undefined> }) {
  const { promise, resolve } = Promise.withResolvers<void>()
  const read = connection.read.bind(connection)
  connection.read = async (signal) => {
    await promise
    return read(signal)
  }
  return { resume: resolve }
}
