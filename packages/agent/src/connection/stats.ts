import { sha256 } from '@parley/core/crypto'
import { formatSmpServer } from '@parley/smp/protocol'
import type { AgentContext } from '../agent-context.ts'
import type { RatchetSyncState } from '../agent-error.ts'
import { connError } from '../client-errors.ts'
import { AGENT_GATES } from '../protocol/index.ts'
import { requireConnection } from '../store/agent-store.ts'
import { openConfirmationsOf } from '../store/confirmations.ts'
import { listConnections } from '../store/connections.ts'
import type { Db } from '../store/database.ts'
import { openInvitationsOf } from '../store/invitations.ts'
import { getJoin } from '../store/joins.ts'
import { getRatchet } from '../store/ratchets.ts'
import { rcvQueuesOf } from '../store/rcv-queues.ts'
import type { ConnectionRecord, QueueStatus } from '../store/records.ts'
import { sndQueuesOf } from '../store/snd-queues.ts'
import type { SubscriptionStatus } from '../subscriptions.ts'

/**
 * What a connection is waiting for: `created` for somebody to use the link, `joining` for its routers, `confirmed`
 * for the application to allow it (CONF), `requested` for the peer, `connected` for nothing. Contact addresses are
 * `contact`.
 */
export type ConnectionState = 'created' | 'joining' | 'confirmed' | 'requested' | 'connected' | 'contact'

/** One line of the list of connections. */
export interface ConnectionSummary {
  readonly connId: string
  readonly mode: 'invitation' | 'contact'
  readonly state: ConnectionState
  /** Post-quantum encryption is supported by both sides (or offered, before they are connected). */
  readonly pq: boolean
  readonly createdAt: Date
  /** When CON was reached. */
  readonly connectedAt?: Date
  readonly suspendedAt?: Date
  /** Confirmations (CONF) that wait for an answer. */
  readonly confIds: readonly string[]
  /** Requests (REQ) that wait for an answer. */
  readonly invIds: readonly string[]
}

/** A queue in which the agent receives. */
export interface RcvQueueStats {
  readonly server: string
  readonly status: QueueStatus
  readonly subscription: SubscriptionStatus
}

/** A queue to which the agent sends. */
export interface SndQueueStats {
  readonly server: string
  readonly status: QueueStatus
}

/** What is known of a connection: `spec/agent.md §14`, ConnectionStats. */
export interface ConnectionStats {
  readonly agentVersion: number
  /** Version of the end-to-end encryption, once it is agreed. */
  readonly e2eVersion?: number
  readonly pqSupport: boolean
  /** Whether the last ratchet step sends and receives with a post-quantum secret. */
  readonly pqSending: boolean
  readonly pqReceiving: boolean
  readonly rcvQueues: readonly RcvQueueStats[]
  readonly sndQueues: readonly SndQueueStats[]
  readonly ratchetSyncState: RatchetSyncState
  readonly ratchetSyncSupported: boolean
}

/** Connections that are not deleted, oldest first. */
export function listSummaries({ store }: AgentContext): ConnectionSummary[] {
  return store.read((db) => listConnections(db).map((connection) => summaryOf(db, connection)))
}

function summaryOf(db: Db, connection: ConnectionRecord): ConnectionSummary {
  const { connId, mode, pqSupport, createdAt, connectedAt, suspendedAt } = connection
  const confIds = openConfirmationsOf(db, connId).map(({ confirmationId }) => confirmationId)
  return {
    connId,
    mode,
    state: stateOf(db, connection, confIds.length > 0),
    pq: pqSupport,
    createdAt: new Date(createdAt),
    ...(connectedAt !== undefined && { connectedAt: new Date(connectedAt) }),
    ...(suspendedAt !== undefined && { suspendedAt: new Date(suspendedAt) }),
    confIds,
    invIds: openInvitationsOf(db, connId).map(({ invitationId }) => invitationId),
  }
}

function stateOf(db: Db, { connId, mode, connectedAt }: ConnectionRecord, hasConfirmation: boolean): ConnectionState {
  if (mode === 'contact') return 'contact'
  if (connectedAt !== undefined) return 'connected'
  if (getJoin(db, connId)) return 'joining'
  if (hasConfirmation) return 'confirmed'
  return getRatchet(db, connId) ? 'requested' : 'created'
}

/**
 * Versions, queues and states of a connection.
 * @throws AgentError CONN NOT_FOUND
 */
export function connectionStats({ store, subscriptions }: AgentContext, connId: string): ConnectionStats {
  return store.read((db) => {
    const { agentVersion, pqSupport, ratchetSyncState } = requireConnection(db, connId)
    const ratchet = getRatchet(db, connId)
    return {
      agentVersion,
      ...(ratchet && { e2eVersion: ratchet.versions.current }),
      pqSupport,
      pqSending: ratchet?.sndKem ?? false,
      pqReceiving: ratchet?.rcvKem ?? false,
      rcvQueues: rcvQueuesOf(db, connId).map((queue) => ({
        server: formatSmpServer(queue.server),
        status: queue.status,
        subscription: subscriptions.statusOf(queue),
      })),
      sndQueues: sndQueuesOf(db, connId).map(({ server, status }) => ({ server: formatSmpServer(server), status })),
      ratchetSyncState,
      ratchetSyncSupported: agentVersion >= AGENT_GATES.ratchetSync,
    }
  })
}

/**
 * SHA-256 of the associated data of the ratchet, which holds a key of each side.
 * @throws AgentError CONN NOT_FOUND, CONN SIMPLEX before the ratchet is agreed
 */
export function ratchetAdHash({ store }: AgentContext, connId: string): Uint8Array {
  return store.read((db) => {
    requireConnection(db, connId)
    const ratchet = getRatchet(db, connId)
    if (!ratchet) throw connError('SIMPLEX', 'ratchet')
    return sha256(ratchet.associatedData)
  })
}
