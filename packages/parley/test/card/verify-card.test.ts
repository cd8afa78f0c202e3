import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LEDGERS, ProofCache } from '@parley/acn/record'
import {
  CARD_SKEW,
  type CardErrorCode,
  type ContactCard,
  encodeSignedCard,
  ledgerSigner,
  ledgerSigningText,
  peerSigningText,
  representCard,
  type SignedCard,
  signCard,
  verifyCard,
  verifySignedCard,
} from '../../src/card/index.ts'
import { AGENT_CARD, linkOf, NOW, peerOf, refusal, SampleAgent } from './sample.ts'

const LEDGER_NUMBERS = LEDGERS.map((_, number) => number)
const agent = new SampleAgent(1)
const other = new SampleAgent(2)
const peer = peerOf(21)
const otherPeer = peerOf(22)

function verify(signed: SignedCard, now = NOW, expectedAddress = agent.address) {
  return verifyCard(encodeSignedCard(signed), { expectedAddress, now })
}

function refuses(signed: SignedCard, code: CardErrorCode, now = NOW, expectedAddress = agent.address): void {
  assert.throws(() => verify(signed, now, expectedAddress), refusal(code))
}

/** Another value for each field that is not the address or its key. */
function* changesOf(card: ContactCard): Generator<Partial<ContactCard>> {
  yield { contactLink: linkOf(9) }
  yield { channelKey: new Uint8Array(32).fill(9) }
  yield { issuedAt: card.issuedAt - 1 }
  yield { notBefore: card.notBefore - 1 }
  yield { notAfter: card.notAfter + 1 }
  yield { sequence: card.sequence + 1 }
  yield { attachment: { digest: new Uint8Array(32).fill(1), type: 'text/plain' } }
}

describe('a ledger-signed card', () => {
  test('of each ledger is its address’s word', async () => {
    for (const number of LEDGER_NUMBERS) {
      const agent = new SampleAgent(1, number)
      const card = agent.card({ attachment: AGENT_CARD })
      const signed = await agent.sign(card, AGENT_CARD)
      const verified = verify(signed, NOW, agent.address)
      assert.equal(verified.kind, 'ledger')
      assert.equal(verified.representative, undefined)
      assert.equal(verified.card.contactLink, linkOf(1))
      assert.deepEqual(Buffer.from(verified.attachment ?? []), Buffer.from(AGENT_CARD.bytes))
    }
  })

  test('is refused when any field is changed', async () => {
    for (const number of LEDGER_NUMBERS) {
      const agent = new SampleAgent(1, number)
      const signed = await agent.sign(agent.card())
      for (const change of changesOf(signed.card)) {
        refuses({ ...signed, card: { ...signed.card, ...change } }, 'BAD_SIGNATURE', NOW, agent.address)
      }
      const { contactLink, ...revoking } = signed.card
      refuses({ ...signed, card: revoking }, 'BAD_SIGNATURE', NOW, agent.address)
    }
  })

  test('is refused under another address, key or ledger', async () => {
    const signed = await agent.sign(agent.card())
    const copied = (change: Partial<ContactCard>) => ({ ...signed, card: { ...signed.card, ...change } })
    refuses(signed, 'WRONG_ADDRESS', NOW, other.address)
    refuses(copied({ address: other.address }), 'WRONG_KEY', NOW, other.address)
    refuses(copied({ publicKey: other.publicKey }), 'WRONG_KEY')
    refuses(copied({ ledgerId: 'cosmos' }), 'WRONG_KEY')
    refuses(copied({ ledgerId: 'bitcoin' }), 'UNSUPPORTED_LEDGER')
    // Another's card as one's own: the name can be changed, the signature cannot.
    refuses(copied({ address: other.address, publicKey: other.publicKey }), 'BAD_SIGNATURE', NOW, other.address)
    // One's own signature on another's address.
    const forged = await signCard(agent.card(), ledgerSigner(other.ledger.ledgerId, other.privateKey))
    refuses(forged, 'BAD_SIGNATURE')
  })

  test('is refused with what the key has signed for other purposes', async () => {
    const card = agent.card()
    const { ledger, privateKey } = agent
    const asPeer = {
      card,
      proof: { kind: 'ledger', signature: ledger.sign(privateKey, peerSigningText(card)) },
    } as const
    refuses(asPeer, 'BAD_SIGNATURE')
    refuses({ card, proof: { kind: 'ledger', signature: agent.recordFor(peer).signature } }, 'BAD_SIGNATURE')
    for (const signature of ['no signature', 'A'.repeat(88), 'a'.repeat(300)]) {
      refuses({ card, proof: { kind: 'ledger', signature } }, 'BAD_SIGNATURE')
    }
  })

  test('holds for its time alone', async () => {
    const signed = await agent.sign(agent.card({ lifetime: 60 * 60_000 }))
    const { notBefore, notAfter } = signed.card
    verify(signed, notAfter - 1)
    refuses(signed, 'EXPIRED', notAfter)
    // Made five minutes back, so a clock that is as much behind takes it; it is its sequence and date that count here.
    verify(signed, NOW - CARD_SKEW)
    refuses(signed, 'NOT_YET', NOW - CARD_SKEW - 1)
    const early = { ...signed.card, issuedAt: notBefore, sequence: 1, notBefore: NOW + CARD_SKEW }
    verify(await agent.sign(early))
    refuses(await agent.sign({ ...early, notBefore: NOW + CARD_SKEW + 1 }), 'NOT_YET')
  })

  test('cannot use up the numbers of its address', async () => {
    verify(await agent.sign({ ...agent.card(), sequence: NOW + CARD_SKEW }))
    refuses(await agent.sign({ ...agent.card(), sequence: NOW + CARD_SKEW + 1 }), 'NOT_YET')
    refuses(await agent.sign({ ...agent.card(), sequence: Number.MAX_SAFE_INTEGER }), 'NOT_YET')
  })

  test('without a link revokes, and is as hard to forge', async () => {
    const signed = await agent.sign(agent.revocation())
    assert.equal(verify(signed).card.contactLink, undefined)
    refuses({ ...signed, card: { ...signed.card, contactLink: linkOf(1) } }, 'BAD_SIGNATURE')
  })

  test('takes the attachment that it names, or none', async () => {
    const signed = await agent.sign(agent.card({ attachment: AGENT_CARD }), AGENT_CARD)
    refuses({ ...signed, attachment: Buffer.from('{"name":"Another"}') }, 'BAD_ATTACHMENT')
    const short = encodeSignedCard(signed, { withoutAttachment: true })
    assert.equal(verifyCard(short, { expectedAddress: agent.address, now: NOW }).attachment, undefined)
  })

  test('is refused as malformed when it is no card', () => {
    for (const bytes of [new Uint8Array(), Buffer.from('no card'), new Uint8Array(20_000)]) {
      assert.throws(() => verifyCard(bytes, { expectedAddress: agent.address }), refusal('MALFORMED'))
    }
  })
})

describe('a represented card', () => {
  test('of each ledger is the word of the peer that the agent took', () => {
    for (const number of LEDGER_NUMBERS) {
      const agent = new SampleAgent(1, number)
      const cache = new ProofCache()
      const signed = agent.represented(agent.card(), peer)
      for (let times = 0; times < 2; times++) {
        const verified = verifySignedCard(signed, { expectedAddress: agent.address, now: NOW, cache })
        assert.equal(verified.kind, 'represented')
        assert.equal(verified.representative, peer.publicKeyHex)
      }
      assert.equal(cache.size, 1)
    }
  })

  test('is refused when any field is changed, and under another address', () => {
    const signed = agent.represented(agent.card(), peer)
    for (const change of changesOf(signed.card)) {
      refuses({ ...signed, card: { ...signed.card, ...change } }, 'BAD_SIGNATURE')
    }
    refuses(signed, 'WRONG_ADDRESS', NOW, other.address)
    const copied = { ...signed.card, address: other.address, publicKey: other.publicKey }
    refuses({ ...signed, card: copied }, 'BAD_RECORD', NOW, other.address)
  })

  test('needs the record of this agent, for the peer that signs', () => {
    const card = agent.card()
    const replaced = (record: ReturnType<typeof agent.recordFor>, key = peer) => representCard(card, record, key)
    refuses(replaced(other.recordFor(peer)), 'BAD_RECORD')
    refuses(replaced({ ...other.recordFor(peer), publicKey: agent.publicKey }), 'BAD_RECORD')
    refuses(replaced({ ...agent.recordFor(peer), ledgerId: 'cosmos' }), 'BAD_RECORD')
    // A peer that the agent did not take: with the record for another peer, and with its own name put into it.
    refuses(replaced(agent.recordFor(peer), otherPeer), 'BAD_SIGNATURE')
    refuses(replaced({ ...agent.recordFor(peer), peerPublicKey: otherPeer.publicKeyHex }, otherPeer), 'BAD_RECORD')
    refuses(replaced({ ...agent.recordFor(peer), signature: other.recordFor(peer).signature }), 'BAD_RECORD')
    refuses(replaced({ ...agent.recordFor(peer), peerPublicKey: 'none' }), 'BAD_RECORD')
    refuses(replaced(agent.recordFor(peer, { notAfter: '2026-11-26' })), 'BAD_RECORD')
    refuses(replaced(agent.recordFor(peer, { notBefore: '2026-11-28' })), 'BAD_RECORD')
    verify(replaced(agent.recordFor(peer, { notBefore: '2026-11-27', notAfter: '2026-11-28' })))
  })

  test('is refused with what the peer has signed for other purposes', () => {
    const card = agent.card()
    const record = agent.recordFor(peer)
    const signedAs = (signature: Uint8Array) => ({ card, proof: { kind: 'represented', record, signature } as const })
    verify(signedAs(peer.sign(peerSigningText(card))))
    refuses(signedAs(peer.sign(ledgerSigningText(card))), 'BAD_SIGNATURE')
    refuses(signedAs(Uint8Array.of(1)), 'BAD_SIGNATURE')
  })
})
