import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { encodeSignedCard, type SignedCard } from '../../src/card/index.ts'
import { askPeer } from '../../src/directory/exchange.ts'
import {
  CARD_PROTOCOL,
  DirectoryError,
  decodeCardMessage,
  encodeCardMessage,
  type FindOptions,
  PUBLISHED,
  REFUSED,
} from '../../src/directory/index.ts'
import { openQuestion, sealQuestion } from '../../src/directory/seal.ts'
import { linkOf, SampleAgent } from '../card/sample.ts'
import { cardNow, type DirectoryPeer, startDirectory, startPeer, untilKnown } from './fixture.ts'

const agent = new SampleAgent(1)

interface Network {
  /** Two Parley peers that the asker is connected to. */
  readonly peers: readonly [DirectoryPeer, DirectoryPeer]
  /** The agent's own. */
  readonly home: DirectoryPeer
  readonly asker: DirectoryPeer
  find(options?: FindOptions): ReturnType<DirectoryPeer['directory']['find']>
}

/** The agent's peer, one that asks, and two between them. */
async function startNetwork(t: TestContext): Promise<Network> {
  const first = await startDirectory(t, [])
  const second = await startDirectory(t, [first.peer])
  const home = await startDirectory(t, [first.peer], { agent })
  const asker = await startDirectory(t, [first.peer, second.peer])
  const between = new Set([first, second].map(({ peer }) => peer.host.peerId))
  asker.host.sees = (peerId) => between.has(peerId)
  await untilKnown(asker, first.peer)
  await untilKnown(asker, second.peer)
  const find = (options: FindOptions = {}) => asker.directory.find(agent.address, { fresh: true, ...options })
  return { peers: [first, second], home, asker, find }
}

/** Which of the two peers passed the question on, and which answered it. */
function rolesOf({ peers, asker }: Network): { readonly relay: DirectoryPeer; readonly target: DirectoryPeer } {
  const [first, second] = peers
  const wasAsked = ({ host }: DirectoryPeer) => host.channels.some(({ peerId }) => peerId === asker.host.peerId)
  assert.notEqual(wasAsked(first), wasAsked(second), 'one of the two is asked')
  return wasAsked(first) ? { relay: first, target: second } : { relay: second, target: first }
}

/** All that went through a tap, as text. */
function textOf({ host }: DirectoryPeer): string {
  return host.frames.map(({ body }) => Buffer.from(body).toString('latin1')).join('\n')
}

test('the peer between knows who asks and not for whom, the peer that answers for whom and not who', async (t) => {
  const network = await startNetwork(t)
  const { home, asker, find } = network
  const card = await cardNow(agent)
  await home.directory.serveOwn(card)
  const found = await find({ privacy: 'required' })
  assert.equal(found?.way, 'private')
  assert.equal(found.card.card.contactLink, linkOf(1))
  const { relay, target } = rolesOf(network)

  // R, behind its TLS: the asker and T, and bytes of fixed length.
  const secrets = [agent.address, agent.publicKey, linkOf(1)]
  for (const secret of secrets) assert.ok(!textOf(relay).includes(secret))
  for (const { direction, opened, body } of relay.host.frames) {
    const isQuestion = (opened === 'there') === (direction === 'in')
    const message = decodeCardMessage(body)
    assert.ok(message.type === 'relay' || message.type === 'sealed')
    assert.equal(message.sealed.length, isQuestion ? 512 : 4096 + 32)
  }
  // T, behind its TLS: R and the address, and nothing of the asker.
  assert.ok(target.host.channels.every(({ peerId }) => peerId !== asker.host.peerId))
  assert.ok(!textOf(target).includes(asker.host.peerId))
  assert.ok(!textOf(target).includes(asker.peer.address))
  const question = target.host.frames.find(({ opened, direction }) => opened === 'there' && direction === 'in')
  assert.ok(question)
  assert.equal(question.peerId, relay.host.peerId)
  const sealed = decodeCardMessage(question.body)
  assert.ok(sealed.type === 'sealed')
  const opened = decodeCardMessage(openQuestion(target.key, sealed.sealed).question)
  assert.deepEqual(opened, { type: 'request', address: agent.address })
  // The agent's own peer: T and the address.
  const askers = home.host.channels.filter((channel) => channel.opened === 'there').map(({ peerId }) => peerId)
  assert.deepEqual(askers, [target.host.peerId])
  // The asker asked the DHT nothing, and R alone.
  assert.deepEqual(
    asker.host.channels.map(({ peerId }) => peerId),
    [relay.host.peerId],
  )
})

test('questions look the same whoever is looked for, and whether there is a card', async (t) => {
  const network = await startNetwork(t)
  const { home, asker, find } = network
  await home.directory.serveOwn(await cardNow(agent))
  await find()
  const nobody = new SampleAgent(9, 2)
  assert.equal(await asker.directory.find(nobody.address), undefined)
  const lengths = new Map<string, Set<number>>()
  for (const { direction, body } of asker.host.frames) {
    lengths.set(direction, (lengths.get(direction) ?? new Set()).add(body.length))
  }
  assert.deepEqual([lengths.get('out')?.size, lengths.get('in')?.size], [1, 1])
})

test('whoever changes, invents or keeps back an answer is got round', async (t) => {
  const network = await startNetwork(t)
  const { peers, home, asker, find } = network
  const card = await cardNow(agent)
  await home.directory.serveOwn(card)
  const forged: SignedCard = { ...card, card: { ...card.card, contactLink: linkOf(9) } }
  const other = await cardNow(new SampleAgent(2))
  const answerOf = (signed: readonly SignedCard[]) =>
    encodeCardMessage({ type: 'answer', cards: signed.map((one) => encodeSignedCard(one)) })
  for (const [bad, good] of [peers, peers.toReversed()] as [DirectoryPeer, DirectoryPeer][]) {
    /** What T does that seals its own answer, with its own key. */
    const lie = (signed: readonly SignedCard[]) => answering(bad, answerOf(signed))
    const wrongs = {
      'R or T changes a byte': flipping,
      'R or T says nothing of it': () => encodeCardMessage({ type: 'refused', code: REFUSED.unreachable }),
      'R or T answers in its own words': () => answerOf([card]),
      'T forges a card': lie([forged]),
      'T gives another’s card': lie([other]),
      'T denies that there is one': lie([]),
    }
    for (const [name, wrong] of Object.entries(wrongs)) {
      bad.host.meddle = (frame) =>
        frame.opened === 'there' && frame.direction === 'out' ? wrong(frame.body) : frame.body
      bad.host.frames.length = 0
      good.host.frames.length = 0
      const found = await find({ privacy: 'private' })
      assert.equal(found?.card.card.contactLink, linkOf(1), name)
      // One that lies when it is T may be an honest R; one that spoils both is in every pair of two.
      if (name.startsWith('T')) assert.equal(found.way, 'private', name)
    }
    bad.host.meddle = ({ body }) => body
  }
  assert.ok(asker.refused.every(({ code }) => code === 'BAD_SIGNATURE' || code === 'WRONG_ADDRESS'))
})

test('an old card that T gives is refused by those who know the newer one', async (t) => {
  const network = await startNetwork(t)
  const { peers, home, asker, find } = network
  const older = await cardNow(agent, { now: Date.now() - 1000 })
  await home.directory.serveOwn(await cardNow(agent, { contactLink: linkOf(2) }))
  assert.equal((await find())?.card.card.contactLink, linkOf(2))
  for (const peer of peers) {
    peer.host.meddle = ({ opened, direction, body }) =>
      opened === 'there' && direction === 'out'
        ? answering(peer, encodeCardMessage({ type: 'answer', cards: [encodeSignedCard(older)] }))(body)
        : body
  }
  assert.equal((await find({ privacy: 'private' }))?.card.card.contactLink, linkOf(2))
  assert.ok(asker.refused.length > 0)
  assert.ok(asker.refused.every(({ code }) => code === 'ROLLED_BACK'))
})

test('without two Parley peers a look-up is not private: it is made in the open, or not when privacy is required', async (t) => {
  const plain = await startPeer(t)
  const home = await startDirectory(t, [plain], { agent })
  await home.directory.serveOwn(await cardNow(agent))
  const asker = await startDirectory(t, [plain])
  const isParley = new Set<string>()
  asker.host.sees = (peerId) => isParley.has(peerId)
  const noWay = (error: unknown) => error instanceof DirectoryError && error.code === 'NO_PRIVATE_WAY'
  await assert.rejects(asker.directory.find(agent.address, { privacy: 'required' }), noWay)
  assert.equal((await asker.directory.find(agent.address))?.way, 'direct')
  // One Parley peer alone cannot be both.
  await untilKnown(asker, home.peer)
  isParley.add(home.host.peerId)
  home.host.sees = () => false
  await assert.rejects(asker.directory.find(agent.address, { privacy: 'required', fresh: true }), noWay)
})

test('a peer that knows one Parley peer goes through it to those that this one names', async (t) => {
  const network = await startNetwork(t)
  const { peers, home, asker, find } = network
  const [first, second] = peers
  await home.directory.serveOwn(await cardNow(agent))
  asker.host.sees = (peerId) => peerId === first.host.peerId
  first.host.sees = (peerId) => peerId === second.host.peerId || peerId === asker.host.peerId
  await untilKnown(first, second.peer)
  const found = await find({ privacy: 'required' })
  assert.equal(found?.way, 'private')
  const asked = first.host.frames.map(({ body }) => decodeCardMessage(body))
  const named = asked.flatMap((message) => (message.type === 'peers' ? message.peerIds : []))
  assert.deepEqual(named, [second.host.peerId])
})

/** Seals another answer to the question that a peer was asked last, as this peer itself could. */
function answering({ host, key }: DirectoryPeer, answer: Uint8Array): (body: Uint8Array) => Uint8Array {
  return (body) => {
    if (decodeCardMessage(body).type !== 'sealed') return body
    const question = host.frames.findLast(({ opened, direction }) => opened === 'there' && direction === 'in')
    const message = question && decodeCardMessage(question.body)
    // Asked to pass something on: then it has nothing to seal.
    if (message?.type !== 'sealed') return body
    return encodeCardMessage({ type: 'sealed', sealed: openQuestion(key, message.sealed).sealAnswer(answer) })
  }
}

function flipping(body: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(body)
  const middle = copy.length >> 1
  copy[middle] = (copy[middle] ?? 0) ^ 1
  return copy
}

test('what peers ask for is bounded, and one that asks too much uses up nobody else’s share', async (t) => {
  const tight = { atOnce: 50, atOncePerPeer: 2, perSecond: 1000, perSecondPerPeer: 0.001, burstPerPeer: 5 }
  const server = await startDirectory(t, [], {
    directory: { limits: { relaying: tight, searching: tight, publishing: tight } },
  })
  const [flooder, other] = [await startDirectory(t, [server.peer]), await startDirectory(t, [server.peer])]
  const options = { timeout: 10_000, signal: AbortSignal.timeout(60_000) }
  const { sealed } = sealQuestion(server.key.publicKey, encodeCardMessage({ type: 'request', address: 'nobody' }))
  const card = encodeSignedCard(await cardNow(agent))
  const kinds = {
    sealed: { type: 'sealed', sealed },
    relay: { type: 'relay', peerId: other.host.peerId, sealed },
    publish: { type: 'publish', card },
  } as const
  for (const [kind, message] of Object.entries(kinds)) {
    const type = kind === 'publish' ? 'published' : 'sealed'
    const ask = (from: DirectoryPeer) =>
      askPeer(from.host, server.host.peerId, message, type, options).then(
        () => 'answered',
        (error: { refused?: number }) => error.refused,
      )
    const answers = await Promise.all(Array.from({ length: 40 }, () => ask(flooder)))
    const busy = answers.filter((answer) => answer === REFUSED.busy).length
    assert.ok(busy >= 35, `${kind}: ${busy} refused`)
    assert.notEqual(await ask(other), REFUSED.busy, kind)
  }
})

test('cards are taken from others for agents that are registered, when they are valid and newer', async (t) => {
  const contact = await startDirectory(t)
  const other = await startDirectory(t, [contact.peer])
  const options = { timeout: 10_000, signal: AbortSignal.timeout(60_000) }
  const publish = async (signed: SignedCard | Uint8Array) => {
    const card = signed instanceof Uint8Array ? signed : encodeSignedCard(signed)
    const { code } = await askPeer(other.host, contact.host.peerId, { type: 'publish', card }, 'published', options)
    return Object.entries(PUBLISHED).find(([, known]) => known === code)?.[0]
  }
  const card = await cardNow(agent)
  assert.equal(await publish(card), 'notRegistered')
  contact.registered.add(agent.address)
  assert.equal(await publish({ ...card, card: { ...card.card, contactLink: linkOf(9) } }), 'invalid')
  assert.equal(await publish(Buffer.from('no card')), 'invalid')
  assert.equal(await publish(card), 'stored')
  assert.equal(await publish(card), 'known')
  assert.equal(await publish(await cardNow(agent, { now: Date.now() - 60_000 })), 'notNewer')
  assert.equal(await publish(await agent.sign({ ...card.card, contactLink: linkOf(9) })), 'notNewer')
  const ask = async () => {
    const request = { type: 'request', address: agent.address } as const
    return (await askPeer(other.host, contact.host.peerId, request, 'answer', options)).cards
  }
  assert.deepEqual(
    (await ask()).map((bytes) => Buffer.from(bytes)),
    [Buffer.from(encodeSignedCard(card))],
  )
  // An agent that has left is served no more.
  contact.registered.delete(agent.address)
  assert.deepEqual(await ask(), [])
})

test('a peer that says what is no message is told so, or nothing', async (t) => {
  const server = await startDirectory(t)
  const other = await startPeer(t, [server.peer])
  await other.host.join()
  for (const body of [
    new Uint8Array(),
    Buffer.from('hello'),
    new Uint8Array(32 * 1024 + 1),
    encodeCardMessage({ type: 'peers', peerIds: [] }),
  ]) {
    const channel = await other.host.openChannel(server.host.peerId, CARD_PROTOCOL)
    const signal = AbortSignal.timeout(10_000)
    await channel.write(body, signal)
    const answer = await channel.read(signal).catch(() => undefined)
    if (answer) assert.deepEqual(decodeCardMessage(answer), { type: 'refused', code: REFUSED.malformed })
    channel.abort(new Error('done'))
  }
  // It is still there for others.
  const request = { type: 'request', address: agent.address } as const
  const options = { timeout: 10_000, signal: AbortSignal.timeout(20_000) }
  assert.deepEqual((await askPeer(other.host, server.host.peerId, request, 'answer', options)).cards, [])
})
