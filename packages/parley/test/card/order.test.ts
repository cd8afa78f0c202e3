import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { PADDED_USER_DATA_LENGTH } from '@parley/agent/links'
import {
  beats,
  bestCard,
  cardDigest,
  checkLinkBinding,
  decodeLinkBinding,
  encodeLinkBinding,
  encodeSignedCard,
  isNewCard,
  linkBindingOf,
  MAX_ATTACHMENT,
  type SignedCard,
  verifySignedCard,
} from '../../src/card/index.ts'
import { AGENT_CARD, linkOf, NOW, peerOf, refusal, SampleAgent } from './sample.ts'

const agent = new SampleAgent(1)
const other = new SampleAgent(2)
const peer = peerOf(21)
const LATER = NOW + 60_000

function verified(signed: SignedCard, now = LATER) {
  return verifySignedCard(signed, { expectedAddress: signed.card.address, now })
}

const byLedger = async (sequence: number) => verified(await agent.sign({ ...agent.card(), sequence }))
const byPeer = (sequence: number) => verified(agent.represented({ ...agent.card(), sequence }, peer))

describe('which of two cards counts', () => {
  test('ledger-signed before represented, then the newest', async () => {
    const cards = [byPeer(3), await byLedger(1), byPeer(9), await byLedger(2)]
    const best = bestCard(cards)
    assert.deepEqual([best?.kind, best?.card.sequence], ['ledger', 2])
    assert.equal(bestCard([byPeer(3), byPeer(9), byPeer(4)])?.card.sequence, 9)
    assert.equal(bestCard([]), undefined)
    assert.equal(beats(byPeer(3), byPeer(3)), false)
  })

  test('a card older than the newest seen is refused, and another of the same sequence', () => {
    const card = agent.card()
    const highest = { sequence: card.sequence, digest: cardDigest(card) }
    assert.equal(isNewCard(card, undefined), true)
    assert.equal(isNewCard(card, highest), false)
    assert.equal(isNewCard({ ...card, sequence: card.sequence + 1 }, highest), true)
    assert.throws(() => isNewCard({ ...card, sequence: card.sequence - 1 }, highest), refusal('ROLLED_BACK'))
    assert.throws(() => isNewCard({ ...card, notAfter: card.notAfter - 1 }, highest), refusal('EQUIVOCATION'))
  })
})

describe('what the link says', () => {
  const card = agent.card({ attachment: AGENT_CARD })
  const check = (known: Awaited<ReturnType<typeof byLedger>>, userData: Uint8Array) =>
    checkLinkBinding(known, userData, { now: LATER })
  const refuses = (known: Parameters<typeof check>[0], data: Uint8Array, code: Parameters<typeof refusal>[0]) =>
    assert.throws(() => check(known, data), refusal(code))

  test('the same address and sequence: the card counts, with the attachment that the link has', async () => {
    const signed = await agent.sign(card, AGENT_CARD)
    const { attachment, ...short } = signed
    const known = verified(short)
    const found = check(known, linkBindingOf(signed))
    assert.deepEqual(Buffer.from(found.attachment ?? []), Buffer.from(AGENT_CARD.bytes))
    const { address, sequence } = card
    assert.equal(check(known, encodeLinkBinding({ address, sequence })), known)
    assert.equal(check(known, encodeLinkBinding({ address, sequence, signedCard: encodeSignedCard(short) })), known)
  })

  test('another card of the same sequence is refused', async () => {
    const known = verified(await agent.sign(card, AGENT_CARD))
    const twin = await agent.sign({ ...card, contactLink: linkOf(9) }, AGENT_CARD)
    refuses(known, linkBindingOf(twin), 'EQUIVOCATION')
  })

  test('nothing, or another address, is refused: a copied card leads nowhere', async () => {
    const known = verified(await agent.sign(card))
    refuses(known, new Uint8Array(), 'LINK_MISMATCH')
    refuses(known, Buffer.from('{"displayName":"me"}'), 'LINK_MISMATCH')
    // Another agent's card that names this agent's link.
    const copied = verified(await other.sign(other.card({ contactLink: card.contactLink ?? '' })))
    refuses(copied, linkBindingOf(known.signed), 'LINK_MISMATCH')
  })

  test('an older one is refused', async () => {
    const known = verified(await agent.sign(card))
    refuses(known, linkBindingOf(await agent.sign({ ...card, sequence: card.sequence - 1 })), 'LINK_BEHIND')
  })

  test('a newer one counts, when it is there and proves itself', async () => {
    const known = verified(await agent.sign(card))
    const newer = await agent.sign(agent.card({ now: NOW + 1000, contactLink: linkOf(5) }))
    assert.equal(check(known, linkBindingOf(newer)).card.contactLink, linkOf(5))
    const { address, sequence } = newer.card
    const binding = (signedCard?: Uint8Array) =>
      encodeLinkBinding({ address, sequence, ...(signedCard && { signedCard }) })
    refuses(known, binding(), 'LINK_MISMATCH')
    refuses(known, binding(encodeSignedCard(known.signed)), 'LINK_MISMATCH')
    const forged = { ...newer, card: { ...newer.card, contactLink: linkOf(6) } }
    refuses(known, binding(encodeSignedCard(forged)), 'LINK_MISMATCH')
    refuses(known, binding(encodeSignedCard(await other.sign(other.card()))), 'LINK_MISMATCH')
    const expired = await agent.sign(agent.card({ now: NOW + 1000, lifetime: 1 }))
    refuses(known, linkBindingOf(expired), 'LINK_MISMATCH')
  })

  test('a newer card that revokes counts', async () => {
    const known = verified(await agent.sign(card))
    const revoking = await agent.sign(agent.revocation({ now: NOW + 1000 }))
    assert.equal(check(known, linkBindingOf(revoking)).card.contactLink, undefined)
  })

  test('a represented card takes no place of a ledger-signed one; the other way round it does', async () => {
    const [own, newerOwn] = [await agent.sign(card), await agent.sign(agent.card({ now: NOW + 1000 }))]
    const [foreign, newerForeign] = [agent.represented(card, peer), agent.represented(newerOwn.card, peer)]
    refuses(verified(own), linkBindingOf(newerForeign), 'LINK_MISMATCH')
    assert.equal(check(verified(foreign), linkBindingOf(newerOwn)).kind, 'ledger')
    assert.equal(check(verified(foreign), linkBindingOf(newerForeign)).card.sequence, newerForeign.card.sequence)
    const knownForeign = verified(foreign)
    assert.equal(check(knownForeign, linkBindingOf(own)).kind, 'ledger')
  })

  test('the largest card with the largest attachment fits into a link', async () => {
    const attachment = { type: 'application/json', bytes: new Uint8Array(MAX_ATTACHMENT).fill(32) }
    const signed = await agent.sign(agent.card({ attachment }), attachment)
    const data = linkBindingOf(signed)
    assert.ok(data.length + 300 < PADDED_USER_DATA_LENGTH)
    assert.deepEqual(decodeLinkBinding(data).sequence, signed.card.sequence)
  })
})
