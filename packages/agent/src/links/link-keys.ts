import { hkdfSha512, sha3_256, sha3_384 } from '@parley/core/crypto'
import type { EntityId } from '@parley/smp/protocol'

const ID_LENGTH = 24
const KEY_LENGTH = 32
const EMPTY = new Uint8Array()

/** The key in a short link: SHA3-256 of its encoded fixed data, 32 bytes. */
export function linkKeyOf(fixedData: Uint8Array): Uint8Array {
  return sha3_256(fixedData)
}

/** Id (24 bytes) and encryption key (32 bytes) of a contact link's data: `spec/agent.md §2.5`. */
export function contactLinkKeys(linkKey: Uint8Array): { linkId: EntityId; key: Uint8Array } {
  const output = hkdfSha512(EMPTY, linkKey, 'SimpleXContactLink', ID_LENGTH + KEY_LENGTH)
  return { linkId: output.slice(0, ID_LENGTH), key: output.slice(ID_LENGTH) }
}

/** Encryption key of a one-time link's data, 32 bytes; its id is the router's choice: `spec/agent.md §2.5`. */
export function invitationLinkKey(linkKey: Uint8Array): Uint8Array {
  return hkdfSha512(EMPTY, linkKey, 'SimpleXInvLink', KEY_LENGTH)
}

/**
 * The sender id of a queue made with link data: the router derives the same from the correlation id of NEW.
 * @param nonce 24 random bytes, to be sent as that correlation id
 */
export function senderIdOf(nonce: Uint8Array): EntityId {
  return sha3_384(nonce).slice(0, ID_LENGTH)
}
