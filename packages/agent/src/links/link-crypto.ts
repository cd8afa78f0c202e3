import { CryptoError, openBox, type PrivateKey, type PublicKey, sealBox, sign, verify } from '@parley/core/crypto'
import { ByteReader, ByteWriter, concatBytes, DecodeError, decode, encode, equalBytes } from '@parley/core/encoding'
import type { QueueLinkData } from '@parley/smp/protocol'
import { AgentError, type PeerErrorType } from '../agent-error.ts'
import {
  type ContactUserData,
  type FixedLinkData,
  fixedLinkDataCodec,
  type LinkUserData,
  linkUserDataCodec,
  type OwnerAuth,
  ownerAuthorization,
} from './link-data.ts'
import { linkKeyOf } from './link-keys.ts'

const NONCE_LENGTH = 24

/** Padded lengths of signed data, so that encrypted data has 2,048 and 13,824 bytes: `spec/agent.md §2.5`. */
export const PADDED_FIXED_DATA_LENGTH = 2008
export const PADDED_USER_DATA_LENGTH = 13784

/** Link data that was decrypted and verified. */
export interface LinkData {
  readonly fixed: FixedLinkData
  readonly user: LinkUserData
}

/**
 * Encodes and signs the fixed data of a new link.
 * @param key private half of the data's root key
 */
export function signFixedLinkData(
  key: PrivateKey<'ed25519'>,
  data: FixedLinkData,
): { linkKey: Uint8Array; signed: Uint8Array } {
  const encoded = encode(fixedLinkDataCodec, data)
  return { linkKey: linkKeyOf(encoded), signed: signed(key, encoded) }
}

/**
 * Encodes and signs user data.
 * @param key the root key or, for contact addresses, an owner's
 */
export function signLinkUserData(key: PrivateKey<'ed25519'>, data: LinkUserData): Uint8Array {
  return signed(key, encode(linkUserDataCodec, data))
}

/**
 * A new owner, authorised by the root key or by an owner before it in the list.
 * @param ownerId unique in the list
 */
export function authorizeOwner(
  key: PrivateKey<'ed25519'>,
  ownerId: Uint8Array,
  ownerKey: PublicKey<'ed25519'>,
): OwnerAuth {
  return { ownerId, ownerKey, signature: sign(key, ownerAuthorization(ownerId, ownerKey)) }
}

/**
 * Encrypts signed fixed data.
 * @param nonce 24 random bytes, never used before with this key
 * @throws AgentError CMD LARGE when it does not fit
 */
export function encryptFixedLinkData(key: Uint8Array, signedData: Uint8Array, nonce: Uint8Array): Uint8Array {
  return encryptData(key, signedData, nonce, PADDED_FIXED_DATA_LENGTH)
}

/** {@link encryptFixedLinkData} for user data. */
export function encryptLinkUserData(key: Uint8Array, signedData: Uint8Array, nonce: Uint8Array): Uint8Array {
  return encryptData(key, signedData, nonce, PADDED_USER_DATA_LENGTH)
}

/**
 * Decrypts and verifies what a router keeps for a link: `spec/agent.md §2.5`, Reading.
 * @param key from `contactLinkKeys` or `invitationLinkKey`
 * @throws AgentError A_CRYPTO DECRYPT_CB, A_MESSAGE, A_LINK with the check that failed
 */
export function decryptLinkData(
  linkKey: Uint8Array,
  key: Uint8Array,
  encrypted: QueueLinkData,
  mode: LinkUserData['mode'],
): LinkData {
  const fixedPart = openSigned(key, encrypted.fixed)
  const userPart = openSigned(key, encrypted.user)
  const fixed = read(() => decode(fixedLinkDataCodec, fixedPart.data))
  const user = read(() => decode(linkUserDataCodec, userPart.data))
  if (fixed.request.mode !== mode || user.mode !== mode) throw peerError({ type: 'A_MESSAGE' })
  if (!equalBytes(linkKeyOf(fixedPart.data), linkKey)) throw linkError('link data hash')
  if (!verify(fixed.rootKey, fixedPart.data, fixedPart.signature)) throw linkError('link data signature')
  if (user.mode === 'contact') checkOwners(fixed.rootKey, user.owners)
  const signers = [fixed.rootKey, ...(user.mode === 'contact' ? user.owners.map(({ ownerKey }) => ownerKey) : [])]
  if (!signers.some((signer) => verify(signer, userPart.data, userPart.signature))) {
    throw linkError('user data signature')
  }
  return { fixed, user }
}

/**
 * Refuses owners that are not authorised by the root key or an owner before them, or that are there twice.
 * @throws AgentError A_LINK
 */
export function checkOwners(rootKey: PublicKey<'ed25519'>, owners: readonly OwnerAuth[]): void {
  const earlier: OwnerAuth[] = []
  for (const owner of owners) {
    if (owner.ownerKey.equals(rootKey)) throw linkError('owner key matches root key')
    if (earlier.some((other) => sameOwner(other, owner))) throw linkError('duplicate owner key or ID')
    const authorization = ownerAuthorization(owner.ownerId, owner.ownerKey)
    const authorizers = [rootKey, ...earlier.map(({ ownerKey }) => ownerKey)]
    if (!authorizers.some((key) => verify(key, authorization, owner.signature))) {
      throw linkError('invalid authorization of owner')
    }
    earlier.push(owner)
  }
}

/**
 * Refuses user data that the holder of `key` could not publish: its owners must be valid and it must be one of them,
 * unless it holds the root key.
 * @throws AgentError A_LINK
 */
export function checkCanSign(
  key: PublicKey<'ed25519'>,
  rootKey: PublicKey<'ed25519'>,
  { owners }: Pick<ContactUserData, 'owners'>,
): void {
  if (!key.equals(rootKey) && !owners.some(({ ownerKey }) => ownerKey.equals(key))) {
    throw linkError('no current owner in link data')
  }
  checkOwners(rootKey, owners)
}

function sameOwner(a: OwnerAuth, b: OwnerAuth): boolean {
  return equalBytes(a.ownerId, b.ownerId) || a.ownerKey.equals(b.ownerKey)
}

function signed(key: PrivateKey<'ed25519'>, data: Uint8Array): Uint8Array {
  return new ByteWriter().shortString(sign(key, data)).bytes(data).finish()
}

function encryptData(key: Uint8Array, data: Uint8Array, nonce: Uint8Array, length: number): Uint8Array {
  try {
    return concatBytes(nonce, sealBox(key, nonce, data, length))
  } catch (cause) {
    if (!(cause instanceof CryptoError)) throw cause
    throw new AgentError({ type: 'CMD', error: 'LARGE', context: 'link data' }, { cause })
  }
}

function openSigned(key: Uint8Array, encrypted: Uint8Array): { signature: Uint8Array; data: Uint8Array } {
  return read(() => {
    const reader = new ByteReader(encrypted)
    const nonce = reader.bytes(NONCE_LENGTH)
    const content = new ByteReader(openBox(key, nonce, reader.tail()))
    return { signature: content.shortString(), data: content.tail() }
  })
}

function read<T>(operation: () => T): T {
  try {
    return operation()
  } catch (cause) {
    if (cause instanceof DecodeError) throw peerError({ type: 'A_MESSAGE' }, cause)
    if (!(cause instanceof CryptoError)) throw cause
    // An authentic box with malformed padding is a fault of its maker, like any other malformed content.
    if (cause.code !== 'DECRYPT_CB') throw peerError({ type: 'A_MESSAGE' }, cause)
    throw peerError({ type: 'A_CRYPTO', error: { type: 'DECRYPT_CB' } }, cause)
  }
}

function linkError(detail: string): AgentError {
  return peerError({ type: 'A_LINK', detail })
}

function peerError(error: PeerErrorType, cause?: Error): AgentError {
  return new AgentError({ type: 'AGENT', error }, cause && { cause })
}
