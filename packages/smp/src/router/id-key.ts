import type { EntityId } from '../protocol/types.ts'

/** Key of maps by queue id. */
export type IdKey = string

/** One byte a character: the most compact string of an id. */
export function idKey(id: EntityId): IdKey {
  return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('latin1')
}
