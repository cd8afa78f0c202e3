import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Agent } from '@parley/agent'
import { numbered, TestAgent } from '../../../acn/test/node/network.ts'
import { ledgerSigner, type SignedCard } from '../../src/card/index.ts'
import { linkReaderOf } from '../../src/directory/index.ts'
import { ContactError } from '../../src/gateway/contact-error.ts'
import { contactsOf, identityOf, keyOf, ready, until, World } from './world.ts'

/** Checks that a card takes the place of another in all that a thief may have. */
function assertRenewed(after: SignedCard | undefined, before: SignedCard | undefined): void {
  assert.ok(after && before)
  assert.notEqual(after.card.contactLink, before.card.contactLink)
  assert.notDeepEqual(after.card.channelKey, before.card.channelKey)
  assert.ok(after.card.sequence > before.card.sequence)
  assert.equal(after.proof.kind, before.proof.kind)
}

/** Whether work comes to nothing. */
function fails(work: Promise<unknown>): Promise<boolean> {
  return work.then(
    () => false,
    () => true,
  )
}

/** The agent may not know yet that its router is back. */
function isFailed(error: unknown): boolean {
  if (error instanceof ContactError && error.code === 'FAILED') return false
  throw error
}

describe('renewing a contact', { concurrency: 2 }, () => {
  test('of an agent behind the node: its channels are opened anew both ways, nothing that waited is lost or comes twice', async (t) => {
    await using world = await World.make()
    const router = await world.router()
    const first = await world.peer(router, [], { mode: 'require' })
    const second = await world.peer(router, [first.multiaddr], { mode: 'require' })
    const alice = await TestAgent.delegate(t, first.node)
    const identity = identityOf('bob', 'ethereum')
    let bob = await TestAgent.delegate(t, second.node, identity)
    await ready(first, alice)
    await ready(second, bob)
    const before = second.gateway.cardOf(bob.address)
    const closed: string[] = []
    first.gateway.channels.on('closed', ({ reason }) => void closed.push(reason))
    const [list, answers] = [numbered(30), numbered(20, 'answer')]
    for (const words of list.slice(0, 10)) await alice.send(bob.address, words)
    assert.deepEqual(await bob.receive(10), list.slice(0, 10))
    // Some wait at Bob's node for him, some of his in the outbox for Alice's node, which is away.
    await bob.client.close()
    for (const words of list.slice(10, 20)) await alice.send(bob.address, words)
    await until('stored', async () => (await second.node.store.pending(bob.address)).length === 10)
    bob = await TestAgent.delegate(t, second.node, identity, 'manual')
    for (const words of answers.slice(0, 10)) await bob.send(alice, words)

    const renewed = await second.gateway.renewContact(bob.address)
    assertRenewed(renewed, before)
    assert.deepEqual(second.gateway.cardOf(bob.address), renewed)
    for (const words of list.slice(20)) await alice.send(bob.address, words)
    for (const words of answers.slice(10)) await bob.send(alice, words)
    assert.deepEqual(await bob.receive(20), list.slice(10))
    assert.deepEqual(await alice.receive(20), answers)
    await until('closed', () => closed.includes('moved'))
    await until('one contact', async () => (await contactsOf(second)) === 1)
    const link = before?.card.contactLink ?? ''
    const read = linkReaderOf(first.agent)
    await until('the old link is gone', () => fails(read(link, AbortSignal.timeout(20_000))))
    assert.equal(await alice.send(bob.address, 'the end'), 0)
    assert.deepEqual(await bob.receive(), ['the end'])
  })

  test('of an agent whose ledger key is here: its card is signed by that; without the key nothing is changed', async (t) => {
    await using world = await World.make()
    const router = await world.router()
    const identity = identityOf('bob', 'fetchai')
    const signers = new Map([[identity.address, { sign: ledgerSigner('fetchai', keyOf('bob')) }]])
    let own = await world.peer(router, [], { signers })
    await TestAgent.delegate(t, own.node, identity)
    await ready(own, identity)
    const before = own.gateway.cardOf(identity.address)
    assert.equal(before?.proof.kind, 'ledger')
    const renewed = await own.gateway.renewContact(identity.address)
    assertRenewed(renewed, before)
    signers.clear()
    await own.stop()
    own = await own.restart()
    await ready(own, identity)
    await assert.rejects(
      own.gateway.renewContact(identity.address),
      (error) => error instanceof ContactError && error.code === 'LEDGER_KEY',
    )
    assert.deepEqual(own.gateway.cardOf(identity.address), renewed)
    assert.equal(await contactsOf(own), 1)
  })

  test('that cannot be changes nothing: unknown agents, a router that is away', async (t) => {
    await using world = await World.make()
    const router = await world.switchedRouter('router')
    const peer = await world.peer(router)
    await assert.rejects(
      peer.gateway.renewContact('fetch1nobody'),
      (error) => error instanceof ContactError && error.code === 'UNKNOWN',
    )
    const bob = await TestAgent.delegate(t, peer.node)
    await ready(peer, bob)
    const before = peer.gateway.cardOf(bob.address)
    await router.close()
    await assert.rejects(peer.gateway.renewContact(bob.address, AbortSignal.timeout(3_000)))
    assert.deepEqual(peer.gateway.cardOf(bob.address), before)
    await router.start()
    await until('renewed', () => peer.gateway.renewContact(bob.address).then(Boolean, isFailed))
    assertRenewed(peer.gateway.cardOf(bob.address), before)
    await until('one contact', async () => (await contactsOf(peer)) === 1)
  })

  test('while a request of the agent is under way: it is made again with the new card', async (t) => {
    await using world = await World.make()
    const [routerA, routerB] = [await world.switchedRouter('a'), await world.router('b')]
    const first = await world.peer(routerA, [], { mode: 'require' })
    const second = await world.peer(routerB, [first.multiaddr], { mode: 'require' })
    const alice = await TestAgent.delegate(t, first.node)
    const bob = await TestAgent.delegate(t, second.node)
    await ready(first, alice)
    await ready(second, bob)
    const before = first.gateway.cardOf(alice.address)
    // It is made, and cannot be sent without a queue for the answer.
    await routerA.close()
    await alice.send(bob.address, 'hello')
    await until('made', () => first.gateway.channels.hasChannel(alice.address, bob.address) === 'opening')
    await routerA.start()
    await until('renewed', () => first.gateway.renewContact(alice.address).then(Boolean, isFailed))
    assertRenewed(first.gateway.cardOf(alice.address), before)
    assert.deepEqual(await bob.receive(), ['hello'])
    await bob.send(alice, 'hello yourself')
    assert.deepEqual(await alice.receive(), ['hello yourself'])
  })

  test('goes on where it ended when the node is started again, channels included', async (t) => {
    await using world = await World.make()
    const router = await world.router()
    let isBroken = false
    const onStep = (step: string) => {
      if (isBroken && step === 'card served') throw new Error('broken')
    }
    const first = await world.peer(router, [], { mode: 'require' })
    let second = await world.peer(router, [first.multiaddr], { mode: 'require', onStep })
    const alice = await TestAgent.delegate(t, first.node)
    const identity = identityOf('bob', 'cosmos')
    let bob = await TestAgent.delegate(t, second.node, identity)
    await ready(second, bob)
    await alice.send(bob.address, 'one')
    assert.deepEqual(await bob.receive(), ['one'])
    const before = second.gateway.cardOf(bob.address)
    isBroken = true
    const renewing = second.gateway.renewContact(bob.address)
    await until('stuck', () => second.lines.some((line) => line.includes('broken, trying on')))
    await bob.client.close()
    await alice.send(bob.address, 'two')
    await second.stop()
    const renewed = await renewing
    isBroken = false
    second = await second.restart()
    bob = await TestAgent.delegate(t, second.node, identity)
    await ready(second, bob)
    assertRenewed(second.gateway.cardOf(bob.address), before)
    assert.deepEqual(second.gateway.cardOf(bob.address), renewed)
    await alice.send(bob.address, 'three')
    assert.deepEqual(await bob.receive(2), ['two', 'three'])
    await until('one contact', async () => (await contactsOf(second)) === 1)
  })

  test('is asked for with the library as well', async () => {
    await using world = await World.make()
    const router = await world.router()
    const peer = await world.peer(router)
    const options = { entry: [peer.multiaddr], smp: [router.address], lookup: 'direct' as const }
    const bob = await world.parley('bob', 'fetchai', options)
    const alice = await world.parley('alice', 'ethereum', options)
    const before = bob.card
    await alice.connect(bob.address)
    assertRenewed(await bob.renewContact(), before)
    await alice.send(bob.address, 'hello')
    for await (const { text, done } of bob.messages()) {
      assert.equal(text, 'hello')
      done()
      break
    }
    await using stranger = await Agent.open({ store: `${world.folder}/stranger.db`, servers: [router.address] })
    const link = before?.card.contactLink ?? ''
    await until('the old address is gone', () =>
      fails(stranger.joinConnection({ link, info: Buffer.from('let me in') })),
    )
  })
})
