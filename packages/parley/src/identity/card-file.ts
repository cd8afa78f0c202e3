import { readFile } from 'node:fs/promises'
import { DecodeError } from '@parley/core/encoding'
import {
  type Attachment,
  CardError,
  decodeSignedCard,
  encodeSignedCard,
  newContactCard,
  type SignedCard,
  signCard,
  verifySignedCard,
} from '../card/index.ts'
import { writeWhole } from '../files/write-whole.ts'
import { LedgerIdentityError } from './identity-error.ts'
import type { PublicIdentity } from './key-file.ts'
import type { LedgerIdentity } from './ledger-identity.ts'

/** What the newest card of an identity is: `waiting` holds only from a time to come. */
export type CardState = 'valid' | 'waiting' | 'expired' | 'revoked'

/** What a new card says besides whose it is. */
export interface CardContents {
  /** Short link of the SimpleX contact address; absent to revoke. */
  readonly contactLink?: string
  /** Ed25519, 32 raw bytes. */
  readonly channelKey: Uint8Array
  /** ms; 30 days by default. */
  readonly lifetime?: number
  readonly attachment?: Attachment
}

/**
 * The newest card that was signed for an identity, as its file holds it; undefined when there is none.
 * @throws LedgerIdentityError FORMAT when the file holds no card of this identity
 */
export async function readCardFile(file: string, identity: PublicIdentity): Promise<SignedCard | undefined> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    const signed = decodeSignedCard(bytes)
    if (signed.card.address === identity.address) return signed
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause
    throw new LedgerIdentityError('FORMAT', `${file} holds no contact card`, { cause })
  }
  throw new LedgerIdentityError('FORMAT', `${file} is the contact card of another address`)
}

/**
 * Signs a card that takes the place of the one in the file, and keeps it there before anybody sees it.
 * @throws LedgerIdentityError FORMAT for a damaged file; EncodeError for contents that no card can have; RangeError for an
 * attachment that is too large
 */
export async function signCardFile(
  file: string,
  identity: LedgerIdentity,
  contents: CardContents,
): Promise<SignedCard> {
  const previous = await readCardFile(file, identity)
  const { ledger, address, publicKey } = identity
  const card = newContactCard({
    ledgerId: ledger.ledgerId,
    address,
    publicKey,
    ...contents,
    ...(previous && { previousSequence: previous.card.sequence }),
  })
  const signed = await signCard(card, (text) => identity.sign(text), contents.attachment)
  await writeWhole(file, encodeSignedCard(signed), { replace: true })
  return signed
}

/**
 * What a card is now.
 * @throws CardError when it proves nothing
 */
export function cardState(signed: SignedCard, now: number = Date.now()): CardState {
  try {
    verifySignedCard(signed, { expectedAddress: signed.card.address, now })
  } catch (error) {
    if (error instanceof CardError && error.code === 'EXPIRED') return 'expired'
    if (error instanceof CardError && error.code === 'NOT_YET') return 'waiting'
    throw error
  }
  return signed.card.contactLink === undefined ? 'revoked' : 'valid'
}
