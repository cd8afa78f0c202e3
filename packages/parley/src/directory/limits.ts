import type { AdmissionLimits } from '@parley/acn/peer'
import { MAX_SIGNED_CARD_WITH_ATTACHMENT } from '../card/index.ts'

/** Longest message about cards, in bytes: two cards with their attachments, sealed and padded. */
export const MAX_CARD_MESSAGE = 32 * 1024
/** Cards in one answer: the newest of each kind. */
export const MAX_CARDS_IN_ANSWER = 2
/** Peers in one list. */
export const MAX_PEERS_IN_LIST = 32
/** Longest signed card in a message, in bytes. */
export const MAX_CARD_IN_MESSAGE = MAX_SIGNED_CARD_WITH_ATTACHMENT

/** How much of one thing is done: at once and a second, for one peer and for all. */
export interface GateLimits {
  readonly atOnce: number
  readonly atOncePerPeer: number
  readonly perSecond: number
  readonly perSecondPerPeer: number
  /** Above the rate, at once, for one peer; for all it is the rate of ten seconds. */
  readonly burstPerPeer: number
}

/** What a directory takes on. */
export interface DirectoryLimits {
  /** Addresses whose cards are served here. */
  readonly served: number
  /** Addresses of others of which the newest card is remembered. */
  readonly remembered: number
  /** Addresses whose look-up is remembered for a while; each with up to 25 kB. */
  readonly cached: number
  /** Providers of an address that are asked. */
  readonly providers: number
  /** Pairs of peers through which a private look-up is tried. */
  readonly privateTries: number
  /** Messages that are answered. */
  readonly answering: GateLimits
  /** Cards that peers publish here. */
  readonly publishing: GateLimits
  /** Sealed questions that are passed on for others. */
  readonly relaying: GateLimits
  /** Sealed questions that are answered: each is a search of the network. */
  readonly searching: GateLimits
}

export const DEFAULT_DIRECTORY_LIMITS: DirectoryLimits = {
  served: 10_000,
  remembered: 50_000,
  cached: 2_000,
  providers: 8,
  privateTries: 3,
  answering: { atOnce: 256, atOncePerPeer: 32, perSecond: 1000, perSecondPerPeer: 50, burstPerPeer: 200 },
  publishing: { atOnce: 32, atOncePerPeer: 8, perSecond: 50, perSecondPerPeer: 10, burstPerPeer: 100 },
  relaying: { atOnce: 64, atOncePerPeer: 8, perSecond: 100, perSecondPerPeer: 10, burstPerPeer: 50 },
  searching: { atOnce: 32, atOncePerPeer: 16, perSecond: 50, perSecondPerPeer: 20, burstPerPeer: 50 },
}

/** How long a directory waits and how long it believes, in milliseconds. */
export interface DirectoryTimeouts {
  /** For one peer to answer. */
  readonly ask: number
  /** For others to answer after the first has. */
  readonly gather: number
  /** For a search as a whole. */
  readonly search: number
  /** For the answer to a sealed question, at the peer that passes it on; one that asks waits a little longer. */
  readonly relay: number
  /** For a peer to say what it wants. */
  readonly read: number
  /** For what stands behind a link. */
  readonly link: number
  /** How long a card that was found is not looked for again; never longer than it holds. */
  readonly found: number
  /** How long an address without a card is not looked for again. */
  readonly notFound: number
}

export const DEFAULT_DIRECTORY_TIMEOUTS: DirectoryTimeouts = {
  ask: 5_000,
  gather: 300,
  search: 8_000,
  relay: 10_000,
  read: 10_000,
  link: 10_000,
  found: 10 * 60_000,
  notFound: 30_000,
}

/** Peers whose rate is remembered. */
const REMEMBERED_PEERS = 10_000

/** The limits of a gate for one peer, as admission knows them. */
export function limitsPerPeer(limits: GateLimits): AdmissionLimits {
  return {
    answering: limits.atOnce,
    answeringPerPeer: limits.atOncePerPeer,
    streamRatePerPeer: limits.perSecondPerPeer,
    streamBurstPerPeer: limits.burstPerPeer,
    rememberedPeers: REMEMBERED_PEERS,
  }
}

/** The limits of a gate for all peers together, which admission takes for one. */
export function limitsOfAll({ atOnce, perSecond }: GateLimits): AdmissionLimits {
  return {
    answering: atOnce,
    answeringPerPeer: atOnce,
    streamRatePerPeer: perSecond,
    streamBurstPerPeer: 10 * perSecond,
    rememberedPeers: 1,
  }
}
