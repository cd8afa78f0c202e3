/** Why a card, or what stands behind its link, is not taken. */
export type CardErrorCode =
  /** The bytes are no signed card, or not in the one form that a card has. */
  | 'MALFORMED'
  /** The card is of another address. */
  | 'WRONG_ADDRESS'
  /** The ledger is not known here. */
  | 'UNSUPPORTED_LEDGER'
  /** The public key is not the address's. */
  | 'WRONG_KEY'
  /** The proof of representation does not hold, or is another agent's. */
  | 'BAD_RECORD'
  /** The signature is not that of the ledger key, or of the representing peer's. */
  | 'BAD_SIGNATURE'
  /** The card is of the future. */
  | 'NOT_YET'
  /** The card's time is over. */
  | 'EXPIRED'
  /** The attachment is not the one that the card names. */
  | 'BAD_ATTACHMENT'
  /** The card leads nowhere: its owner has taken the contact back. */
  | 'REVOKED'
  /** A newer card of this address and kind was seen before. */
  | 'ROLLED_BACK'
  /** Another card of this address, kind and sequence was seen before. */
  | 'EQUIVOCATION'
  /** What stands behind the link is not of this address, or cannot be read. */
  | 'LINK_MISMATCH'
  /** What stands behind the link is older than the card. */
  | 'LINK_BEHIND'

/** A card that is refused. Its message holds nothing of the card. */
export class CardError extends Error {
  readonly code: CardErrorCode

  constructor(code: CardErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CardError'
    this.code = code
  }
}
