import type { DhAlgorithm, PrivateKey, PublicKey } from '@parley/core/crypto'
import { peerDh, rootKdf } from './kdf.ts'
import type { Ratchet, RatchetKem, RatchetVersions } from './state.ts'
import type { X3dhResult } from './x3dh.ts'

/** What {@link initSndRatchet} starts from. */
export interface SndRatchetStart {
  readonly versions: RatchetVersions
  /** The initiator's second key. */
  readonly peerDhKey: PublicKey<DhAlgorithm>
  /** A new random key. */
  readonly dhKey: PrivateKey<DhAlgorithm>
  readonly agreed: X3dhResult
}

/** What {@link initRcvRatchet} starts from. */
export interface RcvRatchetStart {
  readonly versions: RatchetVersions
  /** The initiator's own second key. */
  readonly dhKey: PrivateKey<DhAlgorithm>
  readonly agreed: X3dhResult
  /** Whether the connection supports PQ. */
  readonly pqSupport: boolean
}

/** The joiner's ratchet, which can send at once: `spec/pqdr.md §4`. */
export function initSndRatchet({ versions, peerDhKey, dhKey, agreed }: SndRatchetStart): Ratchet {
  const secret = agreed.kemAccepted?.sharedSecret
  const { rootKey, chainKey, nextHeaderKey } = rootKdf(agreed.rootKey, peerDh(dhKey, peerDhKey), secret)
  const pqOn = agreed.kemKeyPair !== undefined
  return {
    versions,
    associatedData: agreed.associatedData,
    dhKey,
    ...kemOf(agreed),
    supportKem: pqOn,
    enableKem: pqOn,
    sndKem: secret !== undefined,
    rcvKem: false,
    rootKey,
    sending: { peerDhKey, chainKey, headerKey: agreed.sndHeaderKey },
    sndNumber: 0,
    rcvNumber: 0,
    previousSndCount: 0,
    nextSndHeaderKey: nextHeaderKey,
    nextRcvHeaderKey: agreed.rcvNextHeaderKey,
  }
}

/** The initiator's ratchet, which can send after its first received message: `spec/pqdr.md §4`. */
export function initRcvRatchet({ versions, dhKey, agreed, pqSupport }: RcvRatchetStart): Ratchet {
  return {
    versions,
    associatedData: agreed.associatedData,
    dhKey,
    ...kemOf(agreed),
    supportKem: pqSupport,
    enableKem: pqSupport,
    sndKem: false,
    rcvKem: false,
    rootKey: agreed.rootKey,
    sndNumber: 0,
    rcvNumber: 0,
    previousSndCount: 0,
    nextSndHeaderKey: agreed.rcvNextHeaderKey,
    nextRcvHeaderKey: agreed.sndHeaderKey,
  }
}

function kemOf({ kemKeyPair, kemAccepted }: X3dhResult): { kem?: RatchetKem } {
  if (!kemKeyPair) return {}
  return { kem: kemAccepted ? { keyPair: kemKeyPair, accepted: kemAccepted } : { keyPair: kemKeyPair } }
}
