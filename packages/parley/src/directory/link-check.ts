import type { ProofCache } from '@parley/acn/record'
import { CardError, checkLinkBinding, type VerifiedCard } from '../card/index.ts'
import { DirectoryError } from './directory-error.ts'

/**
 * Reads the user data that the owner of a short link put behind it, whose signature is checked; for an `Agent` it is
 * `linkReaderOf`.
 * @throws CardError LINK_MISMATCH when the link leads nowhere; anything else when it cannot be read now
 */
export type LinkReader = (link: string, signal: AbortSignal) => Promise<Uint8Array>

/** A link may name a card with another link, which may name a newer one; more often than this nobody moves. */
const MAX_STEPS = 3

/**
 * Follows a card to its link and back, until both name each other: gives the card that counts then, which may be one that
 * revokes.
 * @throws CardError LINK_MISMATCH, LINK_BEHIND, EQUIVOCATION; DirectoryError LINK_UNREACHABLE; the signal's reason
 */
export async function confirmCard(
  found: VerifiedCard,
  readLink: LinkReader,
  { cache, timeout, signal }: { readonly cache: ProofCache; readonly timeout: number; readonly signal: AbortSignal },
): Promise<VerifiedCard> {
  let card = found
  for (let step = 0; step < MAX_STEPS; step++) {
    const link = card.card.contactLink
    if (link === undefined) return card
    const data = await readData(link, readLink, timeout, signal)
    const counting = checkLinkBinding(card, data, { cache })
    if (counting.card.contactLink === link) return counting
    card = counting
  }
  throw new CardError('LINK_MISMATCH', 'links of this card lead on and on')
}

async function readData(link: string, readLink: LinkReader, timeout: number, signal: AbortSignal): Promise<Uint8Array> {
  try {
    return await readLink(link, AbortSignal.any([signal, AbortSignal.timeout(timeout)]))
  } catch (cause) {
    signal.throwIfAborted()
    if (cause instanceof CardError) throw cause
    throw new DirectoryError('LINK_UNREACHABLE', 'what stands behind the link cannot be read', { cause })
  }
}
