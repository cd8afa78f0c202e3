import type { AgentRecord } from '@parley/acn/protocol'
import { type Ledger, ledgerOf, type PeerKey } from '@parley/acn/record'
import { sha256 } from '@parley/core/crypto'
import { toHex } from '@parley/core/encoding'
import { type ContactCard, encodeContactCard } from './contact-card.ts'
import { CARD_SKEW, MAX_ATTACHMENT } from './limits.ts'
import type { SignedCard } from './signed-card.ts'

const DAY = 24 * 3_600_000
/** How long a card holds unless its maker says otherwise, ms: 30 days. */
export const DEFAULT_CARD_LIFETIME = 30 * DAY

/** Data that goes with a card, such as an agent card. */
export interface Attachment {
  /** Media type. */
  readonly type: string
  /** 1 to {@link MAX_ATTACHMENT} bytes. */
  readonly bytes: Uint8Array
}

/** What a card is made from. */
export interface NewCard {
  readonly ledgerId: string
  readonly address: string
  /** In the ledger's own text form. */
  readonly publicKey: string
  /** Short link of a SimpleX contact address; absent to revoke. */
  readonly contactLink?: string
  /** Ed25519, 32 raw bytes. */
  readonly channelKey: Uint8Array
  /** Milliseconds since 1970; the clock's by default. */
  readonly now?: number
  /** Sequence of the newest card of this address, as far as the maker knows; 0 by default. */
  readonly previousSequence?: number
  /** ms; {@link DEFAULT_CARD_LIFETIME} by default. */
  readonly lifetime?: number
  readonly attachment?: Attachment
}

/**
 * A card that takes the place of the one before it. It holds from a little before now, for readers whose clock is behind.
 * @throws RangeError for an attachment that is too large or empty
 */
export function newContactCard({
  now = Date.now(),
  previousSequence = 0,
  lifetime = DEFAULT_CARD_LIFETIME,
  attachment,
  ...named
}: NewCard): ContactCard {
  if (attachment && (attachment.bytes.length === 0 || attachment.bytes.length > MAX_ATTACHMENT)) {
    throw new RangeError(`attachment must have 1 to ${MAX_ATTACHMENT} bytes`)
  }
  const notBefore = now - CARD_SKEW
  return {
    ...named,
    issuedAt: now,
    notBefore,
    notAfter: notBefore + lifetime,
    sequence: Math.max(previousSequence + 1, now),
    ...(attachment && { attachment: { digest: sha256(attachment.bytes), type: attachment.type } }),
  }
}

/**
 * What the ledger key signs for a card, a line of ASCII: `parley-contact-card:1:<address>:<hex of SHA-256>`. It begins
 * unlike all else that agents sign, and a person to whom a wallet shows it can read whose card it is.
 */
export function ledgerSigningText(card: ContactCard): Uint8Array {
  return signingText('parley-contact-card', card)
}

/** What the represented peer's key signs for a card: `parley-represented-card:1:<address>:<hex of SHA-256>`. */
export function peerSigningText(card: ContactCard): Uint8Array {
  return signingText('parley-represented-card', card)
}

function signingText(kind: string, card: ContactCard): Uint8Array {
  return Buffer.from(`${kind}:1:${card.address}:${toHex(sha256(encodeContactCard(card)))}`, 'ascii')
}

/** Signs a text with the ledger key, wherever that is; gives the signature in the ledger's own text form. */
export type LedgerSigner = (text: Uint8Array) => string | Promise<string>

/**
 * A card signed by its ledger key.
 * @param attachment the one from which the card was made
 * @throws EncodeError when the card is none; whatever the signer throws
 */
export async function signCard(card: ContactCard, sign: LedgerSigner, attachment?: Attachment): Promise<SignedCard> {
  const signature = await sign(ledgerSigningText(card))
  return withAttachment({ card, proof: { kind: 'ledger', signature } }, attachment)
}

/**
 * A {@link LedgerSigner} for a key that is in this process.
 * @throws RangeError when the ledger is unknown
 */
export function ledgerSigner(ledgerId: string, privateKey: Uint8Array): LedgerSigner {
  const ledger: Ledger | undefined = ledgerOf(ledgerId)
  if (!ledger) throw new RangeError('unknown ledger')
  return (text) => ledger.sign(privateKey, text)
}

/**
 * A card of an agent whose peer has only the agent's record: signed by the peer.
 * @param record the agent's proof of representation, for the peer of `peerKey`
 * @throws EncodeError when the card is none
 */
export function representCard(
  card: ContactCard,
  record: AgentRecord,
  peerKey: PeerKey,
  attachment?: Attachment,
): SignedCard {
  const signature = peerKey.sign(peerSigningText(card))
  return withAttachment({ card, proof: { kind: 'represented', record, signature } }, attachment)
}

function withAttachment(signed: SignedCard, attachment: Attachment | undefined): SignedCard {
  return attachment ? { ...signed, attachment: attachment.bytes } : signed
}
