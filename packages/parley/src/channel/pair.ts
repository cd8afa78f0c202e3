import type { Db } from '../store/index.ts'
import { type LinkRecord, saveLink } from './store/links.ts'
import type { PairRecord } from './store/pairs.ts'

/** A link with what is known of it in this process only. */
export class Link {
  readonly record: LinkRecord
  readonly pair: Pair
  /** Last message of the agent that is processed. */
  lastMsgId = 0
  /** Message of the agent that is being processed. */
  processing = 0
  /** Ids of the agent's: the last message with a number that it was handed, and the last one that its router has. */
  lastHandedId = 0
  lastSentId = 0
  /** When the next one is sent at the soonest that is not full; the peer's next one ends that. Process's clock, ms. */
  nextAt = Number.NEGATIVE_INFINITY
  /** What is to be sent waits for its time. */
  isGathering = false
  /** Messages without a number that were sent since the peer's last one. */
  unnumbered = 0
  /** An acknowledgement is to be sent now, even if it says nothing new. */
  ackNow = false
  ackForced = false
  stopAckTimer: (() => void) | undefined
  /** When an acknowledgement was sent that nothing else went with; milliseconds of the process's clock. */
  ackedAloneAt = Number.NEGATIVE_INFINITY
  /** The timer is that of news which the peer's application waits for. */
  isAckSoon = false
  /** The peer is to send again from this number on. */
  resendDue: number | undefined
  /** The gap that was reported last. */
  resendAsked = 0
  /** What the peer was told is stored, at most: it sends no number above this and the window. */
  toldStored: number
  /** Something is being done to establish it. */
  busy = false
  isRemoved = false
  /** It was made with a card and key that the agent of ours has no more. */
  isOutdated = false
  /** The peer has answered the own request. */
  isAnswered = false

  constructor(record: LinkRecord, pair: Pair) {
    this.record = record
    this.pair = pair
    this.toldStored = record.rcvNumber
  }

  /** The agent has a message with a number that is not at the peer's router yet. */
  get isSending(): boolean {
    return this.lastHandedId > this.lastSentId
  }

  /** The peer has proven who it is. */
  get isProven(): boolean {
    return this.record.openedAt !== undefined
  }

  save(db: Db): void {
    saveLink(db, this.record)
  }
}

/** An agent of ours and its peer, with their links. */
export class Pair {
  readonly record: PairRecord
  readonly links = new Set<Link>()
  /** The channel: what is sent goes there. */
  active: Link | undefined
  /** The outbox. */
  waiting = { count: 0, bytes: 0 }
  hasUnplaced = false
  /** The inbox. */
  toTake = { count: 0, bytes: 0 }
  /** The last envelope that the application was given, and those it has not answered. */
  lastGiven = 0
  readonly given = new Set<number>()
  /** Requests that were sent again since the last channel. */
  repeats = 0
  /** Something is being done for it that is not in the store yet. */
  pins = 0
  /** When it was last asked for, ms since 1970. */
  usedAt: number
  /** The peer has refused: nothing is opened until somebody asks for it. */
  refused = false

  constructor(record: PairRecord, now: number) {
    this.record = record
    this.usedAt = now
  }

  get local(): string {
    return this.record.local
  }

  get peer(): string {
    return this.record.peer
  }

  get names(): { readonly local: string; readonly peer: string } {
    return { local: this.record.local, peer: this.record.peer }
  }

  /** Who decides which of several channels stays: the side with the smaller address. */
  get isLeader(): boolean {
    return this.record.local < this.record.peer
  }

  /** Links that are not being deleted. */
  get living(): Link[] {
    return [...this.links].filter(({ record }) => record.state !== 'closing')
  }
}
