import type { RemotePeer } from '@parley/acn/peer'
import type { PeerKey, ProofCache } from '@parley/acn/record'
import { DecodeError } from '@parley/core/encoding'
import { CardError, decodeSignedCard, encodeSignedCard, verifySignedCard } from '../card/index.ts'
import { type CardMessage, decodeCardMessage, encodeCardMessage, PUBLISHED, REFUSED } from './card-message.ts'
import type { CardSearch } from './card-search.ts'
import { type CardStore, CardStoreFullError, isOutOfOrder } from './card-store.ts'
import { CARD_PROTOCOL, type CardChannel, type DirectoryHost } from './directory-host.ts'
import { askPeer } from './exchange.ts'
import { Gate } from './gate.ts'
import { type DirectoryLimits, type DirectoryTimeouts, MAX_CARD_MESSAGE, MAX_PEERS_IN_LIST } from './limits.ts'
import { openQuestion, SEALED_QUESTION_LENGTH } from './seal.ts'

/** What cards are served with. */
export interface CardServerOptions {
  readonly host: DirectoryHost
  readonly key: PeerKey
  readonly store: CardStore
  readonly search: CardSearch
  /** Whether an agent is registered at this peer. */
  readonly isRegistered: (address: string) => boolean
  /** Whether others may hear of an agent. */
  readonly isListed: (address: string) => boolean
  readonly proofs: ProofCache
  readonly limits: DirectoryLimits
  readonly timeouts: Pick<DirectoryTimeouts, 'read' | 'relay' | 'search'>
}

/** Answers what others ask about cards: peers on streams, agents in envelopes. */
export class CardServer {
  readonly #options: CardServerOptions
  readonly #answering: Gate
  readonly #publishing: Gate
  readonly #relaying: Gate
  readonly #searching: Gate

  constructor(options: CardServerOptions) {
    const { limits } = options
    this.#options = options
    this.#answering = new Gate(limits.answering)
    this.#publishing = new Gate(limits.publishing)
    this.#relaying = new Gate(limits.relaying)
    this.#searching = new Gate(limits.searching)
  }

  /** Answers peers from now on. */
  async start(): Promise<void> {
    await this.#options.host.serveChannels(
      CARD_PROTOCOL,
      (channel, from, signal) => this.#serve(channel, from, signal),
      {
        maxFrameLength: MAX_CARD_MESSAGE,
      },
    )
  }

  /**
   * Answers what can come in an envelope: a request, or a card that is published.
   * @param sender address of the agent that asks
   */
  answerAgent(message: CardMessage, sender: string): Promise<CardMessage | undefined> {
    return this.#within(this.#answering, sender, async () => {
      if (message.type === 'request') return this.#served(message.address)
      return message.type === 'publish' ? this.#publish(message.card, sender) : undefined
    })
  }

  async #serve(channel: CardChannel, from: RemotePeer, signal: AbortSignal): Promise<void> {
    const reading = AbortSignal.any([signal, AbortSignal.timeout(this.#options.timeouts.read)])
    const answer = await this.#within(this.#answering, from.peerId, async () => {
      const body = await channel.read(reading)
      return body && this.#answer(body, from.peerId, signal)
    })
    if (answer) await channel.write(encodeCardMessage(answer), AbortSignal.any([signal, AbortSignal.timeout(5_000)]))
    await channel.close()
  }

  async #answer(body: Uint8Array, from: string, signal: AbortSignal): Promise<CardMessage> {
    try {
      const message = decodeCardMessage(body)
      switch (message.type) {
        case 'request':
          return this.#served(message.address)
        case 'publish':
          return await this.#publish(message.card, from)
        case 'relay':
          return await this.#within(this.#relaying, from, () => this.#relay(message.peerId, message.sealed, signal))
        case 'sealed':
          return await this.#within(this.#searching, from, () => this.#search(message.sealed, signal))
        case 'askPeers':
          return { type: 'peers', peerIds: await this.#peersFor(from) }
        default:
          return refused('malformed')
      }
    } catch (error) {
      if (error instanceof DecodeError) return refused('malformed')
      throw error
    }
  }

  #served(address: string): CardMessage {
    const { search, isListed } = this.#options
    const cards = isListed(address) ? search.served(address) : []
    return { type: 'answer', cards: cards.map(({ signed }) => encodeSignedCard(signed)) }
  }

  #publish(bytes: Uint8Array, from: string): Promise<CardMessage> {
    return this.#within(this.#publishing, from, async () => ({
      type: 'published',
      code: PUBLISHED[await this.#take(bytes)],
    }))
  }

  async #take(bytes: Uint8Array): Promise<keyof typeof PUBLISHED> {
    const { store, search, isRegistered, proofs: cache } = this.#options
    try {
      const signed = decodeSignedCard(bytes)
      const { address } = signed.card
      // Before anything is computed: strangers' cards cost no signature.
      if (!isRegistered(address)) return 'notRegistered'
      const isNew = await store.serve(verifySignedCard(signed, { expectedAddress: address, cache }), false)
      search.forget(address)
      return isNew ? 'stored' : 'known'
    } catch (error) {
      if (error instanceof CardStoreFullError) return 'full'
      if (isOutOfOrder(error)) return 'notNewer'
      if (error instanceof CardError || error instanceof DecodeError) return 'invalid'
      throw error
    }
  }

  /** Passes a question on. It says nothing of whom it comes from. */
  async #relay(peerId: string, sealed: Uint8Array, signal: AbortSignal): Promise<CardMessage> {
    const { host, timeouts } = this.#options
    if (sealed.length !== SEALED_QUESTION_LENGTH || peerId === host.peerId) return refused('malformed')
    try {
      return await askPeer(host, peerId, { type: 'sealed', sealed }, 'sealed', { timeout: timeouts.relay, signal })
    } catch {
      signal.throwIfAborted()
      return refused('unreachable')
    }
  }

  /** Answers a question that somebody sealed to this peer, by looking as it would for itself. */
  async #search(sealed: Uint8Array, signal: AbortSignal): Promise<CardMessage> {
    const { key, search, timeouts, isListed } = this.#options
    const { question, sealAnswer } = openQuestion(key, sealed)
    const message = decodeCardMessage(question)
    if (message.type !== 'request') return refused('malformed')
    const time = AbortSignal.any([signal, AbortSignal.timeout(timeouts.search)])
    const cards = isListed(message.address) ? await search.find(message.address, { signal: time }) : []
    const answer = { type: 'answer', cards: cards.map(({ signed }) => encodeSignedCard(signed)) } as const
    return { type: 'sealed', sealed: sealAnswer(encodeCardMessage(answer)) }
  }

  async #peersFor(asker: string): Promise<string[]> {
    const { host } = this.#options
    const peerIds: string[] = []
    for (const peerId of host.connectedPeers) {
      if (peerIds.length === MAX_PEERS_IN_LIST) break
      if (peerId !== asker && (await host.speaks(peerId, CARD_PROTOCOL))) peerIds.push(peerId)
    }
    return peerIds
  }

  async #within<T>(gate: Gate, who: string, answer: () => Promise<T>): Promise<T | CardMessage> {
    const leave = gate.tryEnter(who)
    if (!leave) return refused('busy')
    try {
      return await answer()
    } finally {
      leave()
    }
  }
}

function refused(reason: keyof typeof REFUSED): CardMessage {
  return { type: 'refused', code: REFUSED[reason] }
}
