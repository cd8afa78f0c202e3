import { sha256 } from '@parley/core/crypto'
import { equalBytes } from '@parley/core/encoding'
import { CardError } from './card-error.ts'
import { type ContactCard, encodeContactCard } from './contact-card.ts'
import type { VerifiedCard } from './verify-card.ts'

/** The newest card of an address and kind that was ever taken. */
export interface HighestCard {
  readonly sequence: number
  /** {@link cardDigest} of it. */
  readonly digest: Uint8Array
}

/** SHA-256 of the card's bytes: the same whoever signed it, and with its attachment or without. 32 bytes. */
export function cardDigest(card: ContactCard): Uint8Array {
  return sha256(encodeContactCard(card))
}

/**
 * Whether a card takes the place of the newest one of its address and kind (`true`), or is that one (`false`).
 * @throws CardError ROLLED_BACK, EQUIVOCATION
 */
export function isNewCard(card: ContactCard, highest: HighestCard | undefined): boolean {
  if (!highest || card.sequence > highest.sequence) return true
  if (card.sequence < highest.sequence) throw new CardError('ROLLED_BACK', 'a newer card of this address was seen')
  if (equalBytes(cardDigest(card), highest.digest)) return false
  throw new CardError('EQUIVOCATION', 'another card of this address and sequence was seen')
}

/** The card that counts among verified ones of one address: the ledger-signed before the represented, then the newest. */
export function bestCard<T extends Pick<VerifiedCard, 'card' | 'kind'>>(cards: Iterable<T>): T | undefined {
  let best: T | undefined
  for (const card of cards) if (!best || beats(card, best)) best = card
  return best
}

/** Whether `a` counts and not `b`; both verified, of one address. */
export function beats(a: Pick<VerifiedCard, 'card' | 'kind'>, b: Pick<VerifiedCard, 'card' | 'kind'>): boolean {
  if (a.kind !== b.kind) return a.kind === 'ledger'
  return a.card.sequence > b.card.sequence
}
