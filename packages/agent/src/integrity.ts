import { equalBytes } from '@parley/core/encoding'

/**
 * How a received message fits the ones before it: `spec/agent.md §4`. Can be stored as JSON. Ids above 2^53, which
 * no honest sender reaches, are rounded.
 */
export type MsgIntegrity =
  | { readonly type: 'ok' }
  /** Messages `fromMsgId` to `toMsgId` did not come. */
  | { readonly type: 'skipped'; readonly fromMsgId: number; readonly toMsgId: number }
  /** The id is before the last one. */
  | { readonly type: 'badId'; readonly msgId: number }
  /** The sender's previous message was another than the one received last. */
  | { readonly type: 'badHash' }
  /** The id is the last one's. */
  | { readonly type: 'duplicate' }

/** Id that the sender gave and the hash that it names. */
export interface MessagePosition {
  /** Id of the last received message, or of this one. */
  readonly msgId: bigint
  /** SHA-256 of the last received message (empty before the first), or the one that this message names. */
  readonly hash: Uint8Array
}

/**
 * Judges the id first and the hash after it. Whatever the result is, the received id and the hash of the received
 * message become the previous ones.
 */
export function checkMsgIntegrity(previous: MessagePosition, received: MessagePosition): MsgIntegrity {
  const expected = previous.msgId + 1n
  if (received.msgId < previous.msgId) return { type: 'badId', msgId: Number(received.msgId) }
  if (received.msgId === previous.msgId) return { type: 'duplicate' }
  if (received.msgId > expected) {
    return { type: 'skipped', fromMsgId: Number(expected), toMsgId: Number(received.msgId - 1n) }
  }
  return equalBytes(previous.hash, received.hash) ? { type: 'ok' } : { type: 'badHash' }
}

/** The text form: `OK`, `ERR ID n`, `ERR DUPLICATE`, `ERR NO_ID a b`, `ERR HASH`. */
export function formatMsgIntegrity(integrity: MsgIntegrity): string {
  switch (integrity.type) {
    case 'ok':
      return 'OK'
    case 'badId':
      return `ERR ID ${integrity.msgId}`
    case 'duplicate':
      return 'ERR DUPLICATE'
    case 'skipped':
      return `ERR NO_ID ${integrity.fromMsgId} ${integrity.toMsgId}`
    case 'badHash':
      return 'ERR HASH'
  }
}
