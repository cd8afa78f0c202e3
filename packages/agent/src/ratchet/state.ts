import type { DhAlgorithm, KemKeyPair, PrivateKey, PublicKey } from '@parley/core/crypto'

/** The version that both sides use now and the highest that this side announces in its headers. */
export interface RatchetVersions {
  readonly current: number
  readonly maxSupported: number
}

/** Keys that encrypt what is sent. */
export interface SendingChain {
  /** The peer's ratchet key (DHRr). */
  readonly peerDhKey: PublicKey<DhAlgorithm>
  /** CKs, 32 bytes. */
  readonly chainKey: Uint8Array
  /** HKs, 32 bytes. */
  readonly headerKey: Uint8Array
}

/** Keys that decrypt what is received. */
export interface ReceivingChain {
  /** CKr, 32 bytes. */
  readonly chainKey: Uint8Array
  /** HKr, 32 bytes. */
  readonly headerKey: Uint8Array
}

/** What was encapsulated to the peer's KEM key and mixed into the sending chain. */
export interface KemAccepted {
  /** 1,158 bytes. */
  readonly peerKey: Uint8Array
  /** 32 bytes. */
  readonly sharedSecret: Uint8Array
  /** 1,039 bytes; sent in every header of the chain. */
  readonly ciphertext: Uint8Array
}

/** The KEM's part of the state. */
export interface RatchetKem {
  /** Own key pair, whose public key is in every header of the sending chain. */
  readonly keyPair: KemKeyPair
  /** Absent while the own key is only proposed. */
  readonly accepted?: KemAccepted
}

/**
 * State of a double ratchet with header encryption and a post-quantum KEM, one side: `spec/pqdr.md §4`.
 * A value: every step gives a new one. Names of the paper are in the comments.
 */
export interface Ratchet {
  readonly versions: RatchetVersions
  /** Raw first key of the joiner and of the initiator (AD); equal on both sides: 112 bytes with X448. */
  readonly associatedData: Uint8Array
  /** Own ratchet key (DHRs). */
  readonly dhKey: PrivateKey<DhAlgorithm>
  readonly kem?: RatchetKem
  /** Headers have the size that KEM keys need; never goes back to false. */
  readonly supportKem: boolean
  /** The KEM is used from the next ratchet step on, when the peer uses it too. */
  readonly enableKem: boolean
  /** A KEM secret went into the sending chain. */
  readonly sndKem: boolean
  /** A KEM secret went into the receiving chain. */
  readonly rcvKem: boolean
  /** RK, 32 bytes. */
  readonly rootKey: Uint8Array
  /** Absent at the initiator until its first received message. */
  readonly sending?: SendingChain
  /** Absent until the first received message. */
  readonly receiving?: ReceivingChain
  /** Number of the next message to send (Ns). */
  readonly sndNumber: number
  /** Number of the next message to receive (Nr). */
  readonly rcvNumber: number
  /** Messages sent in the previous sending chain (PN). */
  readonly previousSndCount: number
  /** NHKs, 32 bytes. */
  readonly nextSndHeaderKey: Uint8Array
  /** NHKr, 32 bytes. */
  readonly nextRcvHeaderKey: Uint8Array
}
