import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { NodePipe, type NodePipeOptions } from '@parley/acn/pipe'
import { AcnStatusError, decodeEnvelope, encodeAcnMessage, encodeFrame, STATUS } from '@parley/acn/protocol'
import { agent, envelopeBytes, until } from '../entrance/agents.ts'
import { FramePeer, SUCCESS } from '../entrance/frame-peer.ts'
import { MemoryNode } from '../entrance/memory-node.ts'

const alice = agent(11)
const bob = agent(12)

/** An agent as the Python program is one: listens, takes connections, knows frames. */
class BareAgent {
  readonly server: Server
  readonly port: number
  readonly #sockets: FramePeer[] = []
  #taken = 0

  private constructor(server: Server) {
    this.server = server
    this.port = (server.address() as AddressInfo).port
    server.on('connection', (socket: Socket) => this.#sockets.push(new FramePeer(socket)))
  }

  static async listen(t: TestContext, port = 0): Promise<BareAgent> {
    const server = createServer().listen(port, '127.0.0.1')
    await once(server, 'listening')
    const bare = new BareAgent(server)
    t.after(() => bare.close())
    return bare
  }

  /** The next connection. */
  async next(): Promise<FramePeer> {
    await until(() => this.#sockets.length > this.#taken)
    return this.#sockets[this.#taken++] ?? assert.fail()
  }

  close(): void {
    this.server.close()
    for (const peer of this.#sockets) peer.destroy()
  }
}

async function pipeTo(t: TestContext, port: number, options: Partial<NodePipeOptions> = {}) {
  const node = new MemoryNode()
  const pipe = await NodePipe.connect({ port, record: alice.record, handler: node, ...options })
  t.after(() => pipe.close())
  return { node, pipe }
}

async function nextText(peer: FramePeer): Promise<string> {
  const message = await peer.next()
  assert.ok(message?.type === 'aeaEnvelope')
  return Buffer.from(decodeEnvelope(message.envelope).message).toString()
}

test('the node dials until its agent listens', async (t) => {
  const { port, server } = await BareAgent.listen(t)
  server.close()
  await once(server, 'close')
  const node = new MemoryNode()
  const connecting = NodePipe.connect({ port, record: alice.record, handler: node })
  // It has been refused by the time another connection was.
  await assert.rejects(FramePeer.tcp(port))
  const late = await BareAgent.listen(t, port)
  const pipe = await connecting
  t.after(() => pipe.close())
  await late.next()
  assert.equal((await node.registered.take())?.kind, 'direct')
})

test('an agent that never listens is told of in time', async (t) => {
  const { port, server } = await BareAgent.listen(t)
  server.close()
  await once(server, 'close')
  const options = { port, record: alice.record, handler: new MemoryNode(), dialTimeoutMs: 80 }
  await assert.rejects(NodePipe.connect(options), { name: 'AcnConnectionError', code: 'CONNECT' })
  const stop = AbortSignal.timeout(30)
  await assert.rejects(NodePipe.connect({ ...options, dialTimeoutMs: 60_000 }, stop), { name: 'TimeoutError' })
})

test('envelopes go both ways, each with its status', async (t) => {
  const bare = await BareAgent.listen(t)
  const { node } = await pipeTo(t, bare.port)
  node.queue(bob.address)
  const peer = await bare.next()
  peer.send({ type: 'aeaEnvelope', envelope: envelopeBytes(alice.address, bob.address) })
  assert.equal(await peer.status(), STATUS.SUCCESS)
  for (const message of ['1', '2']) node.deliver(alice.address, envelopeBytes(bob.address, alice.address, message))
  assert.equal(await nextText(peer), '1')
  peer.send(SUCCESS)
  assert.equal(await nextText(peer), '2')
  assert.equal(node.sessions[0]?.isParley, false)
})

test('an unchanged agent hears SUCCESS whatever the fault of its envelope', async (t) => {
  const bare = await BareAgent.listen(t)
  const { node } = await pipeTo(t, bare.port)
  const peer = await bare.next()
  for (const code of Object.values(STATUS)) {
    node.answer = async () => {
      if (code === STATUS.SUCCESS) throw new Error('fault of ours')
      throw new AcnStatusError(code, 'refused')
    }
    peer.send({ type: 'aeaEnvelope', envelope: envelopeBytes(alice.address, bob.address) })
    assert.deepEqual(await peer.next(), SUCCESS)
  }
  assert.equal(node.sessions[0]?.tellsError(STATUS.ERROR_GENERIC), false)
})

test('what does not belong on a pipe is answered and ends nothing', async (t) => {
  const bare = await BareAgent.listen(t)
  const { node } = await pipeTo(t, bare.port)
  node.queue(bob.address)
  const peer = await bare.next()
  peer.sendRaw(encodeFrame(Uint8Array.of(0xff, 0xff)))
  assert.equal(await peer.status(), STATUS.ERROR_DECODE)
  peer.sendRaw(encodeFrame(new Uint8Array()))
  assert.equal(await peer.status(), STATUS.ERROR_UNEXPECTED_PAYLOAD)
  peer.send({ type: 'register' })
  assert.equal(await peer.status(), STATUS.ERROR_UNEXPECTED_PAYLOAD)
  peer.send({ type: 'lookupRequest', agentAddress: bob.address })
  assert.equal(await peer.status(), STATUS.ERROR_UNEXPECTED_PAYLOAD)
  peer.send({ type: 'aeaEnvelope', envelope: Uint8Array.of(0xff) })
  assert.equal(await peer.status(), STATUS.ERROR_DECODE)
  // Without a body, and nothing was asked.
  peer.send({ type: 'status' })
  peer.send({ type: 'aeaEnvelope', envelope: envelopeBytes(alice.address, bob.address) })
  assert.equal(await peer.status(), STATUS.SUCCESS)
})

test('statuses that nobody asked for, in thousands, change nothing', async (t) => {
  const bare = await BareAgent.listen(t)
  const { node } = await pipeTo(t, bare.port)
  const peer = await bare.next()
  const statuses = [SUCCESS, { type: 'status' } as const].map((message) => encodeFrame(encodeAcnMessage(message)))
  peer.sendRaw(Buffer.concat(Array.from({ length: 5_000 }, (_, i) => statuses[i % 2] ?? new Uint8Array())))
  // An answer shows that all before it were read.
  node.queue(bob.address)
  peer.send({ type: 'aeaEnvelope', envelope: envelopeBytes(alice.address, bob.address) })
  assert.equal(await peer.status(), STATUS.SUCCESS)
  for (const message of ['1', '2']) node.deliver(alice.address, envelopeBytes(bob.address, alice.address, message))
  assert.equal(await nextText(peer), '1')
  assert.deepEqual(node.outcomes, [])
  peer.send(SUCCESS)
  assert.equal(await nextText(peer), '2')
})

test('large envelopes pass in pieces, and one that is too long ends the connection alone', async (t) => {
  const bare = await BareAgent.listen(t)
  const { node } = await pipeTo(t, bare.port)
  const peer = await bare.next()
  const envelope = envelopeBytes(alice.address, alice.address, Buffer.alloc(2_000_000, 0x61))
  const frame = encodeFrame(encodeAcnMessage({ type: 'aeaEnvelope', envelope }))
  for (let offset = 0; offset < frame.length; offset += 65_521) peer.sendRaw(frame.subarray(offset, offset + 65_521))
  assert.equal(await peer.status(), STATUS.SUCCESS)
  const got = await peer.next()
  assert.ok(got?.type === 'aeaEnvelope')
  assert.ok(Buffer.from(got.envelope).equals(envelope))
  peer.send(SUCCESS)
  peer.sendRaw(Buffer.from('ffffffff', 'hex'))
  await peer.ended()
  const again = await bare.next()
  node.deliver(alice.address, envelopeBytes(bob.address, alice.address, 'after'))
  assert.equal(await nextText(again), 'after')
})

test('after a break the node dials again and only what was not answered comes twice', async (t) => {
  const bare = await BareAgent.listen(t)
  const { node, pipe } = await pipeTo(t, bare.port)
  for (const message of ['1', '2', '3']) node.deliver(alice.address, envelopeBytes(bob.address, alice.address, message))
  const first = await bare.next()
  assert.equal(await nextText(first), '1')
  first.send(SUCCESS)
  assert.equal(await nextText(first), '2')
  first.destroy()
  const second = await bare.next()
  assert.equal(await nextText(second), '2')
  second.send(SUCCESS)
  assert.equal(await nextText(second), '3')
  second.send(SUCCESS)
  await until(() => node.queue(alice.address).waiting.length === 0)
  assert.equal(pipe.connections, 2)
  assert.equal(node.detached.size, 1)
})

test('an agent that ends every connection is dialled ever more rarely, and served when it stays', async (t) => {
  const bare = await BareAgent.listen(t)
  const changes: boolean[] = []
  const { node } = await pipeTo(t, bare.port, { onChange: (isConnected) => changes.push(isConnected) })
  const since = performance.now()
  for (let i = 0; i < 3; i++) (await bare.next()).destroy()
  const last = await bare.next()
  assert.ok(performance.now() - since >= 690, 'waits of 100, 200 and 400 ms')
  node.deliver(alice.address, envelopeBytes(bob.address, alice.address, 'still there'))
  assert.equal(await nextText(last), 'still there')
  assert.deepEqual(changes, [true, false, true, false, true, false, true])
})

test('an agent that stays away is told of when that is wished', async (t) => {
  const bare = await BareAgent.listen(t)
  const { pipe } = await pipeTo(t, bare.port, { reconnectTimeoutMs: 60 })
  const peer = await bare.next()
  bare.close()
  peer.destroy()
  await assert.rejects(pipe.closed, { name: 'AcnConnectionError', code: 'CONNECT' })
  assert.equal(pipe.isConnected, false)
})

test('close does not wait for an agent that leaves its end open, as the Python program does', async (t) => {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const connected = once(server, 'connection') as Promise<[Socket]>
  const { pipe } = await pipeTo(t, (server.address() as AddressInfo).port)
  const [socket] = await connected
  t.after(() => socket.destroy())
  const started = performance.now()
  await pipe.close()
  // The Python program gives a node that was asked to end two seconds.
  assert.ok(performance.now() - started < 1_500)
})

test('close ends the connection and settles what is out', async (t) => {
  const bare = await BareAgent.listen(t)
  const { node, pipe } = await pipeTo(t, bare.port)
  const peer = await bare.next()
  node.deliver(alice.address, envelopeBytes(bob.address, alice.address, '1'))
  assert.equal(await nextText(peer), '1')
  await pipe.close()
  await peer.ended()
  assert.deepEqual(node.outcomes, [{ type: 'interrupted' }])
  await pipe.closed
})

test('an answer that is on its way when the node stops counts', async (t) => {
  const bare = await BareAgent.listen(t)
  const { node, pipe } = await pipeTo(t, bare.port)
  const peer = await bare.next()
  node.deliver(alice.address, envelopeBytes(bob.address, alice.address, '1'))
  assert.equal(await nextText(peer), '1')
  const closing = pipe.close()
  peer.send({ type: 'aeaEnvelope', envelope: envelopeBytes(alice.address, bob.address, 'too late') })
  peer.send(SUCCESS)
  await closing
  await peer.ended()
  assert.deepEqual(node.outcomes, [{ type: 'answered', status: { code: STATUS.SUCCESS, msgs: [] } }])
  assert.deepEqual(node.submissions, [])
})
