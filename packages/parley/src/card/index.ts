export { CardError, type CardErrorCode } from './card-error.ts'
export { type AttachmentName, type ContactCard, decodeContactCard, encodeContactCard } from './contact-card.ts'
export {
  CARD_SKEW,
  CHANNEL_KEY_LENGTH,
  MAX_ATTACHMENT,
  MAX_CARD_LIFETIME,
  MAX_SIGNED_CARD,
  MAX_SIGNED_CARD_WITH_ATTACHMENT,
} from './limits.ts'
export {
  checkLinkBinding,
  decodeLinkBinding,
  encodeLinkBinding,
  type LinkBinding,
  linkBindingOf,
} from './link-binding.ts'
export { beats, bestCard, cardDigest, type HighestCard, isNewCard } from './order.ts'
export {
  type Attachment,
  DEFAULT_CARD_LIFETIME,
  type LedgerSigner,
  ledgerSigner,
  ledgerSigningText,
  type NewCard,
  newContactCard,
  peerSigningText,
  representCard,
  signCard,
} from './sign-card.ts'
export {
  type CardProof,
  decodeSignedCard,
  type EncodeSignedCardOptions,
  encodeSignedCard,
  type SignedCard,
} from './signed-card.ts'
export {
  type CardKind,
  holdsAt,
  knownCard,
  type VerifiedCard,
  type VerifyCardOptions,
  verifyCard,
  verifySignedCard,
} from './verify-card.ts'
