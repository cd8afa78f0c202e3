import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { World } from '../../../agent/test/agent/fixture.ts'
import { linkBindingOf, type SignedCard } from '../../src/card/index.ts'
import { DirectoryError, linkReaderOf, PUBLISHED } from '../../src/directory/index.ts'
import { AGENT_CARD, SampleAgent } from '../card/sample.ts'
import { cardNow, type DirectoryPeer, startDirectory } from './fixture.ts'

const agent = new SampleAgent(1)

/** An owner with a contact address at a router of its own, its peer, and somebody who looks for it. */
async function startWorld(t: TestContext) {
  const world = new World()
  t.after(() => world[Symbol.asyncDispose]())
  const router = await world.router()
  const owner = await world.agent('owner', router.address)
  const reader = await world.agent('reader', router.address)
  const home = await startDirectory(t, [], { agent })
  const readLink = linkReaderOf(reader.api)
  const asker = await startDirectory(t, [home.peer], { directory: { readLink } })
  const newContact = async () => {
    const { connId, shortLink } = await owner.api.createConnection({ mode: 'contact', userData: new Uint8Array() })
    const contactLink = shortLink ?? (await owner.api.setShortLinkData(connId, new Uint8Array()))
    const bind = (signed: SignedCard) => owner.api.setShortLinkData(connId, linkBindingOf(signed))
    return { connId, contactLink, bind }
  }
  const find = () => asker.directory.find(agent.address, { privacy: 'direct', fresh: true })
  return { router, owner, home, asker, newContact, find }
}

/** How often a directory asked another peer. */
function asked({ host }: DirectoryPeer): number {
  return host.channels.filter(({ opened }) => opened === 'here').length
}

test('a card counts when its link says so, and is refreshed from its link alone', async (t) => {
  const { home, asker, newContact, find } = await startWorld(t)
  const contact = await newContact()
  const first = await cardNow(agent, { contactLink: contact.contactLink, attachment: AGENT_CARD })
  const whole = { ...first, attachment: AGENT_CARD.bytes }
  // The peer serves the card without its attachment; the link has it.
  await home.directory.serveOwn(first)
  await contact.bind(whole)
  const found = await find()
  assert.deepEqual([found?.way, found?.isConfirmed], ['direct', true])
  assert.equal(Buffer.from(found?.card.attachment ?? []).toString(), AGENT_CARD.bytes.toString())

  // From now on its peer is not needed.
  const before = asked(asker)
  assert.equal((await find())?.way, 'link')
  const second = await cardNow(agent, { contactLink: contact.contactLink, previousSequence: first.card.sequence })
  await contact.bind(second)
  const refreshed = await find()
  assert.deepEqual([refreshed?.way, refreshed?.card.card.sequence], ['link', second.card.sequence])
  assert.equal(asked(asker), before)
})

test('a former representative whose link still stands keeps nobody from a card that counts more', async (t) => {
  const { home, asker, newContact, find } = await startWorld(t)
  const [former, present] = [await newContact(), await newContact()]
  const represented = agent.represented(agent.card({ now: Date.now(), contactLink: former.contactLink }), home.key)
  await home.directory.serveOwn(represented)
  await former.bind(represented)
  assert.equal((await find())?.card.kind, 'represented')
  const card = await cardNow(agent, { contactLink: present.contactLink })
  await present.bind(card)
  await home.directory.serveOwn(card)
  assert.equal((await find())?.card.kind, 'ledger')
  assert.equal(asker.refused.length, 0)
})

test('a represented card that is known counts when there is no private way to look for another', async (t) => {
  const { owner, home, asker, newContact, find } = await startWorld(t)
  const contact = await newContact()
  const represented = agent.represented(agent.card({ now: Date.now(), contactLink: contact.contactLink }), home.key)
  await home.directory.serveOwn(represented)
  await contact.bind(represented)
  await find()
  const found = await asker.directory.find(agent.address, { privacy: 'required', fresh: true })
  assert.deepEqual([found?.card.kind, found?.way, found?.isConfirmed], ['represented', 'link', true])
  // Gone at its link, it does not stand for "no card", on which somebody might send plainly.
  await owner.api.deleteShortLink(contact.connId)
  await assert.rejects(
    asker.directory.find(agent.address, { privacy: 'required', fresh: true }),
    (error) => error instanceof DirectoryError && error.code === 'NO_PRIVATE_WAY',
  )
})

test('an owner that moves leaves word at the old link; one that revokes, too', async (t) => {
  const { home, asker, newContact, find } = await startWorld(t)
  const [old, next] = [await newContact(), await newContact()]
  const first = await cardNow(agent, { contactLink: old.contactLink })
  await home.directory.serveOwn(first)
  await old.bind(first)
  await find()
  const second = await cardNow(agent, { contactLink: next.contactLink, previousSequence: first.card.sequence })
  await next.bind(second)
  await old.bind(second)
  const before = asked(asker)
  assert.equal((await find())?.card.card.contactLink, next.contactLink)
  const { contactLink, ...revoking } = agent.card({ now: Date.now(), previousSequence: second.card.sequence })
  await next.bind(await agent.sign(revoking))
  assert.equal(await find(), undefined)
  assert.equal(asked(asker), before)
})

test('a copied card leads nowhere: the link names its own address', async (t) => {
  const { home, asker, newContact, find } = await startWorld(t)
  const contact = await newContact()
  const other = new SampleAgent(2)
  await contact.bind(await cardNow(other, { contactLink: contact.contactLink }))
  await home.directory.serveOwn(await cardNow(agent, { contactLink: contact.contactLink }))
  assert.equal(await find(), undefined)
  assert.deepEqual(asker.refused, [{ address: agent.address, code: 'LINK_MISMATCH', from: 'link' }])
})

test('a link that says nothing, or of an older card, is refused; the older card is not', async (t) => {
  const { home, asker, newContact, find } = await startWorld(t)
  const contact = await newContact()
  const older = await cardNow(agent, { contactLink: contact.contactLink, now: Date.now() - 1000 })
  const newer = await cardNow(agent, { contactLink: contact.contactLink })
  await home.directory.serveOwn(older)
  assert.equal(await find(), undefined)
  assert.equal(asker.refused.at(-1)?.code, 'LINK_MISMATCH')
  await contact.bind(older)
  await home.directory.serveOwn(newer)
  assert.equal(await find(), undefined)
  assert.equal(asker.refused.at(-1)?.code, 'LINK_BEHIND')
  // What was refused has used up no sequence: the owner's own card still counts.
  await home.directory.withdraw(agent.address)
  await home.directory.serveOwn(older)
  assert.equal((await find())?.card.card.sequence, older.card.sequence)
  // A known contact whose link has gone leads nowhere, whoever serves its card.
  await contact.bind(newer)
  assert.equal((await find())?.card.card.sequence, newer.card.sequence)
})

test('a link that was deleted leads nowhere; a router that is away is no answer', async (t) => {
  const { router, owner, home, asker, newContact, find } = await startWorld(t)
  const contact = await newContact()
  const card = await cardNow(agent, { contactLink: contact.contactLink })
  await home.directory.serveOwn(card)
  await contact.bind(card)
  await find()
  await owner.api.deleteShortLink(contact.connId)
  assert.equal(await find(), undefined)
  assert.equal(asker.refused.at(-1)?.code, 'LINK_MISMATCH')
  await router.close()
  await assert.rejects(find(), (error) => error instanceof DirectoryError && error.code === 'LINK_UNREACHABLE')
})

test('agents ask and answer in envelopes, and cards that came so are checked as any', async (t) => {
  const { home, asker, newContact } = await startWorld(t)
  const contact = await newContact()
  const card = await cardNow(agent, { contactLink: contact.contactLink })
  await home.directory.serveOwn(card)
  await contact.bind(card)
  const request = { type: 'request', address: agent.address } as const
  const answer = await home.directory.answerAgent(request, 'somebody')
  assert.ok(answer?.type === 'answer')
  const found = await asker.directory.take(agent.address, answer.cards, 'envelope')
  assert.deepEqual([found?.way, found?.isConfirmed], ['given', true])
  assert.equal(await home.directory.answerAgent(answer, 'somebody'), undefined)
  const [bytes = new Uint8Array()] = answer.cards
  const publish = { type: 'publish', card: bytes } as const
  assert.deepEqual(await asker.directory.answerAgent(publish, agent.address), {
    type: 'published',
    code: PUBLISHED.notRegistered,
  })
})
