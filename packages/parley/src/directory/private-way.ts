import { randomInt } from 'node:crypto'
import { publicKeyOfPeerId } from '@parley/acn/protocol'
import { decodeCardMessage, encodeCardMessage } from './card-message.ts'
import { CARD_PROTOCOL, type DirectoryHost } from './directory-host.ts'
import { askPeer, CardAnswerError } from './exchange.ts'
import type { DirectoryLimits, DirectoryTimeouts } from './limits.ts'
import { sealQuestion } from './seal.ts'

/** What private ways are made from. */
export interface PrivateWayOptions {
  readonly host: DirectoryHost
  readonly limits: Pick<DirectoryLimits, 'privateTries'>
  readonly timeouts: Pick<DirectoryTimeouts, 'ask' | 'relay'>
}

/** Two peers: one passes on what it cannot read, one answers without knowing whom. */
interface Pair {
  readonly relay: string
  readonly target: string
}

/** What came of asking in private. */
export type PrivateOutcome =
  /** Cards, of which nothing is verified yet, as encoded signed cards; empty when two peers, or the only one, know none. */
  | { readonly type: 'answered'; readonly cards: readonly Uint8Array[]; readonly target: string }
  /** There are no two peers, or none of the pairs that were tried gave an answer. */
  | { readonly type: 'noWay'; readonly tried: number }

/** How much longer who asks waits than the peer that passes the question on, ms. */
const EXTRA = 2_000
/** So many peers that know nothing are believed. */
const ENOUGH_DENIALS = 2

/**
 * Asks for the cards of an address so that no peer learns both who asks and for whom: the question is sealed to a peer T
 * and passed on by a peer R. Both are taken at random among the Parley peers that are connected; where there is only one,
 * T is one of those that R names.
 */
export class PrivateWay {
  readonly #options: PrivateWayOptions

  constructor(options: PrivateWayOptions) {
    this.#options = options
  }

  /**
   * Asks through one pair after the other until one has cards.
   * @param isGood whether these cards are an answer; another pair is asked otherwise
   * @throws the signal's reason
   */
  async ask(
    address: string,
    isGood: (cards: readonly Uint8Array[], target: string) => boolean,
    signal: AbortSignal,
  ): Promise<PrivateOutcome> {
    let tried = 0
    const denials: string[] = []
    for await (const pair of this.#pairs(signal)) {
      tried++
      try {
        const cards = await this.#askThrough(pair, address, signal)
        if (isGood(cards, pair.target)) return { type: 'answered', cards, target: pair.target }
        if (cards.length === 0) denials.push(pair.target)
        if (denials.length === ENOUGH_DENIALS) break
      } catch {
        signal.throwIfAborted()
        // Either peer may be at fault; the next pair is of others, as far as there are any.
      }
    }
    const [target] = denials
    return target === undefined ? { type: 'noWay', tried } : { type: 'answered', cards: [], target }
  }

  async #askThrough({ relay, target }: Pair, address: string, signal: AbortSignal): Promise<readonly Uint8Array[]> {
    const { host, timeouts } = this.#options
    const { sealed, openAnswer } = sealQuestion(
      publicKeyOfPeerId(target),
      encodeCardMessage({ type: 'request', address }),
    )
    const question = { type: 'relay', peerId: target, sealed } as const
    const answer = await askPeer(host, relay, question, 'sealed', { timeout: timeouts.relay + EXTRA, signal })
    const message = decodeCardMessage(openAnswer(answer.sealed))
    if (message.type !== 'answer') throw new CardAnswerError('another answer than was asked for')
    return message.cards
  }

  /** Pairs to be tried, each target once. */
  async *#pairs(signal: AbortSignal): AsyncGenerator<Pair> {
    const connected = shuffled(await this.#parleyPeers())
    const targets = new Set<string>()
    for (let tried = 0; tried < this.#options.limits.privateTries && connected.length > 0; tried++) {
      const relay = connected[tried % connected.length] ?? ''
      const isFree = (peerId: string) => peerId !== relay && !targets.has(peerId)
      const target = shuffled(connected).find(isFree) ?? (await this.#namedBy(relay, signal)).find(isFree)
      if (target === undefined) continue
      targets.add(target)
      yield { relay, target }
    }
  }

  async #parleyPeers(): Promise<string[]> {
    const { host } = this.#options
    const peers = host.connectedPeers
    const speak = await Promise.all(peers.map((peerId) => host.speaks(peerId, CARD_PROTOCOL)))
    return peers.filter((peerId, i) => speak[i] === true && isSecp256k1(peerId))
  }

  /** Parley peers that another one is connected to, in any order. */
  async #namedBy(peerId: string, signal: AbortSignal): Promise<string[]> {
    const { host, timeouts } = this.#options
    try {
      const { peerIds } = await askPeer(host, peerId, { type: 'askPeers' }, 'peers', { timeout: timeouts.ask, signal })
      return shuffled(peerIds.filter((id) => id !== host.peerId && isSecp256k1(id)))
    } catch {
      signal.throwIfAborted()
      return []
    }
  }
}

function isSecp256k1(peerId: string): boolean {
  try {
    publicKeyOfPeerId(peerId)
    return true
  } catch {
    return false
  }
}

/** A copy in random order. */
function shuffled<T>(items: readonly T[]): T[] {
  const copy = [...items]
  for (let i = copy.length - 1; i > 0; i--) {
    const j = randomInt(i + 1)
    const [a, b] = [copy[i] as T, copy[j] as T]
    copy[i] = b
    copy[j] = a
  }
  return copy
}
