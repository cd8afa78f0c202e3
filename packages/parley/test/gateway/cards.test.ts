import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { CarrierParts } from '@parley/acn/node'
import { Agent } from '@parley/agent'
import { newIdentity, TestAgent } from '../../../acn/test/node/network.ts'
import { decodeSignedCard, encodeSignedCard, ledgerSigner } from '../../src/card/index.ts'
import { decodeCardMessage, encodeCardMessage } from '../../src/directory/index.ts'
import { ParleyError } from '../../src/parley-error.ts'
import { type Meddle, TappedHost } from '../directory/fixture.ts'
import { addressOf, identityOf, keyOf, ready, send, Tap, until, World } from './world.ts'

const FLOODERS = 16

/** Parts in which what is said of cards can be changed. */
function meddling(meddle: { current: Meddle }): (parts: CarrierParts) => CarrierParts {
  return (parts) => {
    const host = new TappedHost(parts.host)
    host.meddle = (frame) => meddle.current(frame)
    // A gateway takes no more of it than what the tap has, and whether there is a contact, which a peer has not.
    return { ...parts, host: host as unknown as CarrierParts['host'] }
  }
}

/** Answers about cards with other cards than there are. */
function answering(cards: (real: readonly Uint8Array[]) => readonly Uint8Array[]): Meddle {
  return ({ direction, body }) => {
    const message = direction === 'out' ? decodeCardMessage(body) : undefined
    return message?.type === 'answer' ? encodeCardMessage({ ...message, cards: cards(message.cards) }) : body
  }
}

describe('cards in a network', { concurrency: 3 }, () => {
  test('the card of the ledger key counts, whatever a present or former representative says', async (t) => {
    await using world = await World.make()
    const router = await world.router()
    const identity = identityOf('bob', 'fetchai')
    const signers = new Map([[identity.address, { sign: ledgerSigner('fetchai', keyOf('bob')) }]])
    const first = await world.peer(router)
    const own = await world.peer(router, [first.multiaddr], { signers })
    const alice = await TestAgent.delegate(t, first.node)
    // Before it had a node with its key, it was at a peer that has none, which says so still.
    const former = await world.peer(router, [first.multiaddr])
    let bob = await TestAgent.delegate(t, former.node, identity)
    await ready(former, bob)
    const stale = former.gateway.cardOf(bob.address)
    assert.equal(stale?.proof.kind, 'represented')
    assert.equal((await first.gateway.directory.find(bob.address, { privacy: 'direct' }))?.card.kind, 'represented')
    await bob.client.close()
    bob = await TestAgent.delegate(t, own.node, identity)
    await ready(own, bob)
    assert.equal(own.gateway.cardOf(bob.address)?.proof.kind, 'ledger')
    await until('gone', () => former.gateway.cardOf(bob.address) === undefined)
    await former.gateway.directory.serveOwn(stale)
    const found = await first.gateway.directory.find(bob.address, { privacy: 'direct', fresh: true })
    assert.equal(found?.card.kind, 'ledger')
    assert.equal(found.card.card.contactLink, own.gateway.cardOf(bob.address)?.card.contactLink)
    await send(alice, bob.address, 'to the right one')
    assert.deepEqual(await bob.receive(), ['to the right one'])
  })

  test('of represented cards the newest counts: a former representative’s is none any more', async (t) => {
    await using world = await World.make()
    const router = await world.router()
    const first = await world.peer(router)
    const [former, present] = [await world.peer(router, [first.multiaddr]), await world.peer(router, [first.multiaddr])]
    const [alice, identity] = [await TestAgent.delegate(t, first.node), newIdentity()]
    let bob = await TestAgent.delegate(t, former.node, identity)
    await ready(former, bob)
    const stale = former.gateway.cardOf(bob.address)
    assert.ok(stale)
    await bob.client.close()
    bob = await TestAgent.delegate(t, present.node, identity)
    await ready(present, bob)
    await until('gone', () => former.gateway.cardOf(bob.address) === undefined)
    await former.gateway.directory.serveOwn(stale)
    const found = await first.gateway.directory.find(bob.address, { privacy: 'direct', fresh: true })
    assert.equal(found?.card.representative, present.node.key.publicKeyHex)
    await send(alice, bob.address, 'to the right one')
    assert.deepEqual(await bob.receive(), ['to the right one'])
  })

  test('plain peers between: the agent is asked itself, when that is wanted, and no question tells what is private', async () => {
    await using world = await World.make()
    const router = await world.router()
    const tap = new Tap()
    const plain = await world.plainPeer([], { host: { observe: tap.observe } })
    const options = { entry: [plain.multiaddr ?? ''], smp: [router.address], lookup: 'direct' as const }
    const bob = await world.parley('bob', 'fetchai', options)
    const alice = await world.parley('alice', 'ethereum', options)
    assert.ok(bob.card)
    await assert.rejects(
      alice.connect(bob.address),
      (error) => error instanceof ParleyError && error.code === 'NOT_FOUND',
    )
    const peer = await alice.connect(bob.address, { askAgent: true })
    assert.equal(peer.card, 'ledger')
    await peer.send('secret words')
    for await (const { from, text, way, done } of bob.messages()) {
      assert.deepEqual({ from, text, way }, { from: alice.address, text: 'secret words', way: 'private' })
      done()
      break
    }
    assert.equal((await alice.gateway.directory.find(bob.address, { privacy: 'direct' }))?.way, 'given')
    assert.equal(tap.saw('secret words'), false)
    // Nobody answers for an agent that is nowhere; a card that nobody asked for is not looked at.
    const { gateway } = alice
    const before = gateway.directory.lastSequence(bob.address)
    assert.equal(
      await gateway
        .askByEnvelope(alice.address, addressOf('carol', 'fetchai'), AbortSignal.timeout(500))
        .catch(() => undefined),
      undefined,
    )
    assert.equal(gateway.directory.lastSequence(bob.address), before)
  })

  test('a contact peer that forges cards, or keeps them back, gets nothing but silence', async () => {
    await using world = await World.make()
    const router = await world.router()
    const meddle: { current: Meddle } = { current: ({ body }) => body }
    const tap = new Tap()
    const contact = await world.peer(
      router,
      [],
      {},
      { parts: meddling(meddle), node: { host: { observe: tap.observe } } },
    )
    const options = { smp: [router.address], lookup: 'direct' as const }
    const bob = await world.parley('bob', 'fetchai', { ...options, entry: [contact.multiaddr] })
    const mallory = await world.parley('mallory', 'fetchai', { ...options, entry: [contact.multiaddr] })
    const [bobs, mallorys] = [bob.card, mallory.card]
    assert.ok(bobs && mallorys)
    const forged = decodeSignedCard(
      encodeSignedCard({ ...bobs, card: { ...bobs.card, channelKey: mallorys.card.channelKey } }),
    )
    const attacks: readonly (readonly [string, Meddle, RegExp | undefined])[] = [
      ['another’s card', answering(() => [encodeSignedCard(mallorys)]), /refused: WRONG_ADDRESS/],
      ['a changed card', answering(() => [encodeSignedCard(forged)]), /refused: BAD_SIGNATURE/],
      ['no card', answering(() => []), undefined],
      ['nothing', ({ direction, body }) => (direction === 'out' ? undefined : body), undefined],
    ]
    const entrance = await world.plainPeer([contact.multiaddr])
    const askers = await Promise.all(
      attacks.map(async ([, attack, reported], i) => {
        const lines: string[] = []
        const log = (_: string, line: string) => void lines.push(line)
        const entry = [entrance.multiaddr ?? '']
        const alice = await world.parley(`alice ${i}`, 'ethereum', { ...options, entry, log })
        return { alice, attack, reported, lines }
      }),
    )
    for (const { alice, attack, reported, lines } of askers) {
      meddle.current = attack
      await assert.rejects(
        alice.connect(bob.address),
        (error) => error instanceof ParleyError && error.code === 'NOT_FOUND',
      )
      if (reported)
        assert.ok(
          lines.some((line) => reported.test(line)),
          lines.join('\n'),
        )
      // It is not sent plainly either.
      await alice.send(bob.address, 'secret words')
    }
    assert.equal(tap.saw('secret words'), false)
    meddle.current = ({ body }) => body
    const { alice } = askers[0] ?? {}
    assert.ok(await alice?.gateway.directory.find(bob.address, { privacy: 'direct', fresh: true }))
    await alice?.connect(bob.address)
  })

  test('a flood of requests at a contact address keeps nobody else away, and fills no log', async () => {
    await using world = await World.make()
    const router = await world.router()
    const peer = await world.peer(router)
    const options = { smp: [router.address], entry: [peer.multiaddr], lookup: 'direct' as const }
    const lines: string[] = []
    const bob = await world.parley('bob', 'fetchai', { ...options, log: (_, line) => void lines.push(line) })
    const link = bob.card?.card.contactLink
    assert.ok(link)
    let refused = 0
    bob.gateway.channels.on('requestRefused', () => void refused++)
    // An agent asks once, however often it joins.
    const flooders = await Promise.all(
      Array.from({ length: FLOODERS }, (_, i) =>
        Agent.open({ store: `${world.folder}/flooder-${i}.db`, servers: [router.address], config: { kemPoolSize: 1 } }),
      ),
    )
    await Promise.all(flooders.map((one) => one.joinConnection({ link, info: Buffer.from('let me in'), pq: false })))
    const alice = await world.parley('alice', 'ethereum', options)
    await (await alice.connect(bob.address)).send('hello')
    for await (const { text, done } of bob.messages()) {
      assert.equal(text, 'hello')
      done()
      break
    }
    await until('all refused', () => refused === FLOODERS)
    await Promise.all(flooders.map((one) => one.close()))
    assert.equal(bob.gateway.channels.list().length, 1)
    assert.ok(lines.filter((line) => line.includes('was refused')).length <= 3, lines.join('\n'))
  })
})
