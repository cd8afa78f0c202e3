/** Times and bounds of routing, in milliseconds unless said otherwise. */
export interface RoutingLimits {
  /** For the first look-up of an envelope's receiver, and for later ones. */
  readonly firstLookup: number
  readonly laterLookup: number
  /** How long an agent of this node may be away before it is looked for elsewhere. */
  readonly awayGrace: number
  /** For a look-up of an agent that is away, on behalf of a peer that has something for it. */
  readonly awayLookup: number
  /** How long a peer's envelope waits for a place. */
  readonly peerPatience: number
  /** How long a peer is let wait for what it gave to be delivered or handed over. */
  readonly drain: number
  /** Between two looks for envelopes whose time is over. */
  readonly sweep: number
  /** Look-ups at once: for envelopes that are tried first, and for those that failed before. */
  readonly firstLookups: number
  readonly laterLookups: number
  /** Envelopes that are on their way to other peers at once. */
  readonly sending: number
}

export const DEFAULT_ROUTING_LIMITS: RoutingLimits = {
  firstLookup: 3_000,
  laterLookup: 10_000,
  awayGrace: 5_000,
  awayLookup: 1_000,
  peerPatience: 5_000,
  drain: 8_000,
  sweep: 60_000,
  firstLookups: 64,
  laterLookups: 16,
  sending: 64,
}
