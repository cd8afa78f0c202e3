import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { PipeEntry } from '@parley/acn/client'
import { encodeEnvelope, STATUS } from '@parley/acn/protocol'
import { PeerKey } from '@parley/acn/record'
import { newIdentity, numbered, TestAgent } from '../../../acn/test/node/network.ts'
import { type GatewayPeer, ready, send, Tap, until, World, wayOf } from './world.ts'

const PRIVATE = 'private channel'
const LOOPBACK = { host: '127.0.0.1', port: 0 }

describe('agents behind a gateway', { concurrency: 3 }, () => {
  test('delegate, mailbox and pipe talk in private with each other, and change nothing', async (t) => {
    await using world = await World.make()
    const router = await world.router()
    const tap = new Tap()
    const observed = { node: { host: { observe: tap.observe } } }
    const first = await world.peer(router, [], {}, { ...observed, settings: { mailbox: LOOPBACK } })
    const [identity, entry, peerKey] = [newIdentity(), await PipeEntry.listen(), randomBytes(32)]
    const record = await identity.recordFor(new PeerKey(peerKey).publicKeyHex)
    const pipe = { agentAddress: identity.address, port: entry.port }
    const [second, direct] = await Promise.all([
      world.peer(router, [first.multiaddr], {}, { ...observed, settings: { peerKey, pipe, record } }),
      TestAgent.direct(t, identity, entry),
    ])
    const delegate = await TestAgent.delegate(t, first.node)
    const mailbox = await TestAgent.mailbox(t, first.node)
    const other = await TestAgent.delegate(t, second.node)
    await ready(first, delegate, mailbox)
    await ready(second, direct, other)
    assert.equal(first.gateway.cardOf(delegate.address)?.proof.kind, 'represented')
    const pairs = [
      [delegate, direct],
      [direct, mailbox],
      [mailbox, other],
      [other, delegate],
    ] as const
    for (const [from, to] of pairs) {
      const words = `secret from ${from.address}`
      const [sending, receiving] = from === delegate || from === mailbox ? [first, second] : [second, first]
      const id = await send(from, to.address, words)
      const got = await to.next()
      assert.deepEqual([got.sender, Buffer.from(got.message).toString()], [from.address, words])
      assert.ok((await wayOf(sending.node, id)).includes(`handed over ${PRIVATE}`))
      const received = await wayOf(receiving.node, id)
      assert.ok(received.includes(`received ${PRIVATE}`) && received.includes('delivered agent'), received.join())
      await until('delivered', async () => (await wayOf(sending.node, id)).includes(`delivered ${PRIVATE}`))
      assert.equal(tap.saw(words), false)
    }
    assert.match(await first.node.metrics.text(), /carried/)
  })

  test('`prefer`: to an agent without a card the plain way; `require`: never, answered as stored, reported when its time is over', async (t) => {
    await using world = await World.make()
    const router = await world.router()
    const tap = new Tap()
    const plain = await world.plainPeer([], { host: { observe: tap.observe } })
    const entries = [plain.multiaddr ?? '']
    const prefers = await world.peer(router, entries)
    const requires = await world.peer(
      router,
      entries,
      { mode: 'require' },
      { node: { storeLimits: { maxAge: 3_000 } } },
    )
    const bob = await TestAgent.delegate(t, plain)
    const [alice, carol] = [await TestAgent.delegate(t, prefers.node), await TestAgent.delegate(t, requires.node)]
    await ready(prefers, alice)
    await ready(requires, carol)
    const id = await send(alice, bob.address, 'plain words')
    assert.deepEqual(await bob.receive(), ['plain words'])
    assert.ok((await wayOf(prefers.node, id)).includes('delivered peer'))
    assert.ok(tap.saw('plain words'))
    const secret = await send(carol, bob.address, 'secret words')
    const told = await carol.take('notDelivered')
    assert.deepEqual([told.envelopeId, told.reason], [secret, 'expired'])
    const way = await wayOf(requires.node, secret)
    assert.ok(way.includes('attempt-failed no contact card was found'), way.join())
    assert.equal(way.at(-1), 'not-delivered expired')
    assert.equal(tap.saw('secret words'), false)
    // In the other direction it is open who asks for nothing.
    assert.equal(await bob.send(carol, 'from a plain peer'), STATUS.SUCCESS)
    assert.deepEqual(await carol.receive(), ['from a plain peer'])
  })

  test('`require`: an agent of the same node that is away is waited for, and not looked for elsewhere', async (t) => {
    await using world = await World.make()
    const tap = new Tap()
    const plain = await world.plainPeer([], { host: { observe: tap.observe } })
    const node = { routing: { awayGrace: 0 } }
    const peer = await world.peer(await world.router(), [plain.multiaddr ?? ''], { mode: 'require' }, { node })
    const identity = newIdentity()
    const [alice, bob] = [await TestAgent.delegate(t, peer.node), await TestAgent.delegate(t, peer.node, identity)]
    await bob.client.close()
    const id = await send(alice, bob.address, 'secret words')
    await until('tried', async () => (await peer.node.store.trace(id)).some(({ event }) => event === 'attempt-failed'))
    const back = await TestAgent.delegate(t, peer.node, identity)
    assert.deepEqual(await back.receive(), ['secret words'])
    assert.equal(tap.saw('secret words'), false)
  })

  test('an envelope in a channel that names others than its two ends is refused', async (t) => {
    await using world = await World.make()
    const router = await world.router()
    const first = await world.peer(router)
    const second = await world.peer(router, [first.multiaddr])
    const [alice, bob] = [await TestAgent.delegate(t, first.node), await TestAgent.delegate(t, second.node)]
    const carol = await TestAgent.delegate(t, second.node)
    await ready(first, alice)
    await ready(second, bob, carol)
    await send(alice, bob.address, 'to begin with')
    assert.deepEqual(await bob.receive(), ['to begin with'])
    // Alice's peer is not what it should be.
    const refusals: (number | undefined)[] = []
    first.gateway.channels.on('notDelivered', ({ status }) => void refusals.push(status))
    const forge = async (bytes: Uint8Array) => {
      const count = refusals.length
      const id = randomBytes(16).toString('hex')
      await first.gateway.channels.send(alice.address, bob.address, { id, bytes })
      await until('refused', () => refusals.length > count)
      return refusals.at(-1)
    }
    const envelope = { to: bob.address, sender: alice.address, protocolId: 'a/b:1', message: Buffer.from('x'), uri: '' }
    const wrong = STATUS.ERROR_WRONG_AGENT_ADDRESS
    assert.equal(await forge(encodeEnvelope({ ...envelope, sender: carol.address })), wrong)
    assert.equal(await forge(encodeEnvelope({ ...envelope, to: carol.address })), wrong)
    assert.equal(await forge(new Uint8Array([255, 255])), STATUS.ERROR_DECODE)
    await send(alice, bob.address, 'after that')
    assert.deepEqual(await bob.receive(), ['after that'])
    await carol.send(bob, 'the only one for it')
    assert.deepEqual(await bob.receive(), ['the only one for it'])
    assert.equal((await second.node.store.pending(carol.address)).length, 0)
  })

  test('both write first at once: one channel, everything arrives in order', async (t) => {
    await using world = await World.make()
    const router = await world.router()
    const first = await world.peer(router)
    const second = await world.peer(router, [first.multiaddr])
    const [alice, bob] = [await TestAgent.delegate(t, first.node), await TestAgent.delegate(t, second.node)]
    await ready(first, alice)
    await ready(second, bob)
    const list = numbered(20)
    await Promise.all(
      [alice, bob].flatMap((from) => list.map((words) => from.send(from === alice ? bob : alice, words))),
    )
    assert.deepEqual(await alice.receive(20), list)
    assert.deepEqual(await bob.receive(20), list)
    const connections = async ({ agent }: GatewayPeer) =>
      (await agent.listConnections()).filter(({ mode }) => mode !== 'contact').length
    await until('one channel', async () => (await connections(first)) === 1 && (await connections(second)) === 1)
  })
})
