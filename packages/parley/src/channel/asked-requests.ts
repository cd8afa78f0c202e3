import type { AgentEventOf } from '@parley/agent'
import type { VerifiedCard } from '../card/index.ts'
import { pairKey } from './context.ts'
import type { ChannelRequestSummary, LocalAgent } from './types.ts'

/** A request whose sender has proven its address. */
export interface ProvenRequest {
  readonly request: AgentEventOf<'REQ'>
  readonly local: LocalAgent
  readonly card: VerifiedCard
  /** SHA-256 of its signature. */
  readonly digest: Uint8Array
  /** When it was made by its sender's clock, ms since 1970. */
  readonly issuedAt: number
}

interface Asked {
  readonly proven: ProvenRequest
  /** When the first of those was made that this one takes the place of. */
  readonly since: number
}

/** Requests that wait for the application's decision, one for each pair: the newest. */
export class AskedRequests {
  readonly #byPair = new Map<string, Asked>()

  get size(): number {
    return this.#byPair.size
  }

  has(local: string, peer: string): boolean {
    return this.#byPair.has(pairKey(local, peer))
  }

  /** Puts a request in the place of the one before, which it gives. */
  put(proven: ProvenRequest): ProvenRequest | undefined {
    const key = pairKey(proven.local.address, proven.card.card.address)
    const before = this.#byPair.get(key)
    this.#byPair.set(key, { proven, since: Math.min(proven.issuedAt, before?.since ?? proven.issuedAt) })
    return before?.proven
  }

  /** Takes the request of a pair from the list. */
  take(local: string, peer: string): ProvenRequest | undefined {
    const key = pairKey(local, peer)
    const asked = this.#byPair.get(key)
    this.#byPair.delete(key)
    return asked?.proven
  }

  /** Takes all requests to an agent of ours. */
  takeAll(local: string): ProvenRequest[] {
    const peers = this.list().filter((asked) => asked.local === local)
    return peers.flatMap(({ peer }) => this.take(local, peer) ?? [])
  }

  /** The requests, the oldest first. */
  list(): ChannelRequestSummary[] {
    const all = [...this.#byPair.values()].map(({ proven: { local, card }, since }) => ({
      local: local.address,
      peer: card.card.address,
      card: card.kind,
      since,
    }))
    return all.sort((a, b) => a.since - b.since)
  }
}
