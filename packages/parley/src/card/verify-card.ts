import { AcnStatusError, MAX_RECORD_FIELD, peerPublicKeyFromHex } from '@parley/acn/protocol'
import { isValidAt, ledgerOf, type ProofCache, verifyPeerSignature, verifyRepresentation } from '@parley/acn/record'
import { sha256 } from '@parley/core/crypto'
import { DecodeError, equalBytes } from '@parley/core/encoding'
import { CardError } from './card-error.ts'
import type { ContactCard } from './contact-card.ts'
import { CARD_SKEW } from './limits.ts'
import { ledgerSigningText, peerSigningText } from './sign-card.ts'
import { decodeSignedCard, type SignedCard } from './signed-card.ts'

/** Whose word a card is: the address's own, or that of a peer which the address once took for its representative. */
export type CardKind = 'ledger' | 'represented'

/** A card that is its address's, and holds now. */
export interface VerifiedCard {
  readonly card: ContactCard
  readonly kind: CardKind
  /** Of a represented card: lower-case hexadecimal of the peer's public key (33 bytes). */
  readonly representative?: string
  /** Present when it came with the card; it is the one that the card names. */
  readonly attachment?: Uint8Array
  /** To be passed on. */
  readonly signed: SignedCard
}

/** What a card is checked against. */
export interface VerifyCardOptions {
  /** Address that the card must be of. */
  readonly expectedAddress: string
  /** Milliseconds since 1970; the clock's by default. */
  readonly now?: number
  /** Proofs of representation that were found valid. */
  readonly cache?: ProofCache
}

/**
 * Reads a signed card and checks everything that the card itself shows: its form, whose it is, who signed it, whether it
 * holds now, its attachment. Not checked: whether a newer one is known (`order.ts`), and what its link says
 * (`link-binding.ts`). A card that revokes is valid.
 * @throws CardError
 */
export function verifyCard(bytes: Uint8Array, options: VerifyCardOptions): VerifiedCard {
  return verifySignedCard(read(bytes), options)
}

/**
 * {@link verifyCard} of a card that was read before.
 * @throws CardError
 */
export function verifySignedCard(
  signed: SignedCard,
  { expectedAddress, now = Date.now(), cache }: VerifyCardOptions,
): VerifiedCard {
  const { card, proof, attachment } = signed
  if (card.address !== expectedAddress) throw new CardError('WRONG_ADDRESS', 'card of another address')
  const ledger = ledgerOf(card.ledgerId)
  if (!ledger) throw new CardError('UNSUPPORTED_LEDGER', 'card of a ledger that is not known')
  if (ledger.addressOf(card.publicKey) !== card.address) {
    throw new CardError('WRONG_KEY', 'public key of the card is not that of its address')
  }
  checkTimes(card, now)
  if (attachment && !(card.attachment && equalBytes(sha256(attachment), card.attachment.digest))) {
    throw new CardError('BAD_ATTACHMENT', 'attachment is not the one that the card names')
  }
  if (proof.kind === 'represented') checkRepresented(card, proof, now, cache)
  else if (
    proof.signature.length > MAX_RECORD_FIELD ||
    !ledger.verify(card.publicKey, ledgerSigningText(card), proof.signature)
  ) {
    throw new CardError('BAD_SIGNATURE', 'card is not signed by its ledger key')
  }
  return knownCard(signed)
}

/** A card that {@link verifyCard} has found valid before, read again; whether it still holds is another question. */
export function knownCard(signed: SignedCard): VerifiedCard {
  const { card, proof, attachment } = signed
  const common = { card, signed, ...(attachment && { attachment }) }
  if (proof.kind === 'ledger') return { ...common, kind: 'ledger' }
  return { ...common, kind: 'represented', representative: proof.record.peerPublicKey }
}

/**
 * Whether a card that was found valid before holds now: its dates, and those of the record that it stands on.
 * @param now milliseconds since 1970
 */
export function holdsAt({ card, signed: { proof } }: VerifiedCard, now: number): boolean {
  if (card.notAfter <= now || card.notBefore > now + CARD_SKEW) return false
  return proof.kind === 'ledger' || isValidAt(proof.record, now)
}

function read(bytes: Uint8Array): SignedCard {
  try {
    return decodeSignedCard(bytes)
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause
    throw new CardError('MALFORMED', cause.reason, { cause })
  }
}

function checkTimes({ issuedAt, notBefore, notAfter, sequence }: ContactCard, now: number): void {
  // A sequence is a time, so that nobody can use up an address's numbers, now or as its former representative.
  if (Math.max(notBefore, issuedAt, sequence) > now + CARD_SKEW) throw new CardError('NOT_YET', 'card is of the future')
  if (notAfter <= now) throw new CardError('EXPIRED', 'card has expired')
}

function checkRepresented(
  card: ContactCard,
  { record, signature }: Extract<SignedCard['proof'], { kind: 'represented' }>,
  now: number,
  cache: ProofCache | undefined,
): void {
  if (record.ledgerId !== card.ledgerId || record.publicKey !== card.publicKey) {
    throw new CardError('BAD_RECORD', 'record is of another agent')
  }
  try {
    verifyRepresentation(record, { expectedAddress: card.address }, { now, ...(cache && { cache }) })
  } catch (cause) {
    if (!(cause instanceof AcnStatusError)) throw cause
    throw new CardError('BAD_RECORD', 'record proves nothing', { cause })
  }
  if (!verifyPeerSignature(peerPublicKeyFromHex(record.peerPublicKey), peerSigningText(card), signature)) {
    throw new CardError('BAD_SIGNATURE', 'card is not signed by the peer that the record names')
  }
}
