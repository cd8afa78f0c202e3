import { type PrivateKey, PublicKey, sha256, sign, verify } from '@parley/core/crypto'
import { concatBytes, DecodeError } from '@parley/core/encoding'
import { decodeCanonical, FieldWriter } from '../../card/canonical.ts'
import { MAX_REQUEST } from './limits.ts'

/**
 * What the REQ information of a channel request says.
 *
 * ```proto
 * message ChannelRequest {
 *   bytes signed_card = 1;   // an encoded SignedCard without attachment
 *   bytes signature = 2;     // Ed25519 by the card's channel key, 64 bytes
 *   uint64 issued_at = 3;    // ms since 1970
 * }
 * ```
 */
export interface ChannelRequest {
  readonly signedCard: Uint8Array
  readonly signature: Uint8Array
  readonly issuedAt: number
}

/** What a request is made for, and is of no use without. */
export interface RequestTarget {
  /** Short link of the contact address, as the card of its owner has it. */
  readonly contactLink: string
  /** Names the keys of the request, 32 bytes: `keyAgreement` of the agent. */
  readonly keyAgreement: Uint8Array
}

const KINDS = { 1: 'bytes', 2: 'bytes', 3: 'number' } as const
const DOMAIN = Buffer.from('parley-channel-request:1', 'ascii')
const SIGNATURE_LENGTH = 64

/** The one encoding of a request. */
export function encodeChannelRequest({ signedCard, signature, issuedAt }: ChannelRequest): Uint8Array {
  return new FieldWriter().bytes(1, signedCard).bytes(2, signature).number(3, issuedAt).finish()
}

/**
 * The request that these bytes are the encoding of. Nothing is verified.
 * @throws DecodeError
 */
export function decodeChannelRequest(bytes: Uint8Array): ChannelRequest {
  if (bytes.length > MAX_REQUEST) throw new DecodeError('channel request is too long', 0)
  const request = decodeCanonical<ChannelRequest>(
    'channel request',
    bytes,
    KINDS,
    (fields) => ({ signedCard: fields.bytes(1), signature: fields.bytes(2), issuedAt: fields.number(3) }),
    encodeChannelRequest,
  )
  if (request.signature.length !== SIGNATURE_LENGTH) throw new DecodeError('signature of another length', 0)
  if (request.signedCard.length === 0 || request.issuedAt === 0) throw new DecodeError('channel request is empty', 0)
  return request
}

/** A request by the owner of the card. */
export function signChannelRequest(
  channelKey: PrivateKey<'ed25519'>,
  target: RequestTarget,
  { signedCard, issuedAt }: Omit<ChannelRequest, 'signature'>,
): ChannelRequest {
  return { signedCard, issuedAt, signature: sign(channelKey, signedBytes(target, issuedAt)) }
}

/**
 * Whether the key of the card signed the request for this target.
 * @param channelKey 32 raw bytes
 */
export function verifyChannelRequest(
  channelKey: Uint8Array,
  target: RequestTarget,
  { signature, issuedAt }: Pick<ChannelRequest, 'signature' | 'issuedAt'>,
): boolean {
  return verify(new PublicKey('ed25519', channelKey), signedBytes(target, issuedAt), signature)
}

/** `parley-channel-request:1` SHA-256(link) key agreement, 32 bytes each, issued_at, 8 bytes big-endian. */
function signedBytes({ contactLink, keyAgreement }: RequestTarget, issuedAt: number): Uint8Array {
  const time = Buffer.alloc(8)
  time.writeBigUInt64BE(BigInt(issuedAt))
  return concatBytes(DOMAIN, sha256(Buffer.from(contactLink, 'utf8')), keyAgreement, time)
}
