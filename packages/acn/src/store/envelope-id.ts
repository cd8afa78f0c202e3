import { randomBytes } from 'node:crypto'
import type { EnvelopeId } from './store.ts'

/** A new name for an envelope, or for a question between peers: 16 random bytes. */
export function newEnvelopeId(): EnvelopeId {
  return randomBytes(16).toString('hex')
}
