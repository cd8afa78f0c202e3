import type { PrivateKey, PublicKey } from '@parley/core/crypto'
import type { AuthKey, QueueMode, SmpServer } from '@parley/smp/protocol'
import type { RatchetSyncState } from '../agent-error.ts'

/** Status of a queue: `spec/agent.md §5`. */
export type QueueStatus = 'new' | 'confirmed' | 'secured' | 'active' | 'disabled'

/** What a connection was made for: to talk, or to receive requests to connect. */
export type ConnectionMode = 'invitation' | 'contact'

/** A connection's own data; its queues and ratchet are in tables of their own. Times in milliseconds since 1970. */
export interface ConnectionRecord {
  /** base64url of 12 random bytes. */
  readonly connId: string
  readonly mode: ConnectionMode
  /** Agreed agent protocol version. */
  readonly agentVersion: number
  /** Whether messages are made small enough for the post-quantum header. */
  readonly pqSupport: boolean
  /** Last id in the sequence that the application sees, of messages sent and received. */
  readonly lastMsgId: number
  /** Last id in the sequence of sent messages that the peer sees. */
  readonly lastSndMsgId: number
  /** Last id seen in the peer's sequence. */
  readonly lastExternalSndMsgId: bigint
  /** SHA-256 of the last received agent message, empty before the first. */
  readonly lastRcvMsgHash: Uint8Array
  /** SHA-256 of the last sent agent message, empty before the first. */
  readonly lastSndMsgHash: Uint8Array
  readonly ratchetSyncState: RatchetSyncState
  /** When CON was reached. */
  readonly connectedAt?: number
  /** When the application suspended it. */
  readonly suspendedAt?: number
  /** When the application deleted it: what is left is to delete its queues at their routers. */
  readonly deletedAt?: number
  /** Until when deletion waits for the delivery of messages. */
  readonly deleteWaitUntil?: number
  readonly createdAt: number
}

/** What is kept of the short link of a queue, to change its data: `spec/agent.md §2.5`. */
export interface QueueLinkRecord {
  /** 24 bytes. */
  readonly linkId: Uint8Array
  /** 32 bytes. */
  readonly linkKey: Uint8Array
  readonly privateKey: PrivateKey<'ed25519'>
  /** Encrypted fixed data, 2,048 bytes. */
  readonly fixedData: Uint8Array
}

/** A queue in which this agent receives. */
export interface RcvQueueRecord {
  readonly rcvQueueId: number
  readonly connId: string
  readonly server: SmpServer
  readonly rcvId: Uint8Array
  readonly sndId: Uint8Array
  /** Authorises commands of the recipient. */
  readonly rcvPrivateKey: PrivateKey<'ed25519'>
  /** Secret with the router, opens its box around messages; 32 bytes. */
  readonly rcvDhSecret: Uint8Array
  /** Whose public key is in the queue's address. */
  readonly e2ePrivateKey: PrivateKey<'x25519'>
  /** Secret with the sender, opens the box inside; known from the confirmation on. */
  readonly e2eDhSecret?: Uint8Array
  /** Key of the sender to secure the queue with, when it came in the confirmation. */
  readonly sndKey?: AuthKey
  readonly status: QueueStatus
  /** SMP client version (of queue addresses) agreed with the sender. */
  readonly clientVersion: number
  readonly queueMode?: QueueMode
  readonly isPrimary: boolean
  readonly replacesQueueId?: number
  readonly link?: QueueLinkRecord
  readonly deleteErrors: number
  readonly deleted: boolean
}

/** A queue to which this agent sends. */
export interface SndQueueRecord {
  readonly sndQueueId: number
  readonly connId: string
  readonly server: SmpServer
  readonly sndId: Uint8Array
  /** Authorises SEND and SKEY. */
  readonly sndPrivateKey: PrivateKey<'ed25519'>
  /** Sent in the confirmation. */
  readonly e2ePublicKey: PublicKey<'x25519'>
  /** Secret with the recipient, 32 bytes. */
  readonly e2eDhSecret: Uint8Array
  readonly status: QueueStatus
  readonly clientVersion: number
  readonly queueMode?: QueueMode
  readonly isPrimary: boolean
  readonly replacesQueueId?: number
}

/** Text that tells servers apart in maps: all hosts, port and fingerprint. */
export function serverKey({ hosts, port, keyHash }: SmpServer): string {
  return `${hosts.join(',')}|${port}|${Buffer.from(keyHash).toString('base64url')}`
}
