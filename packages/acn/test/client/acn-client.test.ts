import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { createServer, type TLSSocket } from 'node:tls'
import {
  AcnClient,
  DelegateEntry,
  EnvelopeLengthError,
  identityFromKey,
  identityFromRecords,
  identityFromSigner,
  MailboxEntry,
  PipeEntry,
} from '@parley/acn/client'
import { createSessionCertificate } from '@parley/acn/delegate'
import { NodePipe } from '@parley/acn/pipe'
import { AcnStatusError, encodeFrame, SAFE_DELEGATE_FRAME, STATUS } from '@parley/acn/protocol'
import { createRecord } from '@parley/acn/record'
import { delegateNode } from '../delegate/delegate-fixture.ts'
import { agent, envelopeBytes, envelopeOf, otherPeerKey, peerKey, until } from '../entrance/agents.ts'
import { FramePeer, SUCCESS } from '../entrance/frame-peer.ts'
import { MemoryNode } from '../entrance/memory-node.ts'
import { mailboxNode } from '../mailbox/mailbox-fixture.ts'
import { attached, Cable, EventReader, textOf } from './client-fixture.ts'

const alice = agent(11)
const bob = agent(12, 'ethereum')
const peerPublicKey = peerKey.publicKeyHex

function delegateEntry(
  port: number,
  options: Partial<ConstructorParameters<typeof DelegateEntry>[0]> = {},
): DelegateEntry {
  return new DelegateEntry({ host: '127.0.0.1', port, peerPublicKey, identity: alice.identity, ...options })
}

function mailboxEntry(port: number, identity = bob.identity): MailboxEntry {
  return new MailboxEntry({ host: '127.0.0.1', port, peerPublicKey, identity })
}

/** A delegate port as other programs have one: signature, Register, then what the test does. */
async function plainNode(t: TestContext, onAgent: (agent: FramePeer) => void): Promise<number> {
  const certificate = createSessionCertificate(peerKey)
  const server = createServer(
    { cert: certificate.certificatePem, key: certificate.privateKeyPem },
    (socket: TLSSocket) => {
      const peer = new FramePeer(socket)
      peer.sendRaw(encodeFrame(certificate.signature))
      void peer.next().then((register) => {
        assert.equal(register?.type, 'register')
        peer.send(SUCCESS)
        onAgent(peer)
      })
    },
  ).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return (server.address() as import('node:net').AddressInfo).port
}

test('agents at a delegate port, a mailbox and a pipe write to each other', async (t) => {
  const node = new MemoryNode()
  const carol = agent(14, 'cosmos')
  const delegates = await delegateNode(t, { handler: node })
  const mailbox = await mailboxNode(t, { handler: node })
  const pipeEntry = await PipeEntry.listen()
  t.after(() => pipeEntry.close())
  const connecting = attached(t, [pipeEntry])
  const pipe = await NodePipe.connect({ port: pipeEntry.port, record: carol.record, handler: node })
  t.after(() => pipe.close())
  const clients = [
    { client: await attached(t, [delegateEntry(delegates.server.port)]), address: alice.address },
    { client: await attached(t, [mailboxEntry(mailbox.server.port)]), address: bob.address },
    { client: await connecting, address: carol.address },
  ]
  await until(() => node.queues.size === 3)
  for (const { client } of clients) assert.ok(client.isParley)
  for (const from of clients) {
    for (const to of clients) {
      const message = `${from.address} to ${to.address}`
      const { code } = await from.client.send(envelopeOf(from.address, to.address, message))
      assert.equal(code, STATUS.SUCCESS)
    }
  }
  for (const to of clients) {
    const events = new EventReader(to.client)
    for (const from of clients) assert.equal(await events.text(), `${from.address} to ${to.address}`)
  }
  assert.equal(node.sessions.filter(({ answeredChallenge }) => answeredChallenge).length, 2)
})

test('the node has to be the configured peer', async (t) => {
  const delegates = await delegateNode(t)
  const mailbox = await mailboxNode(t)
  const options = { host: '127.0.0.1', peerPublicKey: otherPeerKey.publicKeyHex, identity: alice.identity }
  for (const entry of [
    new DelegateEntry({ ...options, port: delegates.server.port }),
    new MailboxEntry({ ...options, port: mailbox.server.port }),
  ]) {
    await assert.rejects(AcnClient.connect({ entries: [entry] }), (error) => {
      assert.ok(error instanceof AggregateError)
      assert.equal(error.errors[0].code, 'UNTRUSTED')
      return true
    })
  }
  assert.equal(delegates.node.sessions.length + mailbox.node.sessions.length, 0)
})

test('a client goes to the next entry when one does not take it', async (t) => {
  const refusing = await delegateNode(t)
  refusing.node.refuse = new AcnStatusError(STATUS.ERROR_AGENT_NOT_READY, 'full')
  const closed = await delegateNode(t)
  await closed.server.close()
  const { server } = await mailboxNode(t)
  const client = await attached(t, [
    delegateEntry(closed.server.port),
    delegateEntry(refusing.server.port),
    mailboxEntry(server.port, alice.identity),
  ])
  assert.equal(client.entry, `mailbox 127.0.0.1:${server.port}`)
})

test('an agent that nobody takes is told why', async (t) => {
  const { server, node } = await delegateNode(t)
  node.refuse = new AcnStatusError(STATUS.ERROR_AGENT_NOT_READY, 'full')
  await assert.rejects(AcnClient.connect({ entries: [delegateEntry(server.port)] }), (error) => {
    assert.ok(error instanceof AggregateError)
    assert.equal(error.errors[0].code, 'REFUSED')
    assert.equal(error.errors[0].cause.code, STATUS.ERROR_AGENT_NOT_READY)
    return true
  })
})

test('when its node ends a client moves, and what had no answer is sent again in order', async (t) => {
  const first = await delegateNode(t)
  const second = await delegateNode(t)
  second.node.queue(bob.address)
  // Takes envelopes and does not answer: nobody knows whether they are stored.
  first.node.answer = () => new Promise(() => {})
  const client = await attached(t, [delegateEntry(first.server.port), delegateEntry(second.server.port)])
  const events = new EventReader(client)
  assert.equal((await events.next('connected')).entry, `delegate 127.0.0.1:${first.server.port}`)
  const sent = ['1', '2', '3'].map((message) => client.send(envelopeOf(alice.address, bob.address, message)))
  await until(() => first.node.submissions.length === 3)
  await first.server.close()
  assert.equal((await events.next('disconnected')).entry, `delegate 127.0.0.1:${first.server.port}`)
  assert.equal((await events.next('connected')).entry, `delegate 127.0.0.1:${second.server.port}`)
  assert.deepEqual(
    (await Promise.all(sent)).map(({ code }) => code),
    [0, 0, 0],
  )
  const order = second.node.submissions.map(({ envelope }) => Buffer.from(envelope.message).toString())
  assert.deepEqual(order, ['1', '2', '3'])
  assert.deepEqual(
    second.node.submissions.map(({ id }) => id),
    first.node.submissions.map(({ id }) => id),
  )
})

test('between Parley ends each envelope arrives once, however often the connection breaks', async (t) => {
  const { server, node } = await delegateNode(t)
  const cable = await Cable.to(t, server.port)
  const client = await attached(t, [delegateEntry(cable.port)])
  const events = new EventReader(client)
  const count = 60
  // Every now and then what the node says is lost, and the connection with it.
  let isLost = false
  cable.onNodeBytes = () => {
    const passes = !isLost
    isLost = false
    return passes
  }
  node.queue(bob.address)
  const sent: Promise<unknown>[] = []
  const got: string[] = []
  for (let wave = 0; wave < 6; wave++) {
    isLost = wave % 2 === 0
    for (let i = wave * 10; i < wave * 10 + 10; i++) {
      sent.push(client.send(envelopeOf(alice.address, bob.address, String(i))))
      node.deliver(alice.address, envelopeBytes(bob.address, alice.address, String(i)))
    }
    got.push(await events.text())
    if (wave % 2 === 1) cable.cut()
    while (got.length < wave * 10 + 10) got.push(await events.text())
  }
  await Promise.all(sent)
  const numbers = Array.from({ length: count }, (_, i) => String(i))
  assert.deepEqual(got, numbers)
  await until(() => node.queue(alice.address).waiting.length === 0)
  assert.equal(node.queue(bob.address).waiting.length, count)
  assert.ok(node.sessions.length > 3, 'the connection broke')
  assert.ok(node.outcomes.length > count, 'something was given again')
})

test('what is acknowledged by hand is given again until it is, and refusals are final', async (t) => {
  const { server, node } = await delegateNode(t)
  const cable = await Cable.to(t, server.port)
  for (const message of ['1', '2', '3']) node.deliver(alice.address, envelopeBytes(bob.address, alice.address, message))
  const client = await attached(t, [delegateEntry(cable.port)], { acknowledge: 'manual' })
  const events = new EventReader(client)
  const [one, two, three] = [
    await events.next('envelope'),
    await events.next('envelope'),
    await events.next('envelope'),
  ]
  assert.deepEqual([one, two, three].map(textOf), ['1', '2', '3'])
  two.acknowledge()
  three.refuse(STATUS.ERROR_UNEXPECTED_PAYLOAD, 'no such protocol')
  // Answers go out in order, so nothing was answered yet.
  cable.cut()
  await events.next('connected')
  one.acknowledge()
  await until(() => node.queue(alice.address).waiting.length === 0)
  const answers = node.outcomes.flatMap((outcome) => (outcome.type === 'answered' ? [outcome.status.code] : []))
  assert.deepEqual(answers, [STATUS.SUCCESS, STATUS.SUCCESS, STATUS.ERROR_UNEXPECTED_PAYLOAD])
  node.deliver(alice.address, envelopeBytes(bob.address, alice.address, '4'))
  assert.equal(await events.text(), '4')
})

test('errors and reports reach the agent', async (t) => {
  const { server, node } = await delegateNode(t)
  const mailbox = await mailboxNode(t, { handler: node })
  for (const [entry, { address }] of [
    [delegateEntry(server.port), alice],
    [mailboxEntry(mailbox.server.port), bob],
  ] as const) {
    const client = await attached(t, [entry])
    const events = new EventReader(client)
    const { id, code, msgs } = await client.send(envelopeOf(address, 'nobody'))
    assert.deepEqual([code, msgs], [STATUS.ERROR_UNKNOWN_AGENT_ADDRESS, ['unknown agent address']])
    const report = { envelopeId: id, to: 'nobody', reason: 'expired', status: 20, at: 1_800_000_000_000 } as const
    node.queue(address).add({ id: node.newId(), report, isOut: false })
    assert.deepEqual(await events.next('notDelivered'), { type: 'notDelivered', ...report })
    await until(() => node.queue(address).waiting.length === 0)
  }
})

test('an agent that does not read makes its node wait, and can still send', async (t) => {
  const { server, node } = await delegateNode(t)
  const count = 100
  for (let i = 0; i < count; i++) node.deliver(alice.address, envelopeBytes(bob.address, alice.address, String(i)))
  const client = await attached(t, [delegateEntry(server.port)], { inboxCapacity: 5 })
  node.queue(bob.address)
  const { code } = await client.send(envelopeOf(alice.address, bob.address))
  assert.equal(code, STATUS.SUCCESS)
  const { waiting } = node.queue(alice.address)
  await until(() => waiting.some(({ isOut }) => isOut))
  assert.ok(waiting.length >= count - 5)
  assert.ok(waiting.filter(({ isOut }) => isOut).length <= 32)
  const events = new EventReader(client)
  for (let i = 0; i < count; i++) assert.equal(await events.text(), String(i))
})

test('a node that is not Parley gets one envelope at a time, byte for byte, and none that it would damage', async (t) => {
  const agents: FramePeer[] = []
  const port = await plainNode(t, (peer) => agents.push(peer))
  const client = await attached(t, [delegateEntry(port)])
  assert.equal(client.isParley, false)
  const [node] = agents
  assert.ok(node)
  const one = client.send(envelopeOf(alice.address, bob.address, '1'))
  const two = client.send(envelopeOf(alice.address, bob.address, '2'))
  const large = client.send(envelopeOf(alice.address, bob.address, Buffer.alloc(16_400)))
  assert.deepEqual(await node.next(), { type: 'aeaEnvelope', envelope: envelopeBytes(alice.address, bob.address, '1') })
  await new Promise(setImmediate)
  assert.equal(node.frames.size, 0)
  node.send(SUCCESS)
  assert.equal((await one).code, STATUS.SUCCESS)
  assert.ok(await node.next())
  node.send({ type: 'status', body: { code: STATUS.ERROR_GENERIC, msgs: ['no'] } })
  assert.deepEqual((await two).msgs, ['no'])
  await assert.rejects(large, EnvelopeLengthError)
  node.send({ type: 'aeaEnvelope', envelope: envelopeBytes(bob.address, alice.address, 'back') })
  assert.equal(await node.status(), STATUS.SUCCESS)
  assert.equal(await new EventReader(client).text(), 'back')
})

test('a node that is not Parley gets each frame in one TLS record', async (t) => {
  const agents: FramePeer[] = []
  const port = await plainNode(t, (peer) => agents.push(peer))
  const client = await attached(t, [delegateEntry(port)])
  const [node] = agents
  assert.ok(node)
  node.chunks.length = 0
  const frames: number[] = []
  for (const size of [1, 5_000, 12_000, 16_000]) {
    const sent = client.send(envelopeOf(alice.address, bob.address, Buffer.alloc(size, 7)))
    frames.push(((await node.frames.take())?.length ?? 0) + 4)
    node.send(SUCCESS)
    await sent
  }
  // Node's TLS gives the content of one record at a time.
  assert.deepEqual(node.chunks, frames)
  assert.ok(frames.every((length) => length <= SAFE_DELEGATE_FRAME))
})

test('no status in time: the client connects again and sends again', async (t) => {
  const agents: FramePeer[] = []
  const port = await plainNode(t, (peer) => agents.push(peer))
  const client = await attached(t, [delegateEntry(port, { statusTimeoutMs: 50 })])
  const sent = client.send(envelopeOf(alice.address, bob.address, '1'))
  await until(() => agents.length === 2)
  assert.equal((await agents[1]?.next())?.type, 'aeaEnvelope')
  agents[1]?.send(SUCCESS)
  assert.equal((await sent).code, STATUS.SUCCESS)
})

test('a send may be given up, waiting for room or for its answer', async (t) => {
  const { server, node } = await delegateNode(t)
  node.answer = () => new Promise(() => {})
  const client = await attached(t, [delegateEntry(server.port)], { outboxCapacity: 1 })
  const stop = new AbortController()
  const envelope = envelopeOf(alice.address, bob.address)
  const sends = Array.from({ length: 40 }, () => client.send(envelope, { signal: stop.signal }))
  await until(() => node.submissions.length === 32)
  assert.ok(client.unanswered >= 33)
  stop.abort(new Error('enough'))
  for (const outcome of await Promise.allSettled(sends)) {
    assert.ok(outcome.status === 'rejected')
    assert.match(String(outcome.reason), /enough/)
  }
  assert.equal(client.unanswered, 0)
  await assert.rejects(client.send(envelope, { id: 'x' }), TypeError)
})

test('close waits for answers as long as it is told to, and rejects the rest', async (t) => {
  const { server, node } = await delegateNode(t)
  node.queue(bob.address)
  const drained = await attached(t, [delegateEntry(server.port)])
  const answered = drained.send(envelopeOf(alice.address, bob.address))
  await drained.close({ drainMs: 5_000 })
  assert.equal((await answered).code, STATUS.SUCCESS)
  node.answer = () => new Promise(() => {})
  const client = await attached(t, [delegateEntry(server.port)])
  const lost = assert.rejects(client.send(envelopeOf(alice.address, bob.address)), { code: 'CLOSED' })
  await until(() => node.submissions.length === 2)
  await client.close({ drainMs: 30 })
  await lost
  await assert.rejects(client.send(envelopeOf(alice.address, bob.address)), { name: 'QueueClosedError' })
  for await (const { type } of client.events) assert.equal(type, 'connected')
})

test('connecting may be given up', async (t) => {
  const silent = createServer({}).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.after(() => silent.close())
  const { port } = silent.address() as import('node:net').AddressInfo
  const entry = await PipeEntry.listen()
  t.after(() => entry.close())
  for (const entries of [[entry], [delegateEntry(port, { connectTimeoutMs: 50 }), entry]] as const) {
    const stop = new AbortController()
    const connecting = AcnClient.connect({ entries }, stop.signal)
    setImmediate(() => stop.abort(new Error('enough')))
    await assert.rejects(connecting, /enough/)
  }
})

test('a mailbox that starts again, with another certificate, is registered at again', async (t) => {
  const first = await mailboxNode(t)
  const cable = await Cable.to(t, first.server.port)
  const client = await attached(t, [mailboxEntry(cable.port)])
  const events = new EventReader(client)
  assert.ok((await events.next('connected')).isParley)
  first.node.deliver(bob.address, envelopeBytes(alice.address, bob.address, '1'))
  assert.equal(await events.text(), '1')
  await first.server.close()
  await events.next('disconnected')
  const options = { certificate: createSessionCertificate(peerKey), port: first.server.port }
  const second = await mailboxNode(t, options)
  await events.next('connected')
  second.node.deliver(bob.address, envelopeBytes(alice.address, bob.address, '2'))
  assert.equal(await events.text(), '2')
})

test('identities: of a key, of a signer, of records', async () => {
  const { ledger, privateKey, record, address } = bob
  const fromKey = identityFromKey(ledger, privateKey)
  assert.deepEqual([fromKey.address, await fromKey.recordFor(peerPublicKey)], [address, record])
  let signatures = 0
  const fromSigner = identityFromSigner({ ledger, publicKey: ledger.publicKeyOf(privateKey) }, (message) => {
    signatures++
    return ledger.sign(privateKey, message)
  })
  assert.deepEqual([fromSigner.address, await fromSigner.recordFor(peerPublicKey)], [address, record])
  await fromSigner.recordFor(peerPublicKey)
  assert.equal(signatures, 1)
  const wrong = identityFromSigner({ ledger, publicKey: ledger.publicKeyOf(privateKey) }, () => '0x00')
  await assert.rejects(async () => wrong.recordFor(peerPublicKey), AcnStatusError)
  const other = createRecord(ledger, { privateKey, peerPublicKey: otherPeerKey.publicKeyHex })
  const fromRecords = identityFromRecords([record, other])
  assert.deepEqual(await fromRecords.recordFor(otherPeerKey.publicKeyHex), other)
  assert.throws(() => fromRecords.recordFor('02'.repeat(33)), AcnStatusError)
  assert.throws(() => identityFromRecords([record, alice.record]), RangeError)
  assert.throws(() => identityFromRecords([]), RangeError)
})
