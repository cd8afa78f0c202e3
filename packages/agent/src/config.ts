import type { VersionRange } from '@parley/core/version'
import { CONNECT_TIMEOUTS, type ModeTimeouts, REQUEST_TIMEOUTS } from '@parley/smp/client'
import type { RetryInterval } from './retry-interval.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** Settings of an agent. The defaults are those of the original: `spec/agent.md §1, §9, §11`. Times in milliseconds. */
export interface AgentConfig {
  /** Agent protocol. */
  readonly agentVersions: VersionRange
  /** Queue addresses. */
  readonly clientVersions: VersionRange
  /** End-to-end encryption. */
  readonly e2eVersions: VersionRange
  /** SMP. */
  readonly smpVersions: VersionRange
  /** Make own queues such that their sender secures them (fast handshake) when the router can. */
  readonly senderSecures: boolean
  /** Retries after network errors of delivery. */
  readonly fastRetry: RetryInterval
  /** Retries while the peer's queue is full. */
  readonly slowRetry: RetryInterval
  /** Retries to subscribe again after a lost connection. */
  readonly reconnectRetry: RetryInterval
  /** Subscribe once more to queues from which nothing has come for so long: a router may have missed a message. */
  readonly confirmSubscriptionAfter: number
  /** A message that could not be sent for so long after network errors has failed. */
  readonly messageTimeout: number
  /** A message that could not be sent for so long because the queue is full has failed. */
  readonly quotaTimeout: number
  /** How long deletion waits for delivery when asked to. */
  readonly deleteWait: number
  /** Tries to delete a queue at its router before it is given up. */
  readonly deleteAttempts: number
  /** Deliveries of one message, and the time since the first, after which it is dropped as a duplicate. */
  readonly receiveAttempts: number
  readonly receiveAttemptsAge: number
  /** How long the protocol keeps hashes of received messages and waits for receipts of sent ones. */
  readonly historyAge: number
  /** How long the status of a message is kept after that. */
  readonly statusAge: number
  /** First run of the cleanup manager and time between runs. */
  readonly cleanupDelay: number
  readonly cleanupInterval: number
  /** A failed connection attempt is the answer to all who ask within this time. */
  readonly persistErrorInterval: number
  /** To connect, to the end of the handshake. */
  readonly connectTimeouts: ModeTimeouts
  /** For the answer to a command. */
  readonly requestTimeouts: ModeTimeouts
  /** Events that wait for the application before the agent stops reading from routers. */
  readonly eventQueueSize: number
  /** Batches from routers that wait for the subscriber. */
  readonly messageQueueSize: number
  /** Messages that are processed at the same time, of different connections. */
  readonly receiveConcurrency: number
  /** KEM key pairs made ahead. */
  readonly kemPoolSize: number
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** What an agent uses unless told otherwise. */
export const DEFAULT_CONFIG: AgentConfig = {
  agentVersions: { min: 2, max: 7 },
  clientVersions: { min: 1, max: 4 },
  e2eVersions: { min: 2, max: 3 },
  smpVersions: { min: 6, max: 18 },
  senderSecures: true,
  fastRetry: { initial: 2 * SECOND, increaseAfter: 10 * SECOND, max: 2 * MINUTE },
  slowRetry: { initial: 5 * MINUTE, increaseAfter: MINUTE, max: 6 * HOUR },
  reconnectRetry: { initial: 2 * SECOND, increaseAfter: 10 * SECOND, max: 3 * MINUTE },
  confirmSubscriptionAfter: SECOND,
  messageTimeout: 2 * DAY,
  quotaTimeout: 7 * DAY,
  deleteWait: 2 * DAY,
  deleteAttempts: 10,
  receiveAttempts: 8,
  receiveAttemptsAge: DAY,
  historyAge: 21 * DAY,
  statusAge: 30 * DAY,
  cleanupDelay: 30 * SECOND,
  cleanupInterval: 5 * MINUTE,
  persistErrorInterval: 3 * SECOND,
  connectTimeouts: CONNECT_TIMEOUTS,
  requestTimeouts: REQUEST_TIMEOUTS,
  eventQueueSize: 128,
  messageQueueSize: 64,
  receiveConcurrency: 32,
  kemPoolSize: 4,
  now: Date.now,
}
