import type { Agent } from '@parley/agent'
import type { PrivateKey } from '@parley/core/crypto'
import type { VerifiedCard } from '../card/index.ts'

/** Who may open a channel to an agent of ours, by ledger address that its request has proven. */
export type RequestPolicy =
  /** Everyone, within the limits. */
  | { readonly mode: 'everyone' }
  /** These addresses; others are refused. */
  | { readonly mode: 'allow-list'; readonly addresses: ReadonlySet<string> }
  /** The application decides: a `request` event for each address; these are let in without asking. */
  | { readonly mode: 'ask'; readonly addresses?: ReadonlySet<string> | undefined }

/** Limits and times of channels; `docs/channels.md` has the defaults in a table. Times in milliseconds. */
export interface ChannelLimits {
  /** Envelopes and their bytes that wait for one peer before `send` waits. */
  readonly outboxEnvelopes: number
  readonly outboxBytes: number
  /** Envelopes and their bytes of one peer that the application has not taken before the peer has to wait. */
  readonly inboxEnvelopes: number
  readonly inboxBytes: number
  /** Envelopes that are with the application at once, of one pair. */
  readonly given: number
  /** How long an envelope is tried, at most 7 days. */
  readonly lifetime: number
  /** How long to gather acknowledgements. */
  readonly ackDelay: number
  /** How long an own request, or an accepted one, may stay without a proof of the peer. */
  readonly openLifetime: number
  /** When a request without an answer is sent again for the first time; each next time takes six times as long. */
  readonly requestAgain: number
  /** How long a request of the peer is held while an own one has precedence. */
  readonly holdRequest: number
  /** How old a request may be. */
  readonly requestAge: number
  /** Requests that are verified, a second, and how many may come at once; what is beyond waits, bounded, then is refused. */
  readonly verifications: { readonly perSecond: number; readonly burst: number }
  /** Requests of one proven address, and of all that there is no channel with, that are let through. */
  readonly requestsPerAddress: { readonly perSecond: number; readonly burst: number }
  readonly requestsInAll: { readonly perSecond: number; readonly burst: number }
  /** Accepted requests of strangers that have not become channels yet. */
  readonly pendingStrangers: number
  /** Channels, and what may become one, beyond which strangers are refused. */
  readonly channels: number
  /** Requests that wait for the application's decision. */
  readonly pendingAsks: number
  /** First wait and longest wait between tries to open a channel. */
  readonly retry: { readonly initial: number; readonly max: number }
}

/** How channels are opened. */
export interface ChannelsOptions {
  /**
   * Carries the connections, and keeps what belongs to channels in its store. Its events with connections of channels are
   * for the channels alone.
   */
  readonly agent: Agent
  /** Who may open channels. Default everyone. */
  readonly policy?: RequestPolicy | undefined
  readonly limits?: Partial<ChannelLimits> | undefined
  /** Post-quantum encryption of new connections. Default true. */
  readonly pq?: boolean | undefined
  /**
   * Asked about a card that came with a request or a proof and is valid in itself: false refuses it, for instance
   * because a newer card of the address is known.
   */
  readonly acceptCard?: ((card: VerifiedCard) => boolean | Promise<boolean>) | undefined
  readonly log?: ((entry: ChannelLogEntry) => void) | undefined
  /** Milliseconds since 1970. Default Date.now. */
  readonly now?: (() => number) | undefined
}

/** One line of the channels' log. Never keys, contents or ids of connections. */
export interface ChannelLogEntry {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
  readonly local?: string
  readonly peer?: string
  readonly error?: string
}

/** An agent of ours, by its address. */
export interface LocalAgent {
  readonly address: string
  /** The encoded SignedCard that is valid now, without attachment. */
  card(): Uint8Array
  /** Its key of channels; the card names it. */
  readonly channelKey: PrivateKey<'ed25519'>
  /** Connection of its contact address; the card has its short link. */
  readonly contactConnId: string
}

/** An envelope to send. */
export interface ChannelEnvelope {
  /** 16 bytes as hexadecimal digits; an id that was sent to the peer in the last 8 days is not sent again. */
  readonly id: string
  /** 1 to 3 MiB. */
  readonly bytes: Uint8Array
  /** When it is given up, ms since 1970; at the end of the lifetime of envelopes at the latest, which is the default. */
  readonly expiresAt?: number
}

/** A pair: an agent of ours and its peer. */
export interface ChannelPair {
  readonly local: string
  readonly peer: string
}

/** Why an envelope will not be delivered. */
export type NotDeliveredReason =
  /** Its lifetime is over. If it was sent already it may still have arrived. */
  | 'expired'
  /** The peer's application does not take it: see `status`. */
  | 'refused'
  /** The agent of ours that sent it was removed. */
  | 'removed'

/** Why a channel was closed. */
export type CloseReason =
  /** The peer receives elsewhere now: its card says where. */
  | 'moved'
  /** The peer wants no channel. */
  | 'refused'
  /** The peer has broken the rules. */
  | 'protocol'
  /** The connection is gone at a router or at the peer. */
  | 'lost'

/** Why a request was refused. */
export type RequestRefusal =
  | 'MALFORMED'
  | 'BAD_SIGNATURE'
  | 'BAD_CARD'
  | 'OLD'
  | 'REPLAYED'
  | 'BUSY'
  | 'NOT_ALLOWED'
  | 'RATE'
  | 'FAILED'

/** What an application hears of its channels. */
export interface ChannelEvents {
  /**
   * The peer's application has taken the envelope. Told once, after it is stored: whoever may have missed it because the
   * process ended asks `stateOf`.
   */
  delivered: ChannelPair & { readonly id: string }
  /**
   * It will not be delivered. `status` is what the peer's application refused it with. Told again, also after a restart,
   * until a handler has resolved; for 8 days.
   */
  notDelivered: ChannelPair & { readonly id: string; readonly reason: NotDeliveredReason; readonly status?: number }
  /**
   * An envelope for an agent of ours; those of a pair come in order, several at once. It is given again, with the same
   * id, when the process ends before `taken` or `refuse` has resolved.
   */
  envelope: ChannelPair & {
    readonly id: string
    readonly bytes: Uint8Array
    /** Resolves when it is stored that the application has it. */
    taken(): Promise<void>
    /** The application does not take it; the sender hears `status`, 1 to 65,535. */
    refuse(status: number): Promise<void>
  }
  /** Both sides have proven who they are. `pq` tells whether post-quantum encryption is on. */
  opened: ChannelPair & { readonly pq: boolean; readonly card: 'ledger' | 'represented' }
  closed: ChannelPair & { readonly reason: CloseReason }
  /** No channel could be opened with the card that is known, and envelopes wait: `open` with a newer card goes on. */
  cardNeeded: ChannelPair & { readonly reason: string }
  /** Somebody on the connection could not prove to be the peer. The connection is deleted. */
  proofFailed: ChannelPair
  /** A request was refused. `peer` is there when the address was proven. */
  requestRefused: { readonly local: string; readonly peer?: string; readonly reason: RequestRefusal }
  /** Somebody asks for a channel; it waits for the answer, also over restarts. */
  request: ChannelPair & { readonly card: 'ledger' | 'represented'; accept(): Promise<void>; refuse(): Promise<void> }
}

export type ChannelEventName = keyof ChannelEvents

/** Takes one kind of events. What it throws or rejects with is logged; an envelope is given again later then. */
export type ChannelHandler<N extends ChannelEventName> = (event: ChannelEvents[N]) => void | Promise<void>

/** Where an envelope that was sent is: waiting for a channel, on its way, stored by the peer, taken by its application. */
export type EnvelopeState = 'waiting' | 'sent' | 'stored' | 'delivered' | 'refused' | 'expired'

/** One line of the list of channels. */
export interface ChannelSummary extends ChannelPair {
  readonly state: 'open' | 'opening' | 'none'
  /** Envelopes that wait for the peer, or for its application. */
  readonly waiting: number
  /** Envelopes of the peer that the application has not taken. */
  readonly toTake: number
}

/** A request that waits for the application's decision. */
export interface ChannelRequestSummary extends ChannelPair {
  /** How sure the peer's address is. */
  readonly card: 'ledger' | 'represented'
  /** When the peer made it, by its clock, ms since 1970; of several the first that came since this process started. */
  readonly since: number
}
