import { agreeVersion, isCompatible, type VersionRange } from '@parley/core/version'

/** Agent versions that this agent speaks: `spec/agent.md §1`. */
export const AGENT_VERSIONS: VersionRange = { min: 2, max: 7 }

/** The first agent version with each change: `spec/agent.md §1`. */
export const AGENT_GATES = {
  /** Ratchets can be agreed anew. */
  ratchetSync: 3,
  /** Receipts are sent. */
  receipts: 4,
  /** The post-quantum ratchet, with smaller messages. */
  pq: 5,
  /** Reply queues are secured by their sender. */
  secureReplyQueues: 6,
  /** The initiator makes its ratchet when the confirmation comes. */
  ratchetOnConfirmation: 7,
} as const

/** End-to-end encryption version from which there is a KEM. */
const PQ_E2E_VERSION = 3

/** The three versions of a connection. */
export interface ConnectionVersions {
  readonly agent: number
  readonly e2e: number
  readonly smpClient: number
}

/** The three ranges that a peer offers or that this agent supports. */
export interface ConnectionVersionRanges {
  readonly agent: VersionRange
  readonly e2e: VersionRange
  readonly smpClient: VersionRange
}

/** The highest versions that both support, or undefined when one of the three has none (A_VERSION). */
export function agreeConnectionVersions(
  own: ConnectionVersionRanges,
  peer: ConnectionVersionRanges,
): ConnectionVersions | undefined {
  const agent = agreeVersion(own.agent, peer.agent)
  const e2e = agreeVersion(own.e2e, peer.e2e)
  const smpClient = agreeVersion(own.smpClient, peer.smpClient)
  return agent === undefined || e2e === undefined || smpClient === undefined ? undefined : { agent, e2e, smpClient }
}

/**
 * True for the version of a received client envelope that may be read: supported, or not above the agreed one.
 * @param agreed the queue's agreed version, when there is one
 */
export function acceptsClientVersion(version: number, supported: VersionRange, agreed: number): boolean {
  return isCompatible(version, supported) || version <= agreed
}

/** The connection's agent version after a message of `received` came: it rises up to own maximum and never falls. */
export function raisedAgentVersion(current: number, received: number, own: VersionRange = AGENT_VERSIONS): number {
  return Math.max(current, Math.min(own.max, received))
}

/** Whether a connection supports PQ, from own wish and the peer's versions: `spec/agent.md §16`. */
export function pqSupported(wanted: boolean, versions: Pick<ConnectionVersions, 'agent' | 'e2e'>): boolean {
  return wanted && versions.agent >= AGENT_GATES.pq && versions.e2e >= PQ_E2E_VERSION
}
