import type { ProofCache } from '@parley/acn/record'
import { DecodeError, EncodeError } from '@parley/core/encoding'
import { decodeCanonical, FieldWriter } from './canonical.ts'
import { CardError } from './card-error.ts'
import { MAX_SIGNED_CARD_WITH_ATTACHMENT } from './limits.ts'
import { beats, cardDigest, isNewCard } from './order.ts'
import { encodeSignedCard, type SignedCard } from './signed-card.ts'
import { type VerifiedCard, verifyCard } from './verify-card.ts'

/**
 * What the owner of a contact address has its short link say: the other half of the binding, signed by the link's key.
 *
 * ```proto
 * message LinkBinding {
 *   string address = 1;
 *   uint64 sequence = 2;
 *   bytes signed_card = 3;   // an encoded SignedCard; may be left out
 * }
 * ```
 */
export interface LinkBinding {
  readonly address: string
  /** Of the card that counts. */
  readonly sequence: number
  /** The encoded signed card itself: who knows the link needs nobody else to learn of a new card. */
  readonly signedCard?: Uint8Array
}

const KINDS = { 1: 'text', 2: 'number', 3: 'bytes' } as const
const MAX_ADDRESS = 256

/** The user data of the short link of a card: with the card, and its attachment when it has one. */
export function linkBindingOf(signed: SignedCard): Uint8Array {
  const { address, sequence } = signed.card
  return encodeLinkBinding({ address, sequence, signedCard: encodeSignedCard(signed) })
}

/**
 * The one encoding of a binding.
 * @throws EncodeError when it is none
 */
export function encodeLinkBinding(binding: LinkBinding): Uint8Array {
  const flaw = flawOf(binding)
  if (flaw !== undefined) throw new EncodeError(flaw)
  return fieldsOf(binding)
}

/**
 * The binding that these bytes are the encoding of; the card in it is not looked at.
 * @throws DecodeError for all else
 */
export function decodeLinkBinding(bytes: Uint8Array): LinkBinding {
  const binding = decodeCanonical<LinkBinding>(
    'link binding',
    bytes,
    KINDS,
    (fields) => {
      const signedCard = fields.bytes(3)
      return { address: fields.text(1), sequence: fields.number(2), ...(signedCard.length > 0 && { signedCard }) }
    },
    fieldsOf,
  )
  const flaw = flawOf(binding)
  if (flaw !== undefined) throw new DecodeError(flaw, 0)
  return binding
}

function fieldsOf({ address, sequence, signedCard }: LinkBinding): Uint8Array {
  return new FieldWriter().text(1, address).number(2, sequence).bytes(3, signedCard).finish()
}

function flawOf({ address, sequence, signedCard }: LinkBinding): string | undefined {
  if (address.length === 0 || address.length > MAX_ADDRESS) return 'link binding without address'
  if (!Number.isSafeInteger(sequence) || sequence <= 0) return 'link binding without sequence'
  if (signedCard && signedCard.length > MAX_SIGNED_CARD_WITH_ATTACHMENT) return 'link binding with too long a card'
  return undefined
}

/** What the card in a link is checked with. */
export interface CheckBindingOptions {
  /** Milliseconds since 1970; the clock's by default. */
  readonly now?: number
  readonly cache?: ProofCache
}

/**
 * Checks that the link of a card says of itself what the card says of it, and gives the card that counts: the same, or
 * a newer one that the link holds. Whether that one's own link agrees is to be checked in turn when it is another.
 * @param userData what `Agent.readShortLink` gives for the card's link: whose key signed it is checked there
 * @throws CardError LINK_MISMATCH, LINK_BEHIND, EQUIVOCATION
 */
export function checkLinkBinding(
  known: VerifiedCard,
  userData: Uint8Array,
  options: CheckBindingOptions = {},
): VerifiedCard {
  const { address, sequence, signedCard } = readBinding(userData)
  if (address !== known.card.address) throw new CardError('LINK_MISMATCH', 'link is of another address')
  if (sequence < known.card.sequence) throw new CardError('LINK_BEHIND', 'link is of an older card')
  const isSame = sequence === known.card.sequence
  if (!signedCard) {
    if (isSame) return known
    throw new CardError('LINK_MISMATCH', 'link is of a newer card, which it does not hold')
  }
  const held = readHeld(signedCard, { ...options, expectedAddress: address })
  if (held.card.sequence !== sequence) throw new CardError('LINK_MISMATCH', 'link holds another card than it names')
  if (isSame && held.kind === known.kind) {
    // Throws when it is another card of the same sequence.
    isNewCard(held.card, { sequence, digest: cardDigest(known.card) })
    // The card with its attachment, where it came without.
    return held.attachment ? held : known
  }
  if (!beats(held, known)) throw new CardError('LINK_MISMATCH', 'link holds a card that counts less')
  return held
}

function readBinding(userData: Uint8Array): LinkBinding {
  try {
    return decodeLinkBinding(userData)
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause
    throw new CardError('LINK_MISMATCH', 'link says nothing of a card', { cause })
  }
}

function readHeld(bytes: Uint8Array, options: Parameters<typeof verifyCard>[1]): VerifiedCard {
  try {
    return verifyCard(bytes, options)
  } catch (cause) {
    if (!(cause instanceof CardError)) throw cause
    throw new CardError('LINK_MISMATCH', 'link holds a card that proves nothing', { cause })
  }
}
