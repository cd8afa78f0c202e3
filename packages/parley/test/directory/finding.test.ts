import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { identityFromKey } from '@parley/acn/client'
import type { AcnNode } from '@parley/acn/node'
import { peerSettings, startNode, TestAgent } from '../../../acn/test/node/network.ts'
import { CARD_SKEW, encodeSignedCard, type SignedCard, verifySignedCard } from '../../src/card/index.ts'
import { CardDirectory, CardStore, encodeCardMessage } from '../../src/directory/index.ts'
import { linkOf, refusal, SampleAgent } from '../card/sample.ts'
import { cardNow, startDirectory, startPeer, temporaryFolder, until, untilKnown } from './fixture.ts'

const agent = new SampleAgent(1)

test('a card is found at the agent’s own peer, by those who enter anywhere', async (t) => {
  const entry = await startPeer(t)
  const home = await startDirectory(t, [entry], { agent })
  await home.directory.serveOwn(await cardNow(agent))
  const asker = await startDirectory(t, [entry])
  const found = await asker.directory.find(agent.address, { privacy: 'direct' })
  assert.equal(found?.card.card.contactLink, linkOf(1))
  assert.equal(found.way, 'direct')
  assert.equal(found.isConfirmed, false)
  // Again: nobody is asked.
  const asked = asker.host.channels.length
  assert.equal(await asker.directory.find(agent.address), found)
  assert.equal(asker.host.channels.length, asked)
  // At home nobody is asked either.
  const own = await home.directory.find(agent.address)
  assert.deepEqual([own?.way, home.host.channels.filter(({ opened }) => opened === 'here').length], ['own', 0])
})

test('the card of an agent of which others are not to hear is given to nobody, and is there for its own node', async (t) => {
  const entry = await startPeer(t)
  let isListed = false
  const home = await startDirectory(t, [entry], { agent, directory: { isListed: () => isListed } })
  await home.directory.serveOwn(await cardNow(agent))
  const asker = await startDirectory(t, [entry])
  assert.equal(await asker.directory.find(agent.address, { privacy: 'direct' }), undefined)
  assert.equal((await home.directory.find(agent.address))?.way, 'own')
  // It was asked, and would have answered.
  assert.ok(home.host.frames.some(({ direction }) => direction === 'out'))
  isListed = true
  assert.equal((await asker.directory.find(agent.address, { privacy: 'direct', fresh: true }))?.way, 'direct')
})

test('an address without a card has none, and is not looked for again at once', async (t) => {
  const entry = await startDirectory(t)
  const home = await startPeer(t, [entry.peer], { agent })
  await home.host.join()
  const asker = await startDirectory(t, [entry.peer])
  await untilKnown(asker, entry.peer)
  assert.equal(await asker.directory.find(agent.address, { privacy: 'direct' }), undefined)
  // The agent's peer is a plain one, as a node in Go would be: it is known not to speak of cards, or says so.
  assert.deepEqual(
    asker.host.frames.filter(({ peerId }) => peerId === home.host.peerId),
    [],
  )
  const asked = asker.host.channels.length
  assert.equal(await asker.directory.find(agent.address, { privacy: 'direct' }), undefined)
  assert.equal(asker.host.channels.length, asked)
})

test('the newest of several answers counts, whatever a peer serves besides', async (t) => {
  const entry = await startPeer(t)
  const [older, newer] = [await cardNow(agent, { now: Date.now() - 1000 }), await cardNow(agent)]
  const homes = [await startDirectory(t, [entry], { agent }), await startDirectory(t, [entry], { agent })]
  await homes[0]?.directory.serveOwn(older)
  await homes[1]?.directory.serveOwn(newer)
  const asker = await startDirectory(t, [entry], { directory: { timeouts: { gather: 3_000 } } })
  const found = await asker.directory.find(agent.address, { privacy: 'direct' })
  assert.equal(found?.card.card.sequence, newer.card.sequence)
})

test('a ledger-signed card counts and not the peer’s; a card that revokes ends both', async (t) => {
  const entry = await startPeer(t)
  const home = await startDirectory(t, [entry], { agent })
  const asker = await startDirectory(t, [entry])
  const find = () => asker.directory.find(agent.address, { privacy: 'direct', fresh: true })
  const represented = (sequence: number) =>
    agent.represented({ ...agent.card({ now: Date.now() }), sequence }, home.key)
  await home.directory.serveOwn(represented(Date.now()))
  assert.equal((await find())?.card.kind, 'represented')
  assert.equal((await find())?.card.representative, home.key.publicKeyHex)
  await home.directory.serveOwn(await cardNow(agent, { contactLink: linkOf(2) }))
  await home.directory.serveOwn(represented(Date.now() + 1000))
  assert.deepEqual(await find().then((found) => [found?.card.kind, found?.card.card.contactLink]), [
    'ledger',
    linkOf(2),
  ])
  const sequence = home.directory.lastSequence(agent.address) + 1
  await home.directory.serveOwn(await agent.sign({ ...agent.revocation({ now: Date.now() }), sequence }))
  assert.equal(await find(), undefined)
  // It is remembered: a peer that keeps the revoking card back gets nowhere with the other.
  await home.directory.withdraw(agent.address)
  await home.directory.serveOwn(represented(Date.now() + 2000))
  assert.equal(await find(), undefined)
})

test('a card that expires is served, believed and found no more', async (t) => {
  const entry = await startPeer(t)
  const home = await startDirectory(t, [entry], { agent })
  const asker = await startDirectory(t, [entry], { directory: { timeouts: { notFound: 1 } } })
  // Cards hold from five minutes before they are made.
  const card = await cardNow(agent, { lifetime: CARD_SKEW + 2_000 })
  await home.directory.serveOwn(card)
  const find = () => asker.directory.find(agent.address, { privacy: 'direct' })
  assert.ok(await find())
  await until(async () => (await find()) === undefined)
  assert.ok(Date.now() >= card.card.notAfter)
  assert.equal(await home.directory.find(agent.address, { privacy: 'direct' }), undefined)
  await assert.rejects(home.directory.serveOwn(card), refusal('EXPIRED'))
})

test('a contact peer needs nobody to find the agents that are registered at it', async (t) => {
  const contact = await startDirectory(t)
  const home = await startDirectory(t, [contact.peer])
  contact.registered.add(agent.address)
  await home.directory.serveOwn(await cardNow(agent))
  assert.deepEqual(await home.directory.publishTo(contact.host.peerId, agent.address), ['stored'])
  const found = await contact.directory.find(agent.address)
  assert.equal(found?.way, 'own')
  assert.deepEqual(
    contact.host.channels.filter(({ opened }) => opened === 'here'),
    [],
  )
})

test('a card that goes back is refused and reported, also after a restart', async (t) => {
  const entry = await startPeer(t)
  const file = `${temporaryFolder()}/cards.db`
  const [older, newer] = [await cardNow(agent, { now: Date.now() - 1000 }), await cardNow(agent)]
  const twin = await agent.sign({ ...newer.card, contactLink: linkOf(9) })
  const home = await startDirectory(t, [entry], { agent })
  await home.directory.serveOwn(newer)
  const before = CardStore.open({ file, limits: { served: 1, remembered: 10 } })
  await before.take(verifySignedCard(newer, { expectedAddress: agent.address }))
  before.close()
  const asker = await startDirectory(t, [entry], { file })
  for (const [bad, code] of [
    [older, 'ROLLED_BACK'],
    [twin, 'EQUIVOCATION'],
  ] as const) {
    await home.directory.withdraw(agent.address)
    await home.directory.serveOwn(bad)
    const found = await asker.directory.find(agent.address, { privacy: 'direct', fresh: true })
    // The one that was seen before still holds, and counts.
    assert.equal(found?.card.card.contactLink, linkOf(1))
    assert.equal(found.card.card.sequence, newer.card.sequence)
    assert.deepEqual(asker.refused.at(-1), { address: agent.address, code, from: 'direct' })
  }
})

test('forged and copied cards are refused and reported', async (t) => {
  const entry = await startPeer(t)
  const home = await startDirectory(t, [entry], { agent })
  const asker = await startDirectory(t, [entry])
  await home.directory.serveOwn(await cardNow(agent))
  const other = await cardNow(new SampleAgent(2))
  const answerWith = (signed: SignedCard) => encodeCardMessage({ type: 'answer', cards: [encodeSignedCard(signed)] })
  home.host.meddle = ({ direction, body }) => (direction === 'in' ? body : answerWith(other))
  assert.equal(await asker.directory.find(agent.address, { privacy: 'direct' }), undefined)
  assert.deepEqual(asker.refused, [{ address: agent.address, code: 'WRONG_ADDRESS', from: home.host.peerId }])
  const forged = await cardNow(agent)
  home.host.meddle = ({ direction, body }) =>
    direction === 'in' ? body : answerWith({ ...forged, card: { ...forged.card, contactLink: linkOf(9) } })
  assert.equal(await asker.directory.find(agent.address, { privacy: 'direct', fresh: true }), undefined)
  assert.equal(asker.refused.at(-1)?.code, 'BAD_SIGNATURE')
})

test('a card is found at the contact peer while its agent is away', async (t) => {
  const first = await startNode(t, peerSettings())
  const contact = await startNode(t, peerSettings([first]))
  const [asker] = await Promise.all([first, contact].map((node) => directoryOf(t, node)))
  assert.ok(asker)
  const attached = await TestAgent.delegate(t, contact, identityFromKey(agent.ledger, agent.privateKey))
  const home = await startDirectory(t, [contact])
  await home.directory.serveOwn(await cardNow(agent))
  assert.deepEqual(await home.directory.publish(agent.address, [contact.host.peerId]), [contact.host.peerId])
  assert.deepEqual(await home.directory.publishTo(contact.host.peerId, agent.address), ['known'])
  await home.peer.stop()
  await attached.client.close()
  await until(() => !contact.router.isAttached(agent.address))
  // The directories came later than the nodes, which tell each other.
  await untilKnown(first, contact)
  const found = await asker.find(agent.address, { privacy: 'direct' })
  assert.deepEqual([found?.way, found?.card.card.contactLink], ['direct', linkOf(1)])
})

/** A directory at a node of the network as it is. */
async function directoryOf(t: TestContext, { host, key, router }: AcnNode): Promise<CardDirectory> {
  const store = CardStore.open({ file: `${temporaryFolder()}/cards.db`, limits: { served: 10, remembered: 10 } })
  const isRegistered = (address: string) => router.isRegistered(address)
  const directory = await CardDirectory.start({ host, key, store, isRegistered })
  t.after(() => {
    directory.stop()
    store.close()
  })
  return directory
}
