import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import {
  decodeEnvelope,
  encodeAcnMessage,
  encodeFrame,
  SAFE_DELEGATE_FRAME,
  STATUS,
  type StatusBody,
} from '@parley/acn/protocol'
import { agent, envelopeBytes, until } from '../entrance/agents.ts'
import { type FramePeer, SUCCESS } from '../entrance/frame-peer.ts'
import { delegateNode, registered } from './delegate-fixture.ts'

const alice = agent(11)
const bob = agent(12)

async function nextText(peer: FramePeer): Promise<string> {
  const message = await peer.next()
  assert.ok(message?.type === 'aeaEnvelope')
  return Buffer.from(decodeEnvelope(message.envelope).message).toString()
}

/** Lengths of TLS records with data that pass a port on the way from the node to a client. */
async function recordMeter(t: TestContext, nodePort: number) {
  const lengths: number[] = []
  const server = createServer((client) => {
    const upstream = connect(nodePort, '127.0.0.1')
    for (const socket of [client, upstream]) socket.on('error', () => {})
    client.pipe(upstream)
    let held = Buffer.alloc(0)
    upstream.on('data', (chunk) => {
      held = Buffer.concat([held, chunk])
      while (held.length >= 5 && held.length >= 5 + held.readUInt16BE(3)) {
        const length = held.readUInt16BE(3)
        if (held[0] === 0x17) lengths.push(length)
        held = held.subarray(5 + length)
      }
      client.write(chunk)
    })
    upstream.on('close', () => client.destroy())
    client.on('close', () => upstream.destroy())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return { port: (server.address() as AddressInfo).port, lengths }
}

test('a frame that fits into one TLS record is never divided', async (t) => {
  const { server, node } = await delegateNode(t)
  const { port, lengths } = await recordMeter(t, server.port)
  const peer = await registered(t, port, alice.record)
  lengths.length = 0
  const sizes = [10, 5_000, 9_000, 16_200, 3_000, 16_100]
  const frames: number[] = []
  for (const size of sizes) {
    node.deliver(alice.address, envelopeBytes(bob.address, alice.address, Buffer.alloc(size, 1)))
    const body = await peer.frames.take()
    assert.ok(body)
    assert.ok(body.length + 4 <= SAFE_DELEGATE_FRAME)
    frames.push(body.length + 4)
    peer.send(SUCCESS)
  }
  // A record is its content, one byte for its type and a tag of 16.
  assert.deepEqual(
    lengths,
    frames.map((length) => length + 17),
  )
})

test('answers that are made at once are written together, none of them divided', async (t) => {
  const { server } = await delegateNode(t)
  const { port, lengths } = await recordMeter(t, server.port)
  const peer = await registered(t, port, alice.record)
  lengths.length = 0
  const frame = encodeFrame(
    encodeAcnMessage({ type: 'aeaEnvelope', envelope: envelopeBytes(alice.address, alice.address) }),
  )
  peer.sendRaw(Buffer.concat(Array<Uint8Array>(400).fill(frame)))
  let statuses = 0
  while (statuses < 400) {
    const message = await peer.next()
    assert.ok(message)
    if (message.type === 'status') statuses++
  }
  for (const length of lengths.slice(0, -1)) assert.ok((length - 17) % 8 === 0 || length - 17 > 100)
})

test('400 envelopes in one write are all taken, in order', async (t) => {
  const { server, node } = await delegateNode(t)
  const peer = await registered(t, server.port, alice.record)
  const frames = Array.from({ length: 400 }, (_, i) =>
    encodeFrame(
      encodeAcnMessage({ type: 'aeaEnvelope', envelope: envelopeBytes(alice.address, bob.address, String(i)) }),
    ),
  )
  node.queue(bob.address)
  peer.sendRaw(Buffer.concat(frames))
  for (let i = 0; i < 400; i++) assert.equal(await peer.status(), STATUS.SUCCESS)
  const taken = node.submissions.map(({ envelope }) => Buffer.from(envelope.message).toString())
  assert.deepEqual(
    taken,
    Array.from({ length: 400 }, (_, i) => String(i)),
  )
})

test('statuses go out in the order of the envelopes, whichever is known first', async (t) => {
  const { server, node } = await delegateNode(t)
  const waiting: ((status: StatusBody) => void)[] = []
  node.answer = () => new Promise((resolve) => waiting.push(resolve))
  const peer = await registered(t, server.port, alice.record)
  for (const message of ['1', '2']) {
    peer.send({ type: 'aeaEnvelope', envelope: envelopeBytes(alice.address, bob.address, message) })
  }
  await until(() => waiting.length === 2)
  waiting[1]?.({ code: STATUS.SUCCESS, msgs: [] })
  waiting[0]?.({ code: STATUS.ERROR_AGENT_NOT_READY, msgs: ['full'] })
  assert.equal(await peer.status(), STATUS.ERROR_AGENT_NOT_READY)
  assert.equal(await peer.status(), STATUS.SUCCESS)
})

test('a client that does not answer gets the next envelope in time, and its late answers count', async (t) => {
  const { server, node } = await delegateNode(t, { pump: { answerTimeoutMs: 40 } })
  const peer = await registered(t, server.port, alice.record)
  for (const message of ['1', '2', '3']) node.deliver(alice.address, envelopeBytes(bob.address, alice.address, message))
  const started = performance.now()
  for (const message of ['1', '2', '3']) assert.equal(await nextText(peer), message)
  assert.ok(performance.now() - started >= 79)
  for (let i = 0; i < 3; i++) peer.send(SUCCESS)
  // An answer to an envelope of its own shows that those before were read.
  peer.send({ type: 'aeaEnvelope', envelope: envelopeBytes(alice.address, alice.address, '4') })
  assert.equal(await peer.status(), STATUS.SUCCESS)
  assert.equal(await nextText(peer), '4')
  assert.deepEqual(
    node.outcomes.map(({ type }) => type),
    ['answered', 'answered', 'answered'],
  )
})

test('a client that never answers is given up, and gets again what it did not answer', async (t) => {
  const { server, node } = await delegateNode(t, { pump: { answerTimeoutMs: 20, giveUpMs: 120 } })
  const peer = await registered(t, server.port, alice.record)
  node.deliver(alice.address, envelopeBytes(bob.address, alice.address, '1'))
  assert.equal(await nextText(peer), '1')
  await peer.ended()
  await node.detached.take()
  assert.deepEqual(node.outcomes, [{ type: 'unanswered' }])
  const again = await registered(t, server.port, alice.record)
  assert.equal(await nextText(again), '1')
})

test('no more than a stated number of envelopes is left without an answer', async (t) => {
  const { server, node } = await delegateNode(t, { pump: { answerTimeoutMs: 5, maxLate: 3 } })
  const peer = await registered(t, server.port, alice.record)
  for (let i = 0; i < 10; i++) node.deliver(alice.address, envelopeBytes(bob.address, alice.address, String(i)))
  for (let i = 0; i < 4; i++) assert.equal(await nextText(peer), String(i))
  peer.send({ type: 'aeaEnvelope', envelope: envelopeBytes(alice.address, bob.address) })
  const next = await peer.next()
  assert.equal(next?.type, 'status')
  peer.send(SUCCESS)
  assert.equal(await nextText(peer), '4')
})

test('an agent that answers with an error has refused the envelope', async (t) => {
  const { server, node } = await delegateNode(t)
  const peer = await registered(t, server.port, alice.record)
  node.deliver(alice.address, envelopeBytes(bob.address, alice.address, '1'))
  assert.equal(await nextText(peer), '1')
  peer.send({ type: 'status', body: { code: STATUS.ERROR_DECODE, msgs: ['what is this'] } })
  node.deliver(alice.address, envelopeBytes(bob.address, alice.address, '2'))
  assert.equal(await nextText(peer), '2')
  assert.deepEqual(node.outcomes[0], { type: 'answered', status: { code: 4, msgs: ['what is this'] } })
})

test('what is not in time is redelivered in order, after the connection broke', async (t) => {
  const { server, node } = await delegateNode(t)
  const first = await registered(t, server.port, alice.record)
  for (const message of ['1', '2', '3']) node.deliver(alice.address, envelopeBytes(bob.address, alice.address, message))
  assert.equal(await nextText(first), '1')
  first.send(SUCCESS)
  assert.equal(await nextText(first), '2')
  first.destroy()
  await node.detached.take()
  const second = await registered(t, server.port, alice.record)
  for (const message of ['2', '3']) {
    assert.equal(await nextText(second), message)
    second.send(SUCCESS)
  }
})

test('a settlement that fails ends the session, and no other one', async (t) => {
  const { server, node, errors } = await delegateNode(t)
  const peer = await registered(t, server.port, alice.record)
  const other = await registered(t, server.port, bob.record)
  node.queue(alice.address).add({ id: node.newId(), bytes: envelopeBytes(bob.address, alice.address), isOut: false })
  Object.assign(node.outcomes, {
    push() {
      throw new Error('disk is full')
    },
  })
  assert.equal((await peer.next())?.type, 'aeaEnvelope')
  peer.send(SUCCESS)
  await peer.ended()
  await until(() => errors.length > 0)
  assert.match(String(errors[0]), /disk is full/)
  other.send({ type: 'aeaEnvelope', envelope: envelopeBytes(bob.address, bob.address) })
  assert.equal(await other.status(), STATUS.SUCCESS)
})

test('an agent is told of errors as its program allows', async (t) => {
  const { server, node } = await delegateNode(t, {
    toldErrors: { direct: new Set(), delegate: new Set([STATUS.ERROR_AGENT_NOT_READY]), mailbox: new Set() },
  })
  const peer = await registered(t, server.port, alice.record)
  for (const [code, heard] of [
    [STATUS.ERROR_AGENT_NOT_READY, STATUS.ERROR_AGENT_NOT_READY],
    [STATUS.ERROR_WRONG_AGENT_ADDRESS, STATUS.SUCCESS],
  ] as const) {
    node.answer = async () => ({ code, msgs: [] })
    peer.send({ type: 'aeaEnvelope', envelope: envelopeBytes(alice.address, bob.address) })
    assert.equal(await peer.status(), heard)
  }
  assert.equal(node.sessions[0]?.tellsError(STATUS.ERROR_WRONG_AGENT_ADDRESS), false)
})

test('a large envelope in small pieces is delivered as it was', async (t) => {
  const { server } = await delegateNode(t)
  const peer = await registered(t, server.port, alice.record)
  const message = Buffer.alloc(1_000_000, 0).map((_, i) => i % 251)
  const frame = encodeFrame(
    encodeAcnMessage({ type: 'aeaEnvelope', envelope: envelopeBytes(alice.address, alice.address, message) }),
  )
  for (let offset = 0; offset < frame.length; offset += 7_919) peer.sendRaw(frame.subarray(offset, offset + 7_919))
  assert.equal(await peer.status(), STATUS.SUCCESS)
  const got = await peer.next()
  assert.ok(got?.type === 'aeaEnvelope')
  assert.ok(Buffer.from(decodeEnvelope(got.envelope).message).equals(message))
})
