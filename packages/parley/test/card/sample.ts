import assert from 'node:assert/strict'
import type { AgentRecord } from '@parley/acn/protocol'
import { createRecord, LEDGERS, type Ledger, PeerKey } from '@parley/acn/record'
import { formatShortLink } from '@parley/agent/links'
import {
  type Attachment,
  CardError,
  type CardErrorCode,
  type ContactCard,
  ledgerSigner,
  type NewCard,
  newContactCard,
  representCard,
  type SignedCard,
  signCard,
} from '../../src/card/index.ts'

/** A moment in 2026. */
export const NOW = Date.UTC(2026, 10, 27, 12)

/** A short link of a contact address, another for each number. */
export function linkOf(number: number): string {
  return formatShortLink({
    mode: 'contact',
    scheme: 'simplex',
    contactType: 'contact',
    server: { hosts: ['smp.example.com'], port: '', keyHash: new Uint8Array(32).fill(7) },
    linkKey: new Uint8Array(32).fill(number),
  })
}

/** An agent with the key of this number, on the ledger of that. */
export class SampleAgent {
  readonly ledger: Ledger
  readonly privateKey: Uint8Array
  readonly publicKey: string
  readonly address: string

  constructor(number: number, ledgerNumber = 0) {
    const ledger = LEDGERS[ledgerNumber]
    assert.ok(ledger)
    this.ledger = ledger
    this.privateKey = new Uint8Array(32).fill(number)
    this.publicKey = ledger.publicKeyOf(this.privateKey)
    this.address = ledger.addressOf(this.publicKey) ?? ''
  }

  /** A card of this agent, at {@link NOW}. */
  card(changes: Partial<NewCard> = {}): ContactCard {
    return newContactCard({
      ledgerId: this.ledger.ledgerId,
      address: this.address,
      publicKey: this.publicKey,
      contactLink: linkOf(1),
      channelKey: new Uint8Array(32).fill(3),
      now: NOW,
      ...changes,
    })
  }

  /** A card that this agent takes its contact back with. */
  revocation(changes: Partial<NewCard> = {}): ContactCard {
    const { contactLink, ...card } = this.card(changes)
    return card
  }

  sign(card: ContactCard, attachment?: Attachment): Promise<SignedCard> {
    return signCard(card, ledgerSigner(this.ledger.ledgerId, this.privateKey), attachment)
  }

  /** Proof that a peer represents this agent. */
  recordFor({ publicKeyHex: peerPublicKey }: PeerKey, dates: Partial<AgentRecord> = {}): AgentRecord {
    return { ...createRecord(this.ledger, { privateKey: this.privateKey, peerPublicKey }), ...dates }
  }

  represented(card: ContactCard, peer: PeerKey, attachment?: Attachment): SignedCard {
    return representCard(card, this.recordFor(peer), peer, attachment)
  }
}

/** The peer with the key of this number. */
export function peerOf(number: number): PeerKey {
  return new PeerKey(new Uint8Array(32).fill(number))
}

/** For `assert.throws`: a CardError with this code. */
export function refusal(code: CardErrorCode): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof CardError, String(error))
    assert.equal(error.code, code)
    return true
  }
}

/** An agent card as others make them, shortened. */
export const AGENT_CARD: Attachment = {
  type: 'application/json',
  bytes: Buffer.from('{"name":"Weather","skills":[{"id":"forecast"}]}'),
}
