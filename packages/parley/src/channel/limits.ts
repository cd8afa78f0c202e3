import type { ChannelLimits } from './types.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const MIB = 1024 * 1024

/** Limits and times unless told otherwise: `docs/channels.md`. */
export const DEFAULT_LIMITS: ChannelLimits = {
  outboxEnvelopes: 1000,
  outboxBytes: 64 * MIB,
  inboxEnvelopes: 1000,
  inboxBytes: 64 * MIB,
  given: 64,
  lifetime: DAY,
  ackDelay: 50,
  openLifetime: DAY,
  requestAgain: 10 * MINUTE,
  holdRequest: MINUTE,
  requestAge: DAY,
  verifications: { perSecond: 200, burst: 400 },
  requestsPerAddress: { perSecond: 1 / 60, burst: 5 },
  requestsInAll: { perSecond: 2, burst: 60 },
  pendingStrangers: 256,
  channels: 10_000,
  pendingAsks: 100,
  retry: { initial: SECOND, max: MINUTE },
}

/** Longest lifetime of an envelope, ms: receivers remember ids for a day more. */
export const MAX_LIFETIME = 7 * DAY
/** How long ids of envelopes and what became of them are remembered, ms. */
export const HISTORY = 8 * DAY
/** Requests that wait for their verification; what comes then is refused. */
export const WAITING_REQUESTS = 256
/** Requests that are answered at the same time. */
export const ANSWERED_AT_ONCE = 8
/** An accepted request of a stranger that is younger than this is not given up for a new one, ms. */
export const PENDING_GRACE = 10 * MINUTE
/** A pair of which nothing is left is forgotten when nobody has used it for so long, ms. */
export const PAIR_IDLE = 10 * MINUTE
/** Time after which a message that the agent did not accept, or an envelope that a handler failed with, is tried again, ms. */
export const TRY_AGAIN = 5 * SECOND
/** How long the deletion of a channel waits until the peer's router has the word of it, ms. */
export const TELL_PEER = 10 * SECOND
/** How often old things are forgotten, ms. */
export const CLEANUP_INTERVAL = 30 * SECOND
