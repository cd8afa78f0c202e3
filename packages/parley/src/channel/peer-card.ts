import { DecodeError } from '@parley/core/encoding'
import {
  CardError,
  decodeSignedCard,
  encodeSignedCard,
  type SignedCard,
  type VerifiedCard,
  verifySignedCard,
} from '../card/index.ts'
import type { Pair } from './pair.ts'

/** The card of a pair's peer as it is stored: verified when it was stored, perhaps not valid any more. */
export function storedCard({ record }: Pair): SignedCard | undefined {
  return record.card && decodeSignedCard(record.card)
}

/** Bytes of a card as pairs keep it and requests carry it. */
export function cardBytes({ signed }: Pick<VerifiedCard, 'signed'>): Uint8Array {
  return encodeSignedCard(signed, { withoutAttachment: true })
}

/**
 * A signed card that is valid now; undefined when it is not, or not of the expected address.
 * @param expectedAddress absent when it may be anybody's
 */
export function readCard(
  signed: Uint8Array | SignedCard,
  now: number,
  expectedAddress?: string,
): VerifiedCard | undefined {
  try {
    const card = signed instanceof Uint8Array ? decodeSignedCard(signed) : signed
    return verifySignedCard(card, { expectedAddress: expectedAddress ?? card.card.address, now })
  } catch (error) {
    if (error instanceof CardError || error instanceof DecodeError) return undefined
    throw error
  }
}

/** False for a card that goes back behind the one that the pair knows. */
export function isNoOlder(pair: Pair | undefined, card: VerifiedCard): boolean {
  const known = pair && storedCard(pair)
  if (!known || known.proof.kind !== card.kind) return true
  return card.card.sequence >= known.card.sequence
}
