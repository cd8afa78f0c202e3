import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { STATUS } from '@parley/acn/protocol'
import { newIdentity, numbered, TestAgent } from '../../../acn/test/node/network.ts'
import { contactsOf, type GatewayPeer, ready, send, until, World, wayOf } from './world.ts'

const PRIVATE = 'private channel'

/** Connections of an agent that are channels, not contact addresses. */
async function channelsOf({ agent }: GatewayPeer): Promise<string[]> {
  return (await agent.listConnections()).filter(({ mode }) => mode !== 'contact').map(({ connId }) => connId)
}

describe('channels of a gateway', { concurrency: 3 }, () => {
  test('1,000 envelopes at once, while the recipient goes away and comes back, arrive once and in order', async (t) => {
    await using world = await World.make()
    const router = await world.router()
    const first = await world.peer(router)
    const second = await world.peer(router, [first.multiaddr])
    const identity = newIdentity()
    const alice = await TestAgent.delegate(t, first.node)
    const bob = await TestAgent.delegate(t, second.node, identity)
    await ready(first, alice)
    await ready(second, bob)
    const list = numbered(1000)
    const sent = Promise.all(list.map((words) => alice.send(bob.address, words)))
    const got = await bob.receive(200)
    await bob.client.close()
    // What it had and had not read is with its client.
    for await (const event of bob.client.events) {
      if (event.type === 'envelope') got.push(Buffer.from(event.envelope.message).toString())
    }
    assert.ok((await sent).every((code) => code === STATUS.SUCCESS))
    const back = await TestAgent.delegate(t, second.node, identity)
    got.push(...(await back.receive(1000 - got.length)))
    assert.deepEqual(got, list)
    assert.equal(await alice.send(bob.address, 'the end'), STATUS.SUCCESS)
    assert.deepEqual(await back.receive(), ['the end'])
    const counted = /^parley_acn_carried_total (\d+)$/m.exec(await first.node.metrics.text())
    assert.equal(counted?.[1], '1001')
  })

  test('a channel is found again when either side has started anew, and nothing is lost', async (t) => {
    await using world = await World.make()
    const router = await world.router()
    let [first, second] = [await world.peer(router), await world.peer(router)]
    await first.stop()
    first = await first.restart()
    await second.stop()
    second = await world.peer(router, [first.multiaddr])
    const [one, two] = [newIdentity(), newIdentity()]
    let [alice, bob] = [await TestAgent.delegate(t, first.node, one), await TestAgent.delegate(t, second.node, two)]
    await ready(first, alice)
    await ready(second, bob)
    const cards = [first.gateway.cardOf(alice.address), second.gateway.cardOf(bob.address)]
    await send(alice, bob.address, 'one')
    assert.deepEqual(await bob.receive(), ['one'])
    const channels = [await channelsOf(first), await channelsOf(second)]
    // The receiving side is away.
    await bob.client.close()
    await second.stop()
    const stored = await send(alice, bob.address, 'two')
    await until('handed over', async () =>
      (await first.node.store.trace(stored)).some(({ detail }) => detail === PRIVATE),
    )
    // Both are.
    await alice.client.close()
    await first.stop()
    first = await first.restart()
    second = await second.restart()
    bob = await TestAgent.delegate(t, second.node, two)
    assert.deepEqual(await bob.receive(), ['two'])
    alice = await TestAgent.delegate(t, first.node, one)
    await bob.send(alice, 'three')
    assert.deepEqual(await alice.receive(), ['three'])
    await ready(first, alice)
    await ready(second, bob)
    assert.deepEqual([await channelsOf(first), await channelsOf(second)], channels)
    assert.deepEqual([first.gateway.cardOf(alice.address), second.gateway.cardOf(bob.address)], cards)
  })

  test('an agent that goes to another peer: its channel closes, what it had not taken arrives there, once, in order', async (t) => {
    await using world = await World.make()
    const router = await world.router()
    const first = await world.peer(router, [], { mode: 'require' })
    const [old, fresh] = [await world.peer(router, [first.multiaddr]), await world.peer(router, [first.multiaddr])]
    const identity = newIdentity()
    const alice = await TestAgent.delegate(t, first.node)
    let bob = await TestAgent.delegate(t, old.node, identity)
    await ready(first, alice)
    await ready(old, bob)
    const closed: string[] = []
    first.gateway.channels.on('closed', ({ reason }) => void closed.push(reason))
    const list = numbered(30)
    for (const words of list.slice(0, 10)) await alice.send(bob.address, words)
    assert.deepEqual(await bob.receive(10), list.slice(0, 10))
    await bob.client.close()
    for (const words of list.slice(10, 20)) await alice.send(bob.address, words)
    // They are at the old peer, which keeps them.
    await until('stored', async () => (await old.node.store.pending(bob.address)).length === 10)
    bob = await TestAgent.delegate(t, fresh.node, identity)
    for (const words of list.slice(20)) await alice.send(bob.address, words)
    assert.deepEqual(await bob.receive(20), list.slice(10))
    assert.deepEqual(closed, ['moved'])
    await until('forgotten', async () => (await old.node.store.pending(bob.address)).length === 0)
    assert.equal(old.gateway.cardOf(bob.address), undefined)
    // Back to where it was, which has a new contact address for it.
    await bob.client.close()
    bob = await TestAgent.delegate(t, old.node, identity)
    await alice.send(bob.address, 'back again')
    assert.deepEqual(await bob.receive(), ['back again'])
    assert.notEqual(old.gateway.cardOf(bob.address), undefined)
    assert.deepEqual(closed, ['moved', 'moved'])
    await until('one contact', async () => (await contactsOf(old)) === 1)
  })

  test('an agent that comes to its correspondent’s own peer finds there what was on its way in private', async (t) => {
    await using world = await World.make()
    const router = await world.router()
    const first = await world.peer(router)
    const second = await world.peer(router, [first.multiaddr])
    const identity = newIdentity()
    const alice = await TestAgent.delegate(t, first.node)
    let bob = await TestAgent.delegate(t, second.node, identity)
    await ready(first, alice)
    await ready(second, bob)
    await alice.send(bob.address, 'one')
    assert.deepEqual(await bob.receive(), ['one'])
    await bob.client.close()
    await alice.send(bob.address, 'two')
    await until('stored', async () => (await second.node.store.pending(bob.address)).length === 1)
    bob = await TestAgent.delegate(t, first.node, identity)
    assert.deepEqual(await bob.receive(), ['two'])
    await alice.send(bob.address, 'three')
    assert.deepEqual(await bob.receive(), ['three'])
  })

  test('routers and peers that are switched off in turn lose nothing', async (t) => {
    await using world = await World.make()
    const [routerA, routerB] = [await world.switchedRouter('a'), await world.switchedRouter('b')]
    const first = await world.peer(routerA)
    let second = await world.peer(routerB, [first.multiaddr])
    const [alice, identity] = [await TestAgent.delegate(t, first.node), newIdentity()]
    let bob = await TestAgent.delegate(t, second.node, identity)
    await ready(first, alice)
    await ready(second, bob)
    await send(alice, bob.address, 'at first')
    assert.deepEqual(await bob.receive(), ['at first'])
    const list = numbered(4)
    // The router at which Bob receives.
    await routerB.close()
    const id = await send(alice, bob.address, list[0] ?? '')
    await routerB.start()
    assert.deepEqual(await bob.receive(), ['envelope 0'])
    // The one at which Alice hears that it arrived.
    await routerA.close()
    await send(alice, bob.address, list[1] ?? '')
    assert.deepEqual(await bob.receive(), ['envelope 1'])
    await routerA.start()
    assert.ok((await wayOf(first.node, id)).includes(`delivered ${PRIVATE}`))
    // Bob's peer.
    await bob.client.close()
    await second.stop()
    await send(alice, bob.address, list[2] ?? '')
    await routerB.close()
    await routerB.start()
    second = await second.restart()
    bob = await TestAgent.delegate(t, second.node, identity)
    await send(alice, bob.address, list[3] ?? '')
    assert.deepEqual(await bob.receive(2), list.slice(2))
    await bob.send(alice, 'all of them')
    assert.deepEqual(await alice.receive(), ['all of them'])
  })

  test('a node that stops while its router is away does so in time', async (t) => {
    await using world = await World.make()
    const router = await world.switchedRouter('a')
    const first = await world.peer(router)
    await router.close()
    const alice = await TestAgent.delegate(t, first.node)
    await until('tried', () => first.lines.some((line) => line.includes('trying on')))
    await alice.client.close()
    const before = performance.now()
    await first.stop()
    assert.ok(performance.now() - before < 10_000)
  })
})
