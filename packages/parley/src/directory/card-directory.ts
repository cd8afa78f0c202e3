import { type PeerKey, ProofCache } from '@parley/acn/record'
import {
  beats,
  bestCard,
  CardError,
  encodeSignedCard,
  holdsAt,
  knownCard,
  type SignedCard,
  type VerifiedCard,
  verifySignedCard,
} from '../card/index.ts'
import { type CardMessage, PUBLISHED } from './card-message.ts'
import { abortable, CardSearch, type RefusedCard } from './card-search.ts'
import { CardServer } from './card-server.ts'
import { type CardStore, isOutOfOrder } from './card-store.ts'
import { DirectoryError } from './directory-error.ts'
import { CARD_PROTOCOL, type DirectoryHost } from './directory-host.ts'
import { askPeer } from './exchange.ts'
import {
  DEFAULT_DIRECTORY_LIMITS,
  DEFAULT_DIRECTORY_TIMEOUTS,
  type DirectoryLimits,
  type DirectoryTimeouts,
} from './limits.ts'
import { confirmCard, type LinkReader } from './link-check.ts'
import { PrivateWay } from './private-way.ts'

/** What a directory is made from. */
export interface CardDirectoryOptions {
  readonly host: DirectoryHost
  /** Key of the peer: opens questions that are sealed to it. */
  readonly key: PeerKey
  /** Closed by whoever opened it, after the directory has stopped. */
  readonly store: CardStore
  /** Whether an agent is registered at this peer: whose cards are taken from others, and served. */
  readonly isRegistered: (address: string) => boolean
  /** False for agents of this node of which others are not to hear: their cards are given to nobody. Default true. */
  readonly isListed?: (address: string) => boolean
  /**
   * Reads what stands behind links. Without it the word of the card alone counts, and a known contact is looked for
   * anew instead of asking its link.
   */
  readonly readLink?: LinkReader
  /** Proofs of representation that were found valid. */
  readonly proofs?: ProofCache
  readonly limits?: Partial<DirectoryLimits>
  readonly timeouts?: Partial<DirectoryTimeouts>
  /** Told of every card, or link, that was refused: forged, copied, rolled back. */
  readonly onRefused?: (refused: RefusedCard) => void
}

/** How a card is looked for. */
export interface FindOptions {
  /**
   * Who may learn that this node looks for the address. `direct`: the peers that the DHT leads to. `private`: none of
   * them, if there are two Parley peers to do without, otherwise as `direct`. `required`: none of them, or there is no
   * answer. `private` by default.
   */
  readonly privacy?: 'direct' | 'private' | 'required'
  /** Looks again, whatever was found a moment ago. */
  readonly fresh?: boolean
  readonly signal?: AbortSignal
}

/** How a card was found. */
export type FoundWay =
  /** It is served here. */
  | 'own'
  /** At the link of a card that was known before. */
  | 'link'
  /** Through two peers, of which neither knows both who asked and for whom. */
  | 'private'
  /** At the providers that the DHT names. */
  | 'direct'
  /** It was handed in, as from an envelope. */
  | 'given'

/** A card by which its address can be reached now. */
export interface FoundCard {
  readonly card: VerifiedCard
  readonly way: FoundWay
  /** True when the card's link names the card, too. */
  readonly isConfirmed: boolean
}

interface Known {
  /** Undefined when there is none. */
  readonly found: FoundCard | undefined
  /** Milliseconds since 1970. */
  readonly until: number
}

interface Candidates {
  readonly cards: readonly VerifiedCard[]
  readonly way: FoundWay
}

/** Finds the contact cards of addresses, and serves those of this node's agents: `docs/cards.md`. */
export class CardDirectory {
  readonly #options: CardDirectoryOptions
  readonly #limits: DirectoryLimits
  readonly #timeouts: DirectoryTimeouts
  readonly #proofs: ProofCache
  readonly #abort = new AbortController()
  readonly #search: CardSearch
  readonly #server: CardServer
  readonly #privateWay: PrivateWay
  readonly #known = new Map<string, Known>()
  readonly #running = new Map<string, Promise<FoundCard | undefined>>()

  private constructor(options: CardDirectoryOptions) {
    const { host, key, store, isRegistered, isListed = () => true, proofs = new ProofCache() } = options
    this.#options = options
    this.#limits = { ...DEFAULT_DIRECTORY_LIMITS, ...options.limits }
    this.#timeouts = { ...DEFAULT_DIRECTORY_TIMEOUTS, ...options.timeouts }
    this.#proofs = proofs
    const common = { host, store, limits: this.#limits, timeouts: this.#timeouts, proofs }
    this.#search = new CardSearch({
      ...common,
      isServed: (address) => store.isOwn(address) || isRegistered(address),
      onRefused: (refused) => this.#report(refused),
      signal: this.#abort.signal,
    })
    this.#server = new CardServer({ ...common, key, search: this.#search, isRegistered, isListed })
    this.#privateWay = new PrivateWay(common)
  }

  /** Makes a directory that answers other peers from now on. */
  static async start(options: CardDirectoryOptions): Promise<CardDirectory> {
    const directory = new CardDirectory(options)
    await directory.#server.start()
    return directory
  }

  /** Ends all look-ups. Other peers are answered until their host stops. */
  stop(): void {
    this.#abort.abort(new Error('directory stops'))
  }

  /**
   * Serves a card of an agent of this node from now on, in place of an older one.
   * @throws CardError for what is wrong with it; ROLLED_BACK, EQUIVOCATION when it is not the newest
   */
  async serveOwn(signed: SignedCard): Promise<VerifiedCard> {
    const card = verifySignedCard(signed, { expectedAddress: signed.card.address, cache: this.#proofs })
    await this.#options.store.serve(card, true)
    this.#forget(card.card.address)
    return card
  }

  /** Serves the cards of an address no more; that they were there is remembered by those who have seen them. */
  async withdraw(address: string): Promise<void> {
    await this.#options.store.forget(address)
    this.#forget(address)
  }

  /** The highest sequence of an address's cards that is known here, 0 for none: the next card has a higher one. */
  lastSequence(address: string): number {
    return this.#options.store.lastSequence(address)
  }

  /** Whether a card of an address that its ledger key has signed is known here, and holds: no other kind counts then. */
  hasLedgerCard(address: string): boolean {
    const { store } = this.#options
    const known = [...store.served(address), ...store.highest(address)].map(knownCard)
    return known.some((card) => card.kind === 'ledger' && holdsAt(card, Date.now()))
  }

  /**
   * Hands the cards of an address, which are served here, to a peer at which the agent is registered: its contact peer,
   * which serves them while this node is away.
   * @returns what became of them, in no order
   * @throws CardAnswerError, or whatever keeps the peer from being reached
   */
  async publishTo(peerId: string, address: string, signal?: AbortSignal): Promise<(keyof typeof PUBLISHED)[]> {
    const options = { timeout: this.#timeouts.ask, signal: this.#either(signal) }
    const answers = this.#options.store.served(address).map(async (signed) => {
      const message = { type: 'publish', card: encodeSignedCard(signed) } as const
      const { code } = await askPeer(this.#options.host, peerId, message, 'published', options)
      return publishedName(code)
    })
    return Promise.all(answers)
  }

  /**
   * Hands the cards of an address to the peers that the DHT names for it, and to others.
   * @param contacts peer ids of peers at which the agent is registered
   * @returns peer ids of those that serve the newest cards now
   * @throws the signal's reason
   */
  async publish(address: string, contacts: readonly string[] = [], signal?: AbortSignal): Promise<string[]> {
    const { host } = this.#options
    const end = AbortSignal.any([this.#either(signal), AbortSignal.timeout(this.#timeouts.search)])
    const told = new Map<string, Promise<boolean>>()
    const tell = (peerId: string) => {
      if (peerId !== host.peerId && !told.has(peerId) && told.size < this.#limits.providers) {
        told.set(peerId, this.#tell(peerId, address, end))
      }
    }
    for (const peerId of contacts) tell(peerId)
    try {
      for await (const peerId of host.providersOf(address, end)) tell(peerId)
    } catch {
      signal?.throwIfAborted()
    }
    const served: string[] = []
    for (const [peerId, answer] of told) if (await answer) served.push(peerId)
    return served
  }

  /**
   * Finds the card by which an address can be reached now; undefined when it has none, or has taken it back.
   * @throws DirectoryError; the signal's reason
   */
  async find(address: string, options: FindOptions = {}): Promise<FoundCard | undefined> {
    const { privacy = 'private', fresh = false, signal } = options
    const both = this.#either(signal)
    both.throwIfAborted()
    const known = this.#known.get(address)
    if (!fresh && known && known.until > Date.now()) return known.found
    const name = `${privacy} ${address}`
    const running = this.#running.get(name) ?? this.#start(name, () => this.#find(address, privacy, fresh))
    return abortable(running, both)
  }

  /**
   * Takes cards of an address that came another way, such as in an envelope from its agent.
   * @param cards encoded signed cards
   * @param from who gave them, for reports
   * @throws as {@link find}
   */
  async take(address: string, cards: readonly Uint8Array[], from: string): Promise<FoundCard | undefined> {
    return this.#settle(address, { cards: this.#search.verified(address, cards, from), way: 'given' }, from)
  }

  /** The answer to what an agent asks in an envelope; undefined when it asks nothing. */
  answerAgent(message: CardMessage, sender: string): Promise<CardMessage | undefined> {
    return this.#server.answerAgent(message, sender)
  }

  async #start(name: string, find: () => Promise<FoundCard | undefined>): Promise<FoundCard | undefined> {
    const running = find()
    this.#running.set(name, running)
    try {
      return await running
    } finally {
      this.#running.delete(name)
    }
  }

  async #find(
    address: string,
    privacy: NonNullable<FindOptions['privacy']>,
    fresh: boolean,
  ): Promise<FoundCard | undefined> {
    const served = this.#search.served(address)
    if (served.length > 0 && this.#options.store.isOwn(address)) {
      const card = bestCard(served)
      return card?.card.contactLink === undefined ? undefined : { card, way: 'own', isConfirmed: false }
    }
    // Of an agent that is registered here, and may have its link elsewhere.
    if (served.length > 0) return this.#settle(address, { cards: served, way: 'own' }, 'own')
    const known = this.#options.readLink && bestCard(this.#remembered(address))
    const atLink = async () => (known?.card.contactLink === undefined ? undefined : this.#askLink(known))
    // A represented card's link is its representative's: whether another counts by now, it need not say.
    const refreshed = known?.kind === 'ledger' ? await atLink() : undefined
    if (refreshed) return this.#remember(address, refreshed)
    let candidates: Candidates
    try {
      candidates = await this.#searchFor(address, privacy, fresh)
    } catch (error) {
      // Nobody can be asked for another. That the known one leads nowhere does not say that there is none.
      const holding = known?.kind === 'represented' && error instanceof DirectoryError ? await atLink() : undefined
      if (holding) return this.#remember(address, holding)
      throw error
    }
    return this.#settle(address, candidates, candidates.way)
  }

  /** A known contact says at its link what is new: nobody else hears that it is looked for. */
  async #askLink(known: VerifiedCard): Promise<FoundCard | undefined> {
    try {
      const card = await this.#confirm(known)
      return { card, way: 'link', isConfirmed: true }
    } catch (error) {
      this.#abort.signal.throwIfAborted()
      if (error instanceof CardError) {
        this.#report({ address: known.card.address, code: error.code, from: 'link' })
        return undefined
      }
      if (error instanceof DirectoryError) return undefined
      throw error
    }
  }

  async #searchFor(address: string, privacy: NonNullable<FindOptions['privacy']>, fresh: boolean): Promise<Candidates> {
    const { signal } = this.#abort
    if (privacy !== 'direct') {
      let cards: VerifiedCard[] = []
      const isGood = (bytes: readonly Uint8Array[], target: string) => {
        cards = this.#inOrder(this.#search.verified(address, bytes, target), target)
        return cards.length > 0
      }
      const outcome = await this.#privateWay.ask(address, isGood, signal)
      if (outcome.type === 'answered') return { cards: outcome.cards.length > 0 ? cards : [], way: 'private' }
      if (privacy === 'required') {
        throw new DirectoryError('NO_PRIVATE_WAY', `no private way to look an address up, ${outcome.tried} tried`)
      }
    }
    return { cards: await this.#search.find(address, { signal, fresh }), way: 'direct' }
  }

  /** Decides among cards that prove themselves, together with those that are remembered. */
  async #settle(address: string, { cards, way }: Candidates, from: string): Promise<FoundCard | undefined> {
    const remembered = this.#remembered(address)
    const candidates = [...this.#inOrder(cards, from), ...remembered]
    const best = bestCard(candidates)
    if (!best) return this.#remember(address, undefined)
    // Only where the best one is not its link's word is there another: the one that was believed before.
    const sameKind = candidates.filter(({ kind }) => kind === best.kind).sort((a, b) => (beats(a, b) ? -1 : 1))
    for (const card of sameKind) {
      try {
        const counting = await this.#confirm(card)
        return this.#remember(address, { card: counting, way, isConfirmed: this.#options.readLink !== undefined })
      } catch (error) {
        if (!(error instanceof CardError)) throw error
        this.#report({ address, code: error.code, from: 'link' })
      }
    }
    return this.#remember(address, undefined)
  }

  /** The card that counts according to card and link, taken for the newest one from now on. */
  async #confirm(card: VerifiedCard): Promise<VerifiedCard> {
    const { readLink, store } = this.#options
    const options = { cache: this.#proofs, timeout: this.#timeouts.link, signal: this.#abort.signal }
    const counting = readLink ? await confirmCard(card, readLink, options) : card
    await store.take(counting)
    return counting
  }

  /** Those of the cards that do not go back behind what was seen before; the others are reported. */
  #inOrder(cards: readonly VerifiedCard[], from: string): VerifiedCard[] {
    return cards.filter((card) => {
      try {
        this.#options.store.check(card)
        return true
      } catch (error) {
        if (!isOutOfOrder(error)) throw error
        this.#report({ address: card.card.address, code: error.code, from })
        return false
      }
    })
  }

  /** The newest cards seen before, as far as they hold: they count also when nobody serves them now. */
  #remembered(address: string): VerifiedCard[] {
    const now = Date.now()
    return this.#options.store
      .highest(address)
      .map(knownCard)
      .filter((card) => holdsAt(card, now))
  }

  #remember(address: string, found: FoundCard | undefined): FoundCard | undefined {
    const isContact = found?.card.card.contactLink !== undefined
    const now = Date.now()
    const until = isContact
      ? Math.min(now + this.#timeouts.found, found.card.card.notAfter)
      : now + this.#timeouts.notFound
    const kept = isContact ? found : undefined
    this.#known.delete(address)
    this.#known.set(address, { found: kept, until })
    const [oldest] = this.#known.keys()
    if (this.#known.size > this.#limits.cached && oldest !== undefined) this.#known.delete(oldest)
    return kept
  }

  #forget(address: string): void {
    this.#known.delete(address)
    this.#search.forget(address)
  }

  async #tell(peerId: string, address: string, signal: AbortSignal): Promise<boolean> {
    try {
      if ((await this.#options.host.speaks(peerId, CARD_PROTOCOL)) === false) return false
      const answers = await this.publishTo(peerId, address, signal)
      return answers.length > 0 && answers.every((answer) => answer === 'stored' || answer === 'known')
    } catch {
      return false
    }
  }

  #either(signal: AbortSignal | undefined): AbortSignal {
    return signal ? AbortSignal.any([signal, this.#abort.signal]) : this.#abort.signal
  }

  #report(refused: RefusedCard): void {
    this.#options.onRefused?.(refused)
  }
}

function publishedName(code: number): keyof typeof PUBLISHED {
  const names = Object.keys(PUBLISHED) as (keyof typeof PUBLISHED)[]
  return names.find((name) => PUBLISHED[name] === code) ?? 'invalid'
}
