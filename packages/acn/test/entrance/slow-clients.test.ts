import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { encodeAgentRecord, STATUS } from '@parley/acn/protocol'
import { delegateNode, registered } from '../delegate/delegate-fixture.ts'
import { ask, inSession, mailboxNode, session } from '../mailbox/mailbox-fixture.ts'
import { agent, envelopeBytes, until } from './agents.ts'
import { closed, SUCCESS } from './frame-peer.ts'

/** A node answers in far less; one that waits for a deadline of ten seconds does not. */
const AT_ONCE = 5_000

const alice = agent(11)
const bob = agent(12)
const carol = agent(14)

/** The first bytes that a TLS client says. */
async function clientHello(t: TestContext): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const connection = once(server, 'connection') as Promise<[Socket]>
  const client = connectTls({ host: '127.0.0.1', port: (server.address() as AddressInfo).port })
  client.on('error', () => {})
  const [socket] = await connection
  const [hello] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  client.destroy()
  return hello
}

/** A connection that is closed at the end of the test, if not before. */
async function tcp(t: TestContext, port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** Says it byte by byte for as long as somebody listens. */
function trickle(t: TestContext, socket: Socket, bytes: Buffer, everyMs: number): void {
  let next = 0
  const timer = setInterval(() => {
    if (next < bytes.length - 1) socket.write(bytes.subarray(next, ++next))
  }, everyMs)
  t.after(() => clearInterval(timer))
  socket.once('close', () => clearInterval(timer))
  socket.resume()
}

async function servesAtOnce(t: TestContext, delegatePort: number, mailboxPort: number): Promise<void> {
  const started = performance.now()
  await registered(t, delegatePort, alice.record)
  assert.equal((await ask(mailboxPort, 'POST', '/register', { body: encodeAgentRecord(alice.record) })).status, 200)
  assert.ok(performance.now() - started < AT_ONCE)
}

test('200 silent connections, and a ClientHello of one byte a second, make nobody wait', async (t) => {
  const [delegates, mailbox] = [await delegateNode(t), await mailboxNode(t)]
  const hello = await clientHello(t)
  for (const { port } of [delegates.server, mailbox.server]) {
    await Promise.all(Array.from({ length: 200 }, () => tcp(t, port)))
    trickle(t, await tcp(t, port), hello, 1_000)
    const stopped = await tcp(t, port)
    stopped.write(hello.subarray(0, 100))
    const secure = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false })
    t.after(() => secure.destroy())
    secure.on('error', () => {})
    await once(secure, 'secureConnect')
  }
  await servesAtOnce(t, delegates.server.port, mailbox.server.port)
})

test('a delegate that reads nothing holds up nobody, and its sender neither', async (t) => {
  const { server, node } = await delegateNode(t)
  const [deaf, sender, other] = [
    await registered(t, server.port, alice.record),
    await registered(t, server.port, bob.record),
    await registered(t, server.port, carol.record),
  ]
  deaf.socket.pause()
  const large = envelopeBytes(bob.address, alice.address, Buffer.alloc(1_000_000, 1))
  for (let i = 0; i < 20; i++) {
    sender.send({ type: 'aeaEnvelope', envelope: large })
    assert.equal(await sender.status(), STATUS.SUCCESS)
  }
  for (let i = 0; i < 20; i++) {
    sender.send({ type: 'aeaEnvelope', envelope: envelopeBytes(bob.address, carol.address, String(i)) })
    assert.equal(await sender.status(), STATUS.SUCCESS)
    assert.equal((await other.next())?.type, 'aeaEnvelope')
    other.send(SUCCESS)
  }
  assert.equal(node.queue(alice.address).waiting.length, 20)
  // It also asks, without reading what it is told.
  for (let i = 0; i < 2_000; i++) {
    deaf.send({ type: 'aeaEnvelope', envelope: envelopeBytes(alice.address, carol.address) })
  }
  sender.send({ type: 'aeaEnvelope', envelope: envelopeBytes(bob.address, bob.address) })
  assert.equal(await sender.status(), STATUS.SUCCESS)
})

test('a mailbox client that does not read its answer holds up nobody', async (t) => {
  const { server, node } = await mailboxNode(t)
  const { port } = server
  const tokens = [await session(port, alice.record), await session(port, bob.record)]
  for (let i = 0; i < 4; i++) {
    node.deliver(alice.address, envelopeBytes(bob.address, alice.address, Buffer.alloc(3_000_000, 1)))
    const deaf = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false })
    t.after(() => deaf.destroy())
    deaf.on('error', () => {})
    await once(deaf, 'secureConnect')
    deaf.pause()
    deaf.write(`GET /get_envelope HTTP/1.1\r\nHost: x\r\nSession-Id: ${tokens[0]}\r\n\r\n`)
  }
  await until(() => node.queue(alice.address).waiting.some(({ isOut }) => isOut))
  const other = inSession(port, tokens[1] ?? '')
  assert.equal((await other.send(envelopeBytes(bob.address, alice.address, 'to the deaf one'))).status, 200)
  assert.equal((await other.send(envelopeBytes(bob.address, bob.address, 'to itself'))).status, 200)
  assert.ok((await other.get()).body.length > 0)
  assert.match(await session(port, carol.record), /^[0-9a-f]{32}$/)
})

test('a handshake has a deadline, however it is drawn out', async (t) => {
  const hello = await clientHello(t)
  const handshakeMs = 150
  const [delegates, mailbox] = [
    await delegateNode(t, { timeouts: { handshakeMs } }),
    await mailboxNode(t, { timeouts: { handshakeMs } }),
  ]
  for (const { server } of [delegates, mailbox]) {
    const slow = await tcp(t, server.port)
    const ended = closed(slow)
    trickle(t, slow, hello, 20)
    const silent = await tcp(t, server.port)
    silent.resume()
    await Promise.all([ended, closed(silent)])
    await until(() => server.connections === 0)
  }
})

test('a request at a mailbox has deadlines: for its head, and as a whole', async (t) => {
  const { server } = await mailboxNode(t, { timeouts: { headersMs: 100, requestMs: 200 } })
  for (const text of [
    'POST /register HTTP/1.1\r\nHost: a\r\nX: ',
    'POST /register HTTP/1.1\r\nHost: a\r\nContent-Length: 300\r\n\r\nabc',
  ]) {
    const socket = connectTls({ host: '127.0.0.1', port: server.port, rejectUnauthorized: false })
    t.after(() => socket.destroy())
    socket.on('error', () => {})
    await once(socket, 'secureConnect')
    const ended = closed(socket)
    socket.resume()
    socket.write(text)
    await ended
  }
  await until(() => server.connections === 0)
})

test('connections have bounds: of one address, and in all', async (t) => {
  const limits = { maxConnections: 6, maxPerAddress: 4, maxUnregistered: 6, maxUnregisteredPerAddress: 6 }
  const [delegates, mailbox] = [await delegateNode(t, { limits }), await mailboxNode(t, { limits })]
  for (const { server } of [delegates, mailbox]) {
    const taken = await Promise.all(Array.from({ length: 4 }, () => tcp(t, server.port)))
    await until(() => server.connections === 4)
    const refused = await tcp(t, server.port)
    refused.resume()
    await closed(refused)
    assert.equal(server.connections, 4)
    taken[0]?.destroy()
    await until(() => server.connections === 3)
    const next = await tcp(t, server.port)
    await until(() => server.connections === 4)
    assert.equal(next.destroyed, false)
  }
  await servesNobodyElse(t, delegates.server.port)
})

/** Another address of loopback has what is left in all: two. */
async function servesNobodyElse(t: TestContext, port: number): Promise<void> {
  const from = async (): Promise<Socket> => {
    const socket = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2' })
    socket.on('error', () => {})
    t.after(() => socket.destroy())
    await once(socket, 'connect')
    return socket.resume()
  }
  const [first, second] = [await from(), await from()]
  const third = await from()
  await closed(third)
  assert.deepEqual([first.destroyed, second.destroyed], [false, false])
}
