import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CAPABILITY, challengeMessage, decodeExtended, encodeExtended } from '@parley/acn/entrance'
import { AcnStatusError, encodeFrame, STATUS } from '@parley/acn/protocol'
import { ProofCache } from '@parley/acn/record'
import { agent, envelopeBytes, peerKey, until } from '../entrance/agents.ts'
import { FramePeer, SUCCESS } from '../entrance/frame-peer.ts'
import { delegateNode, registered } from './delegate-fixture.ts'

const alice = agent(11, 'cosmos')
const bob = agent(12)
const { ids, challenge: canSign } = CAPABILITY

/** Connects and throws away the signature. */
async function connected(t: import('node:test').TestContext, port: number): Promise<FramePeer> {
  const peer = await FramePeer.tls(port)
  t.after(() => peer.destroy())
  await peer.frames.take()
  return peer
}

function register(peer: FramePeer, extension: Parameters<typeof encodeExtended>[1]): void {
  peer.sendRaw(encodeFrame(encodeExtended({ type: 'register', record: alice.record }, extension)))
}

async function nextExtended(peer: FramePeer) {
  const body = await peer.frames.take()
  assert.ok(body)
  return decodeExtended(body)
}

test('a handler refuses with its own status, and a failure of ours says nothing of how', async (t) => {
  const { server, node, errors } = await delegateNode(t)
  node.refuse = new AcnStatusError(STATUS.ERROR_AGENT_NOT_READY, 'no room')
  const refused = await connected(t, server.port)
  refused.send({ type: 'register', record: alice.record })
  assert.deepEqual(await refused.next(), { type: 'status', body: { code: 21, msgs: ['no room'] } })
  assert.equal(await refused.next(), undefined)
  assert.equal(errors.length, 0)

  node.onRegister = async () => {
    throw new Error('disk /secret/path is full')
  }
  const failed = await connected(t, server.port)
  failed.send({ type: 'register', record: alice.record })
  assert.deepEqual(await failed.next(), { type: 'status', body: { code: 3, msgs: ['internal error'] } })
  assert.equal(await failed.next(), undefined)
  assert.match(String(errors[0]), /full/)
  assert.equal(server.agents, 0)
})

test('a proof is verified once', async (t) => {
  const proofs = new ProofCache()
  const { server } = await delegateNode(t, { proofs })
  await registered(t, server.port, alice.record)
  assert.ok(proofs.has(alice.record))
})

test('who says nothing, or not enough, is not waited for', async (t) => {
  const { server } = await delegateNode(t, { timeouts: { registrationMs: 40 } })
  const silent = await connected(t, server.port)
  await silent.ended()
  const slow = await connected(t, server.port)
  slow.sendRaw(Buffer.from('00000124', 'hex'))
  await slow.ended()
  await until(() => server.connections === 0)
})

test('a first frame may not be longer than any record', async (t) => {
  const { server } = await delegateNode(t)
  const peer = await connected(t, server.port)
  peer.sendRaw(Buffer.from('00004001', 'hex'))
  assert.equal(await peer.next(), undefined)
})

test('a registration waits as long as the node is set to', async (t) => {
  const { server } = await delegateNode(t, { registrationDelayMs: 120 })
  const started = performance.now()
  await registered(t, server.port, alice.record)
  assert.ok(performance.now() - started >= 119)
})

test('the newer of two connections of an agent gets what waits, whatever becomes of the older one', async (t) => {
  const { server, node } = await delegateNode(t)
  const older = await registered(t, server.port, alice.record)
  node.deliver(alice.address, envelopeBytes(bob.address, alice.address, 'one'))
  assert.equal((await older.next())?.type, 'aeaEnvelope')
  // Not answered: the agent may not have it.
  const newer = await registered(t, server.port, alice.record)
  await older.ended()
  assert.equal((await newer.next())?.type, 'aeaEnvelope')
  newer.send(SUCCESS)
  assert.equal((await node.detached.take())?.source, node.sessions[0]?.source)
  assert.deepEqual(node.outcomes[0], { type: 'interrupted' })
  assert.equal(server.agents, 1)
  node.deliver(alice.address, envelopeBytes(bob.address, alice.address, 'two'))
  assert.equal((await newer.next())?.type, 'aeaEnvelope')
})

test('of registrations under way at once the one that began last counts', async (t) => {
  const { server, node } = await delegateNode(t)
  const gates: (() => void)[] = []
  const onRegister = node.onRegister.bind(node)
  node.onRegister = async (session) => {
    await new Promise<void>((open) => gates.push(open))
    await onRegister(session)
  }
  const first = await connected(t, server.port)
  first.send({ type: 'register', record: alice.record })
  await until(() => gates.length === 1)
  const second = await connected(t, server.port)
  second.send({ type: 'register', record: alice.record })
  await until(() => gates.length === 2)
  gates[1]?.()
  assert.equal(await second.status(), STATUS.SUCCESS)
  gates[0]?.()
  assert.equal(await first.next(), undefined)
  assert.equal((await node.detached.take())?.source, node.sessions[1]?.source)
  node.deliver(alice.address, envelopeBytes(bob.address, alice.address))
  assert.equal((await second.next())?.type, 'aeaEnvelope')
})

test('an agent that can signs a challenge, and its session says so', async (t) => {
  const { server, node, certificate } = await delegateNode(t)
  const peer = await connected(t, server.port)
  register(peer, { capabilities: ids | canSign })
  const { message, extension } = await nextExtended(peer)
  assert.equal(message.type, 'empty')
  const challenge = extension?.challenge
  assert.ok(challenge)
  const context = { peerPublicKey: peerKey.publicKeyHex, point: certificate.point, challenge }
  const challengeAnswer = alice.ledger.sign(alice.privateKey, challengeMessage(context))
  register(peer, { capabilities: ids | canSign, challengeAnswer })
  const answer = await nextExtended(peer)
  assert.deepEqual(answer.message, SUCCESS)
  assert.ok(((answer.extension?.capabilities ?? 0) & ids) !== 0)
  assert.equal(node.sessions[0]?.answeredChallenge, true)
  assert.equal(node.sessions[0]?.isParley, true)
})

test('a stolen record does not answer a challenge', async (t) => {
  const { server, certificate } = await delegateNode(t)
  for (const sign of [
    () => '',
    // An answer to another challenge, as it was overheard.
    (challenge: Uint8Array) => {
      const other = Uint8Array.from(challenge, (byte) => byte ^ 1)
      const context = { peerPublicKey: peerKey.publicKeyHex, point: certificate.point, challenge: other }
      return alice.ledger.sign(alice.privateKey, challengeMessage(context))
    },
    // The thief's own key.
    (challenge: Uint8Array) => {
      const context = { peerPublicKey: peerKey.publicKeyHex, point: certificate.point, challenge }
      return alice.ledger.sign(Buffer.alloc(32, 66), challengeMessage(context))
    },
  ]) {
    const peer = await connected(t, server.port)
    register(peer, { capabilities: canSign })
    const challenge = (await nextExtended(peer)).extension?.challenge
    assert.ok(challenge)
    register(peer, { challengeAnswer: sign(challenge) })
    assert.equal(await peer.status(), STATUS.ERROR_INVALID_PROOF)
    assert.equal(await peer.next(), undefined)
  }
})

test('where a fresh proof is required, an agent that cannot give one is refused', async (t) => {
  const { server } = await delegateNode(t, { challenge: 'required' })
  const peer = await connected(t, server.port)
  peer.send({ type: 'register', record: alice.record })
  assert.equal(await peer.status(), STATUS.ERROR_INVALID_PROOF)
  assert.equal(await peer.next(), undefined)
})

test('where no challenge is made, an agent that can sign is not asked', async (t) => {
  const { server, node } = await delegateNode(t, { challenge: 'off' })
  const peer = await connected(t, server.port)
  register(peer, { capabilities: canSign })
  assert.equal(await peer.status(), STATUS.SUCCESS)
  assert.equal(node.sessions[0]?.answeredChallenge, false)
})

test('silent connections of one address are bounded and those of agents are not touched', async (t) => {
  const { server } = await delegateNode(t, { limits: { maxUnregisteredPerAddress: 3 } })
  const agentPeer = await registered(t, server.port, alice.record)
  const silent = [await connected(t, server.port), await connected(t, server.port), await connected(t, server.port)]
  const last = await registered(t, server.port, bob.record)
  await silent[0]?.ended()
  for (const [peer, { address }] of [
    [agentPeer, alice],
    [last, bob],
  ] as const) {
    peer.send({ type: 'aeaEnvelope', envelope: envelopeBytes(address, address) })
    assert.equal(await peer.status(), STATUS.SUCCESS)
  }
})

test('close ends what is under way and frees the port', async (t) => {
  const { server, node } = await delegateNode(t)
  const peer = await registered(t, server.port, alice.record)
  const unregistered = await connected(t, server.port)
  node.deliver(alice.address, envelopeBytes(bob.address, alice.address))
  assert.equal((await peer.next())?.type, 'aeaEnvelope')
  await server.close()
  await peer.ended()
  await unregistered.ended()
  assert.deepEqual(node.outcomes, [{ type: 'interrupted' }])
  assert.equal(node.closedSources, 1)
  assert.equal((await node.detached.take())?.address, alice.address)
  await assert.rejects(FramePeer.tls(server.port))
})

test('an answer that is on its way when the node stops counts', async (t) => {
  const { server, node } = await delegateNode(t)
  const peer = await registered(t, server.port, alice.record)
  node.deliver(alice.address, envelopeBytes(bob.address, alice.address))
  assert.equal((await peer.next())?.type, 'aeaEnvelope')
  const closing = server.close()
  peer.send(SUCCESS)
  await closing
  assert.deepEqual(node.outcomes, [{ type: 'answered', status: { code: STATUS.SUCCESS, msgs: [] } }])
})
