import { encodeAgentRecord } from '@parley/acn/protocol'
import { createRecord, ledgerOf, PeerKey, type RecordOptions } from '@parley/acn/record'
import { sha256 } from '@parley/core/crypto'
import { toHex } from '@parley/core/encoding'
import {
  type ContactCard,
  encodeContactCard,
  encodeSignedCard,
  ledgerSigner,
  ledgerSigningText,
  linkBindingOf,
  peerSigningText,
  representCard,
  type SignedCard,
  signCard,
} from '../../src/card/index.ts'

/** What a vector is made from. Bytes are lower-case hexadecimal, times milliseconds since 1970. */
export interface VectorInput {
  readonly ledgerId: string
  readonly ledgerPrivateKey: string
  /** Present in represented cards. */
  readonly peerPrivateKey?: string
  readonly contactLink?: string
  readonly channelKey: string
  readonly issuedAt: number
  readonly notBefore: number
  readonly notAfter: number
  readonly sequence: number
  readonly attachmentType?: string
  /** Text. */
  readonly attachment?: string
}

/** What comes of it. */
export interface VectorOutput {
  readonly address: string
  readonly publicKey: string
  readonly card: string
  readonly signingText: string
  /** In the ledger's own text form; hexadecimal of DER for represented cards. */
  readonly signature: string
  readonly record?: string
  readonly signedCard: string
  readonly linkBinding: string
}

/** Makes a vector's output: the same on every machine, as all signatures are deterministic. */
export async function outputOf(input: VectorInput): Promise<VectorOutput> {
  const ledger = ledgerOf(input.ledgerId)
  if (!ledger) throw new Error('unknown ledger')
  const privateKey = Buffer.from(input.ledgerPrivateKey, 'hex')
  const publicKey = ledger.publicKeyOf(privateKey)
  const attachment = input.attachment === undefined ? undefined : Buffer.from(input.attachment)
  const card: ContactCard = {
    ledgerId: input.ledgerId,
    address: ledger.addressOf(publicKey) ?? '',
    publicKey,
    ...(input.contactLink !== undefined && { contactLink: input.contactLink }),
    channelKey: Buffer.from(input.channelKey, 'hex'),
    issuedAt: input.issuedAt,
    notBefore: input.notBefore,
    notAfter: input.notAfter,
    sequence: input.sequence,
    ...(attachment && {
      attachment: { digest: sha256(attachment), type: input.attachmentType ?? '' },
    }),
  }
  const withAttachment = attachment && { type: input.attachmentType ?? '', bytes: attachment }
  const named = { address: card.address, publicKey, card: toHex(encodeContactCard(card)) }
  if (input.peerPrivateKey === undefined) {
    const signed = await signCard(card, ledgerSigner(input.ledgerId, privateKey), withAttachment)
    const signature = signed.proof.signature as string
    return { ...named, signingText: Buffer.from(ledgerSigningText(card)).toString(), signature, ...encodings(signed) }
  }
  const peer = new PeerKey(Buffer.from(input.peerPrivateKey, 'hex'))
  const options: RecordOptions = { privateKey, peerPublicKey: peer.publicKeyHex }
  const record = createRecord(ledger, options)
  const signed = representCard(card, record, peer, withAttachment)
  return {
    ...named,
    signingText: Buffer.from(peerSigningText(card)).toString(),
    signature: toHex(signed.proof.signature as Uint8Array),
    record: toHex(encodeAgentRecord(record)),
    ...encodings(signed),
  }
}

function encodings(signed: SignedCard) {
  return { signedCard: toHex(encodeSignedCard(signed)), linkBinding: toHex(linkBindingOf(signed)) }
}
