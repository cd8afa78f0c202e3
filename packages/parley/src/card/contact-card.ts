import { parseShortLink } from '@parley/agent/links'
import { DecodeError, EncodeError } from '@parley/core/encoding'
import { decodeCanonical, FieldWriter } from './canonical.ts'
import {
  CHANNEL_KEY_LENGTH,
  MAX_ATTACHMENT_TYPE,
  MAX_CARD_LIFETIME,
  MAX_CONTACT_LINK,
  MAX_SIGNED_CARD,
} from './limits.ts'

/**
 * What an address of a ledger says of how to reach it in private. Times are milliseconds since 1970.
 *
 * ```proto
 * message ContactCard {
 *   string ledger_id = 1;
 *   string address = 2;
 *   string public_key = 3;
 *   string contact_link = 4;       // left out: the card revokes
 *   bytes channel_key = 5;         // 32 bytes
 *   uint64 issued_at = 6;
 *   uint64 not_before = 7;
 *   uint64 not_after = 8;
 *   uint64 sequence = 9;
 *   bytes attachment_digest = 10;  // 32 bytes, with attachment_type, or neither
 *   string attachment_type = 11;
 * }
 * ```
 * `docs/cards.md` has the bytes.
 */
export interface ContactCard {
  /** `fetchai`, `cosmos` or `ethereum`, as in an agent's record. */
  readonly ledgerId: string
  readonly address: string
  /** In the ledger's own text form, as in an agent's record. */
  readonly publicKey: string
  /** Short link of a SimpleX contact address; absent in a card that revokes. */
  readonly contactLink?: string
  /** Ed25519, 32 raw bytes: signs what a channel of this address has to prove. */
  readonly channelKey: Uint8Array
  readonly issuedAt: number
  readonly notBefore: number
  /** At most {@link MAX_CARD_LIFETIME} after {@link notBefore}. */
  readonly notAfter: number
  /** Grows with each card of an address; at least 1. */
  readonly sequence: number
  readonly attachment?: AttachmentName
}

/** By which a card names its attachment. */
export interface AttachmentName {
  /** SHA-256, 32 bytes. */
  readonly digest: Uint8Array
  /** Media type in printable ASCII, such as `application/json`. */
  readonly type: string
}

const KINDS = {
  1: 'text',
  2: 'text',
  3: 'text',
  4: 'text',
  5: 'bytes',
  6: 'number',
  7: 'number',
  8: 'number',
  9: 'number',
  10: 'bytes',
  11: 'text',
} as const

const DIGEST_LENGTH = 32
/** As long as fields of records may be: `MAX_RECORD_FIELD`. Printable, so that a name shows itself whole. */
const NAME = /^[!-~]{1,256}$/
const MEDIA_TYPE = /^[ -~]+$/

/**
 * The one encoding of a card.
 * @throws EncodeError when it is no card: see {@link decodeContactCard}
 */
export function encodeContactCard(card: ContactCard): Uint8Array {
  const flaw = flawOf(card)
  if (flaw !== undefined) throw new EncodeError(flaw)
  return fieldsOf(card)
}

/**
 * The card that these bytes are the encoding of. Its fields have the form that they must have; what they say is for
 * `verifyCard` to check.
 * @throws DecodeError for all else
 */
export function decodeContactCard(bytes: Uint8Array): ContactCard {
  if (bytes.length > MAX_SIGNED_CARD) throw new DecodeError('card is too long', 0)
  const card = decodeCanonical<ContactCard>(
    'card',
    bytes,
    KINDS,
    (fields) => {
      const contactLink = fields.text(4)
      const attachment = { digest: fields.bytes(10), type: fields.text(11) }
      return {
        ledgerId: fields.text(1),
        address: fields.text(2),
        publicKey: fields.text(3),
        ...(contactLink !== '' && { contactLink }),
        channelKey: fields.bytes(5),
        issuedAt: fields.number(6),
        notBefore: fields.number(7),
        notAfter: fields.number(8),
        sequence: fields.number(9),
        ...((attachment.digest.length > 0 || attachment.type !== '') && { attachment }),
      }
    },
    fieldsOf,
  )
  const flaw = flawOf(card)
  if (flaw !== undefined) throw new DecodeError(flaw, 0)
  return card
}

function fieldsOf(card: ContactCard): Uint8Array {
  return new FieldWriter()
    .text(1, card.ledgerId)
    .text(2, card.address)
    .text(3, card.publicKey)
    .text(4, card.contactLink)
    .bytes(5, card.channelKey)
    .number(6, card.issuedAt)
    .number(7, card.notBefore)
    .number(8, card.notAfter)
    .number(9, card.sequence)
    .bytes(10, card.attachment?.digest)
    .text(11, card.attachment?.type)
    .finish()
}

/** What is wrong with the form of a card; undefined when nothing is. */
function flawOf(card: ContactCard): string | undefined {
  const { ledgerId, address, publicKey, contactLink, channelKey, attachment } = card
  if (![ledgerId, address, publicKey].every((text) => NAME.test(text))) return 'card without a name'
  if (contactLink !== undefined && !isContactLink(contactLink)) return 'card with a link that is none'
  if (channelKey.length !== CHANNEL_KEY_LENGTH) return 'card with a channel key of another length'
  return flawOfNumbers(card) ?? (attachment && flawOfAttachment(attachment))
}

function flawOfNumbers({ issuedAt, notBefore, notAfter, sequence }: ContactCard): string | undefined {
  const numbers = [issuedAt, notBefore, notAfter, sequence]
  if (!numbers.every((number) => Number.isSafeInteger(number) && number > 0)) return 'card without times or sequence'
  if (notAfter <= notBefore || notAfter - notBefore > MAX_CARD_LIFETIME) return 'card that holds too long or never'
  return undefined
}

function flawOfAttachment({ digest, type }: AttachmentName): string | undefined {
  if (digest.length !== DIGEST_LENGTH) return 'attachment with a digest of another length'
  if (type.length > MAX_ATTACHMENT_TYPE || !MEDIA_TYPE.test(type)) return 'attachment without a media type'
  return undefined
}

/** A short link of a contact address, with either scheme. */
function isContactLink(text: string): boolean {
  if (text.length > MAX_CONTACT_LINK) return false
  try {
    const link = parseShortLink(text)
    return link.mode === 'contact' && link.contactType === 'contact'
  } catch (error) {
    if (error instanceof DecodeError) return false
    throw error
  }
}
