import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { sha256 } from '@parley/core/crypto'
import { toHex } from '@parley/core/encoding'
import { AcnStatusError, type AgentRecord, encodeAgentRecord, peerPublicKeyFromHex, STATUS } from '../protocol/index.ts'
import { type PeerKey, verifyPeerSignature } from './peer-key.ts'
import { type ProofCache, verifyRepresentation } from './representation.ts'

/** The representing peer's word for when an agent came to it. Times in ms since 1970. */
export interface RegistrationDates {
  readonly issuedAt: number
  readonly expiresAt: number
  /** DER, by the peer that the record names. */
  readonly signature: Uint8Array
}

/** That a peer represents an agent, signed by both: the agent's record, and the peer's dates. `docs/acn-registrations.md`. */
export interface SignedRegistration extends RegistrationDates {
  readonly record: AgentRecord
}

/** How far another peer's clock may be ahead, ms. */
export const REGISTRATION_SKEW = 5 * 60_000
/** How long a registration holds at most, ms. */
export const REGISTRATION_LIFETIME = 24 * 3_600_000

/** Signs that an agent came at `issuedAt`. */
export function signRegistration(record: AgentRecord, peerKey: PeerKey, issuedAt: number): SignedRegistration {
  const expiresAt = issuedAt + REGISTRATION_LIFETIME
  const signature = peerKey.signQuickly(registrationText(record, issuedAt, expiresAt))
  return { record, issuedAt, expiresAt, signature }
}

/**
 * Checks a registration: the record, who signed, the dates.
 * @param now milliseconds since 1970
 * @throws AcnStatusError as for the record; ERROR_INVALID_PROOF for signature and dates
 */
export function verifyRegistration(
  { record, issuedAt, expiresAt, signature }: SignedRegistration,
  { cache, now = Date.now() }: { readonly cache?: ProofCache; readonly now?: number } = {},
): void {
  verifyRepresentation(record, { expectedAddress: record.address }, { now, ...(cache && { cache }) })
  if (issuedAt > now + REGISTRATION_SKEW) refuse('registration is of the future')
  if (expiresAt <= now) refuse('registration has expired')
  if (expiresAt <= issuedAt || expiresAt - issuedAt > REGISTRATION_LIFETIME) refuse('registration holds too long')
  const text = registrationText(record, issuedAt, expiresAt)
  if (!verifyPeerSignature(peerPublicKeyFromHex(record.peerPublicKey), text, signature)) {
    refuse('registration is not signed by the peer')
  }
}

/** Whether `a` takes the place of `b`: the newer one; of two of one moment always the same one. */
export function isNewerRegistration(
  a: Pick<SignedRegistration, 'issuedAt' | 'record'>,
  b: Pick<SignedRegistration, 'issuedAt' | 'record'>,
): boolean {
  if (a.issuedAt !== b.issuedAt) return a.issuedAt > b.issuedAt
  return a.record.peerPublicKey > b.record.peerPublicKey
}

/** Line of ASCII that the peer signs: it begins unlike all else that peers sign. */
function registrationText(record: AgentRecord, issuedAt: number, expiresAt: number): Uint8Array {
  const signed = new BinaryWriter()
    .tag(1, WireType.LengthDelimited)
    .bytes(encodeAgentRecord(record))
    .tag(2, WireType.Varint)
    .uint64(issuedAt)
    .tag(3, WireType.Varint)
    .uint64(expiresAt)
    .finish()
  return Buffer.from(`parley-acn-registration:1:${record.address}:${toHex(sha256(signed))}`, 'utf8')
}

function refuse(text: string): never {
  throw new AcnStatusError(STATUS.ERROR_INVALID_PROOF, text)
}
