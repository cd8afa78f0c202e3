import type { VersionRange } from '@parley/core/version'
import type { SmpQueueUri } from '../links/index.ts'
import type { RcvQueueRecord } from '../store/records.ts'

/** The address of an own queue for its sender. */
export function queueUriOf(queue: RcvQueueRecord, versions: VersionRange): SmpQueueUri {
  const { server, sndId: senderId, e2ePrivateKey, queueMode } = queue
  return { versions, server, senderId, dhKey: e2ePrivateKey.publicKey, ...(queueMode && { mode: queueMode }) }
}
