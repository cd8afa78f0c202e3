import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { encodeFrame } from '@parley/acn/protocol'
import fc from 'fast-check'
import { AcnConnectionError } from '../../src/entrance/connection-error.ts'
import { FrameConnection, type FrameConnectionOptions, nextFrame } from '../../src/entrance/frame-connection.ts'

/** A frame connection and the bare socket at its other end. */
async function pair(t: TestContext, options: FrameConnectionOptions = {}) {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  await once(socket, 'connect')
  const [other] = await accepted
  other.on('error', () => {})
  t.after(() => {
    other.destroy()
    socket.destroy()
    server.close()
  })
  return { connection: new FrameConnection(socket, options), other }
}

test('frames arrive whole however their bytes are divided', async (t) => {
  const { connection, other } = await pair(t)
  const got: string[] = []
  let wanted = 0
  let done = () => {}
  connection.onFrame = (body) => {
    got.push(Buffer.from(body).toString('hex'))
    if (got.length === wanted) done()
  }
  const sizes = fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 20 })
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 3_000 }), { minLength: 1, maxLength: 8 }),
      sizes,
      async (bodies, sizes) => {
        got.length = 0
        wanted = bodies.length
        const { promise, resolve } = Promise.withResolvers<void>()
        done = resolve
        const stream = Buffer.concat(bodies.map(encodeFrame))
        let offset = 0
        for (let i = 0; offset < stream.length; i++) {
          const size = sizes[i % sizes.length] ?? 1
          other.write(stream.subarray(offset, offset + size))
          offset += size
        }
        await promise
        assert.deepEqual(
          got,
          bodies.map((body) => Buffer.from(body).toString('hex')),
        )
      },
    ),
    { numRuns: 50 },
  )
})

test('a frame that is too long ends the connection and says why', async (t) => {
  const { connection, other } = await pair(t, { maxLength: 100 })
  other.write(Buffer.from('00000065', 'hex'))
  await connection.closed
  assert.ok(connection.error instanceof AcnConnectionError)
  assert.equal(connection.error.code, 'FRAME')
})

test('a frame that never becomes whole ends the connection', async (t) => {
  const { connection, other } = await pair(t, { frameTimeoutMs: 30 })
  other.write(Buffer.from('0000001001', 'hex'))
  await connection.closed
  assert.ok(connection.error instanceof AcnConnectionError)
  assert.equal(connection.error.code, 'TIMEOUT')
})

test('silence between frames ends nothing', async (t) => {
  const { connection, other } = await pair(t, { frameTimeoutMs: 20 })
  for (const body of ['one', 'two']) {
    const next = nextFrame(connection, { timeoutMs: 5_000 })
    // Longer than a frame may take.
    setTimeout(() => other.write(encodeFrame(Buffer.from(body))), 60)
    assert.equal(Buffer.from((await next) ?? []).toString(), body)
  }
})

test('the other end that does not read is given up, and what it was told does not pile up', async (t) => {
  const { connection, other } = await pair(t, { writeTimeoutMs: 50 })
  other.pause()
  let answered = 0
  connection.onFrame = () => {
    answered++
    connection.write(new Uint8Array(512 * 1024))
  }
  const question = encodeFrame(Buffer.from('?'))
  for (let i = 0; i < 1_000; i++) other.write(question)
  await connection.closed
  assert.ok(connection.error instanceof AcnConnectionError)
  assert.equal(connection.error.code, 'STALLED')
  assert.ok(answered < 50, `${answered} answers were made`)
})

test('close sends what waits, and throws away what still comes', async (t) => {
  const { connection, other } = await pair(t)
  const chunks: Uint8Array[] = []
  other.on('data', (chunk) => chunks.push(chunk))
  const ended = once(other, 'end')
  // Unread input would make the system take back what was written.
  other.write(Buffer.alloc(100_000))
  connection.write(Buffer.alloc(500_000, 7))
  connection.write(Buffer.from('last'))
  connection.close()
  connection.write(Buffer.from('too late'))
  await ended
  const stream = Buffer.concat([encodeFrame(Buffer.alloc(500_000, 7)), encodeFrame(Buffer.from('last'))])
  assert.ok(Buffer.concat(chunks).equals(stream))
  await connection.closed
  assert.equal(connection.error, undefined)
})

test('finish sends what waits, and takes what still comes until the other end closes', async (t) => {
  const { connection, other } = await pair(t)
  const taken: string[] = []
  connection.onFrame = (body) => taken.push(Buffer.from(body).toString())
  connection.pause()
  other.write(encodeFrame(Buffer.from('before')))
  const ended = once(other, 'end')
  const chunks: Uint8Array[] = []
  other.on('data', (chunk) => chunks.push(chunk))
  connection.write(Buffer.from('last'))
  connection.finish()
  connection.write(Buffer.from('too late'))
  other.write(encodeFrame(Buffer.from('on its way')))
  await ended
  assert.deepEqual(Buffer.concat(chunks), Buffer.from(encodeFrame(Buffer.from('last'))))
  await connection.closed
  assert.equal(connection.error, undefined)
  assert.deepEqual(taken, ['before', 'on its way'])
})

test('frames that wait are paused and taken again in order', async (t) => {
  const { connection, other } = await pair(t)
  const got: string[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  connection.onFrame = (body) => {
    got.push(Buffer.from(body).toString())
    connection.pause()
    setImmediate(() => connection.resume())
    if (got.length === 20) resolve()
  }
  const frames = Array.from({ length: 20 }, (_, i) => encodeFrame(Buffer.from(String(i))))
  other.write(Buffer.concat(frames))
  await promise
  assert.deepEqual(
    got,
    Array.from({ length: 20 }, (_, i) => String(i)),
  )
})

test('a frame that is waited for may not come: in time, at all, or any more', async (t) => {
  const { connection, other } = await pair(t)
  await assert.rejects(nextFrame(connection, { timeoutMs: 10 }), { name: 'AcnConnectionError', code: 'TIMEOUT' })
  const stop = new AbortController()
  const aborted = nextFrame(connection, { timeoutMs: 5_000, signal: stop.signal })
  stop.abort(new Error('enough'))
  await assert.rejects(aborted, /enough/)
  const ended = nextFrame(connection, { timeoutMs: 5_000 })
  other.end()
  assert.equal(await ended, undefined)
})

test('a fault in what takes frames ends the connection alone', async (t) => {
  const { connection, other } = await pair(t)
  connection.onFrame = () => {
    throw new Error('fault')
  }
  other.write(encodeFrame(Buffer.from('?')))
  await connection.closed
  assert.match(String(connection.error), /fault/)
})
