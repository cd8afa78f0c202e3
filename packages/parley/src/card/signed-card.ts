import { type AgentRecord, decodeAgentRecord, encodeAgentRecord } from '@parley/acn/protocol'
import { DecodeError, EncodeError } from '@parley/core/encoding'
import { decodeCanonical, FieldWriter } from './canonical.ts'
import { type ContactCard, decodeContactCard, encodeContactCard } from './contact-card.ts'
import { MAX_ATTACHMENT, MAX_SIGNED_CARD, MAX_SIGNED_CARD_WITH_ATTACHMENT } from './limits.ts'

/**
 * A card and who stands for it. With field 2, or with 3 and 4: never with both.
 *
 * ```proto
 * message SignedCard {
 *   bytes card = 1;                // an encoded ContactCard
 *   string ledger_signature = 2;   // in the ledger's own text form
 *   AgentRecord record = 3;        // proof of representation
 *   bytes peer_signature = 4;      // DER, by the represented peer's key
 *   bytes attachment = 5;          // may be left out, also where the card names one
 * }
 * ```
 */
export interface SignedCard {
  readonly card: ContactCard
  readonly proof: CardProof
  /** At most {@link MAX_ATTACHMENT} bytes. */
  readonly attachment?: Uint8Array
}

/** Who signed: the agent's own ledger key, or the peer that the agent's record names. */
export type CardProof =
  | { readonly kind: 'ledger'; readonly signature: string }
  | { readonly kind: 'represented'; readonly record: AgentRecord; readonly signature: Uint8Array }

/** How a signed card is written. */
export interface EncodeSignedCardOptions {
  /** Leaves the attachment out, where space is short. */
  readonly withoutAttachment?: boolean
}

const KINDS = { 1: 'bytes', 2: 'text', 3: 'bytes', 4: 'bytes', 5: 'bytes' } as const

/**
 * The one encoding of a signed card with its attachment, or without.
 * @throws EncodeError when it is none, or longer than {@link MAX_SIGNED_CARD} without its attachment
 */
export function encodeSignedCard(
  signed: SignedCard,
  { withoutAttachment = false }: EncodeSignedCardOptions = {},
): Uint8Array {
  const { attachment, ...rest } = signed
  const flaw = flawOf(signed)
  if (flaw !== undefined) throw new EncodeError(flaw)
  return fieldsOf(withoutAttachment ? rest : signed)
}

/**
 * The signed card that these bytes are the encoding of. Nothing is verified.
 * @throws DecodeError for all else
 */
export function decodeSignedCard(bytes: Uint8Array): SignedCard {
  if (bytes.length > MAX_SIGNED_CARD_WITH_ATTACHMENT) throw new DecodeError('signed card is too long', 0)
  const signed = decodeCanonical<SignedCard>(
    'signed card',
    bytes,
    KINDS,
    (fields) => {
      const [ledgerSignature, record, peerSignature] = [fields.text(2), fields.bytes(3), fields.bytes(4)]
      if ((ledgerSignature !== '') === (record.length > 0 || peerSignature.length > 0)) {
        throw new DecodeError('signed card must be signed by the ledger key or by a peer', 0)
      }
      const proof: CardProof =
        ledgerSignature !== ''
          ? { kind: 'ledger', signature: ledgerSignature }
          : { kind: 'represented', record: decodeAgentRecord(record), signature: peerSignature }
      const attachment = fields.bytes(5)
      return { card: decodeContactCard(fields.bytes(1)), proof, ...(attachment.length > 0 && { attachment }) }
    },
    fieldsOf,
  )
  const flaw = flawOf(signed)
  if (flaw !== undefined) throw new DecodeError(flaw, 0)
  return signed
}

function fieldsOf({ card, proof, attachment }: SignedCard): Uint8Array {
  const writer = new FieldWriter().bytes(1, encodeContactCard(card))
  if (proof.kind === 'ledger') writer.text(2, proof.signature)
  else writer.bytes(3, encodeAgentRecord(proof.record)).bytes(4, proof.signature)
  return writer.bytes(5, attachment).finish()
}

function flawOf({ card, proof, attachment }: SignedCard): string | undefined {
  if (proof.signature.length === 0) return 'signed card without signature'
  if (proof.kind === 'represented' && proof.record.address === '') return 'signed card without record'
  if (fieldsOf({ card, proof }).length > MAX_SIGNED_CARD) return 'signed card is too long'
  if (!attachment) return undefined
  if (!card.attachment) return 'attachment that the card does not name'
  return attachment.length === 0 || attachment.length > MAX_ATTACHMENT ? 'attachment of a wrong length' : undefined
}
