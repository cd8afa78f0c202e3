// What ends the process of the Go node from afar, sent to a node of ours: it says what is wrong, and serves on.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { AcnNode } from '@parley/acn/node'
import { ADDRESS_PROTOCOL, ENVELOPE_PROTOCOL, REGISTER_PROTOCOL } from '@parley/acn/peer'
import {
  type AgentRecord,
  decodeEnvelope,
  encodeAcnMessage,
  encodeEnvelope,
  STATUS,
  SUCCESS_BYTES,
} from '@parley/acn/protocol'
import { PeerKey } from '@parley/acn/record'
import { BoundedQueue } from '@parley/core/queue'
import { FramePeer, SUCCESS } from '../entrance/frame-peer.ts'
import { BarePeer } from '../peer/host/bare-peer.ts'
import { newRecord } from '../peer/test-peer.ts'
import { newIdentity, peerSettings, startNode, TestAgent } from './network.ts'

/** A status without a body. */
const BARE_STATUS = Buffer.from('4a00', 'hex')
const ETHEREUM = 2

/** A connection to the delegate port, its first frame thrown away. */
async function connected(t: TestContext, node: AcnNode): Promise<FramePeer> {
  const peer = await FramePeer.tls(node.delegatePort ?? 0)
  t.after(() => peer.destroy())
  await peer.frames.take()
  return peer
}

async function assertServes(t: TestContext, node: AcnNode): Promise<void> {
  const agent = await TestAgent.delegate(t, node)
  assert.equal(await agent.send(agent, 'it lives'), STATUS.SUCCESS)
  assert.deepEqual(await agent.receive(), ['it lives'])
}

async function barePeer(t: TestContext): Promise<BarePeer> {
  const peer = await BarePeer.start()
  t.after(() => peer.stop())
  return peer
}

async function assertRefused(t: TestContext, node: AcnNode, record: AgentRecord, code: number): Promise<void> {
  const peer = await connected(t, node)
  peer.send({ type: 'register', record })
  assert.equal(await peer.status(), code)
  assert.equal(await peer.next(), undefined)
}

test('delegate: Register without a record', async (t) => {
  const node = await startNode(t, peerSettings())
  const peer = await connected(t, node)
  peer.send({ type: 'register' })
  assert.equal(await peer.status(), STATUS.ERROR_UNEXPECTED_PAYLOAD)
  assert.equal(await peer.next(), undefined)
  await assertServes(t, node)
})

test('delegate: an Ethereum public key of less than two characters', async (t) => {
  const node = await startNode(t, peerSettings())
  const record = newRecord(node.key.publicKeyHex, ETHEREUM)
  for (const publicKey of ['', '0', 'x'])
    await assertRefused(t, node, { ...record, publicKey }, STATUS.ERROR_WRONG_AGENT_ADDRESS)
  await assertServes(t, node)
})

test('delegate: an Ethereum signature of less than 65 bytes', async (t) => {
  const node = await startNode(t, peerSettings())
  const record = newRecord(node.key.publicKeyHex, ETHEREUM)
  for (const signature of ['', '0x', '0x00', record.signature.slice(0, -2)])
    await assertRefused(t, node, { ...record, signature }, STATUS.ERROR_INVALID_PROOF)
  await assertServes(t, node)
})

test('delegate: a status without a body after the registration', async (t) => {
  const node = await startNode(t, peerSettings())
  const identity = newIdentity()
  const peer = await connected(t, node)
  peer.send({ type: 'register', record: await identity.recordFor(node.key.publicKeyHex) })
  assert.equal(await peer.status(), STATUS.SUCCESS)
  peer.send({ type: 'status' })
  const sender = await TestAgent.delegate(t, node)
  assert.equal(await sender.send(identity.address, 'to the one who said it'), STATUS.SUCCESS)
  assert.equal((await peer.next())?.type, 'aeaEnvelope')
  // Now as the answer to an envelope: that is refused, and nothing else.
  peer.send({ type: 'status' })
  assert.equal((await sender.take('notDelivered')).reason, 'refused')
  await assertServes(t, node)
})

test('stream /aea: an envelope without a record', async (t) => {
  const node = await startNode(t, peerSettings())
  const [peer, agent] = [await barePeer(t), await TestAgent.delegate(t, node)]
  const whole = encodeEnvelope({ to: agent.address, sender: 'x', protocolId: '', message: Buffer.from('x'), uri: '' })
  for (const envelope of [new Uint8Array(), whole]) {
    const body = encodeAcnMessage({ type: 'aeaEnvelope', envelope })
    const answer = await peer.ask(node.multiaddr ?? '', ENVELOPE_PROTOCOL, body)
    assert.equal(answer?.type === 'status' && answer.body?.code, STATUS.ERROR_UNEXPECTED_PAYLOAD)
  }
  await assertServes(t, node)
})

test('stream /aea-register: Register without a record', async (t) => {
  const node = await startNode(t, peerSettings())
  const peer = await barePeer(t)
  const answer = await peer.ask(node.multiaddr ?? '', REGISTER_PROTOCOL, encodeAcnMessage({ type: 'register' }))
  assert.equal(answer?.type === 'status' && answer.body?.code, STATUS.ERROR_UNEXPECTED_PAYLOAD)
  await assertServes(t, node)
})

/** An agent at a peer made by hand, with a sender at a node of ours. */
async function agentElsewhere(t: TestContext) {
  const node = await startNode(t, peerSettings())
  const [peer, sender] = [await barePeer(t), await TestAgent.delegate(t, node)]
  const record = newRecord(peer.key.publicKeyHex, ETHEREUM)
  const found = encodeAcnMessage({ type: 'lookupResponse', record })
  await peer.provide(node.multiaddr ?? '', record.address)
  return { node, peer, sender, record, found }
}

/** A peer whose first answers to look-ups are these; after them it is as it should be, and the envelope arrives. */
async function assertOutlives(t: TestContext, badAnswers: (good: AgentRecord) => readonly Uint8Array[]): Promise<void> {
  const { node, peer, sender, record, found } = await agentElsewhere(t)
  const answers = [...badAnswers(record)]
  const received = new BoundedQueue<string>(100)
  await peer.answer(ADDRESS_PROTOCOL, () => answers.shift() ?? found)
  await peer.answer(ENVELOPE_PROTOCOL, (message) => {
    assert.ok(message.type === 'aeaEnvelope')
    received.tryPut(Buffer.from(decodeEnvelope(message.envelope).message).toString())
    return SUCCESS_BYTES
  })
  assert.equal(await sender.send(record.address, 'in the end'), STATUS.SUCCESS)
  assert.equal(await received.take(), 'in the end')
  assert.deepEqual(answers, [])
  await assertServes(t, node)
}

test('look-up: the answer is a response without a record', (t) =>
  assertOutlives(t, () => [encodeAcnMessage({ type: 'lookupResponse' })]))

test('look-up: the answer is a status without a body', (t) => assertOutlives(t, () => [BARE_STATUS]))

test('look-up: the answer has an Ethereum public key of less than two characters', (t) =>
  assertOutlives(t, (record) =>
    ['', '0'].map((publicKey) => encodeAcnMessage({ type: 'lookupResponse', record: { ...record, publicKey } })),
  ))

test('look-up: the answer has an Ethereum signature of less than 65 bytes', (t) =>
  assertOutlives(t, (record) =>
    ['0x', '0x00'].map((signature) => encodeAcnMessage({ type: 'lookupResponse', record: { ...record, signature } })),
  ))

test('envelope to another peer: the answer is a status without a body', async (t) => {
  const { node, peer, sender, record, found } = await agentElsewhere(t)
  await peer.answer(ADDRESS_PROTOCOL, () => found)
  await peer.answer(ENVELOPE_PROTOCOL, () => BARE_STATUS)
  assert.equal(await sender.send(record.address, 'refused without words'), STATUS.SUCCESS)
  const { reason, status } = await sender.take('notDelivered')
  assert.deepEqual([reason, status], ['refused', STATUS.ERROR_DECODE])
  await assertServes(t, node)
})

test('an envelope for the own agent when that has closed the pipe', async (t) => {
  const identity = newIdentity()
  const settings = peerSettings()
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const agents = new BoundedQueue<FramePeer>(10)
  server.on('connection', (socket: Socket) => agents.tryPut(new FramePeer(socket)))
  const { port } = server.address() as AddressInfo
  const node = await startNode(t, {
    ...settings,
    pipe: { agentAddress: identity.address, port },
    record: await identity.recordFor(new PeerKey(settings.peerKey).publicKeyHex),
  })
  const sender = await TestAgent.delegate(t, node)
  const agent = await agents.take()
  agent?.socket.end()
  await agent?.ended()
  assert.equal(await sender.send(identity.address, 'kept'), STATUS.SUCCESS)
  const back = await agents.take()
  t.after(() => back?.destroy())
  const kept = await back?.next()
  assert.ok(kept?.type === 'aeaEnvelope')
  assert.equal(Buffer.from(decodeEnvelope(kept.envelope).message).toString(), 'kept')
  back?.send(SUCCESS)
  await assertServes(t, node)
})
