import type { AgentContext } from '../agent-context.ts'
import { connError } from '../client-errors.ts'
import {
  decryptOpened,
  openMessage,
  type RatchetError,
  RatchetError as RatchetFailure,
  type RatchetRandom,
} from '../ratchet/index.ts'
import type { Db } from '../store/database.ts'
import { getRatchet, skippedKeysOf, updateRatchet, updateSkippedKeys } from '../store/ratchets.ts'
import type { ConnectionRecord } from '../store/records.ts'

/** What came out of a ratchet message. The ratchet has advanced in either case when it could. */
export type Decrypted =
  | {
      readonly ok: true
      readonly body: Uint8Array
      /** It was encrypted with a post-quantum secret. */
      readonly pq: boolean
    }
  | { readonly ok: false; readonly error: RatchetError }

/**
 * `agentRatchetDecrypt`: decrypts with the connection's ratchet and handles the result in the same transaction.
 * A step that needs a new KEM key pair when none is ready is begun again once there is one: making one takes longer
 * than a transaction may.
 * @param handle must not throw for anything that the message holds, or the ratchet's step is undone
 * @throws AgentError CONN NOT_FOUND, CONN SIMPLEX when there is no ratchet; what `handle` throws
 */
export async function decryptForUpdate<T>(
  { store, kem, closing }: Pick<AgentContext, 'store' | 'kem' | 'closing'>,
  connId: string,
  bytes: Uint8Array,
  handle: (db: Db, connection: ConnectionRecord, decrypted: Decrypted) => T,
): Promise<T> {
  const attempt = (random: RatchetRandom, hasPair: boolean) =>
    store.lockConnForUpdate(connId, (db, connection) => {
      const decrypted = decryptStep(db, connId, bytes, random, hasPair)
      return decrypted === 'needsKemKeyPair' ? undefined : { result: handle(db, connection, decrypted) }
    })
  const done = await kem.withReadyPair(attempt)
  if (done) return done.result
  return kem.withPair(
    true,
    async (random) => {
      const again = await attempt(random, true)
      if (!again) throw connError('SIMPLEX', 'ratchet')
      return again.result
    },
    closing,
  )
}

function decryptStep(
  db: Db,
  connId: string,
  bytes: Uint8Array,
  random: RatchetRandom,
  hasPair: boolean,
): Decrypted | 'needsKemKeyPair' {
  const ratchet = getRatchet(db, connId)
  if (!ratchet) throw connError('SIMPLEX', 'ratchet')
  try {
    const opened = openMessage(ratchet, skippedKeysOf(db, connId), bytes)
    if (opened.needsKemKeyPair && !hasPair) return 'needsKemKeyPair'
    const { outcome, ratchet: advanced, skippedKeys } = decryptOpened(opened, random)
    updateRatchet(db, connId, advanced)
    updateSkippedKeys(db, connId, skippedKeys)
    return outcome.ok ? { ok: true, body: outcome.body, pq: advanced.rcvKem } : outcome
  } catch (error) {
    if (error instanceof RatchetFailure) return { ok: false, error }
    throw error
  }
}
