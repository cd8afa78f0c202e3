import type { CarriedEnvelope, CarrierParts, Carrying, NodeCarrier } from '@parley/acn/node'
import { type AgentRecord, decodeEnvelope, type Envelope, encodeEnvelope, STATUS } from '@parley/acn/protocol'
import type { Agent } from '@parley/agent'
import { DecodeError } from '@parley/core/encoding'
import { CardError, type SignedCard } from '../card/index.ts'
import { ChannelError, type ChannelEvents, Channels, type ChannelsOptions } from '../channel/index.ts'
import {
  CARD_ENVELOPE_PROTOCOL,
  CardDirectory,
  CardStore,
  cardEnvelope,
  DEFAULT_DIRECTORY_LIMITS,
  DirectoryError,
  type FindOptions,
  type FoundCard,
  linkReaderOf,
  readCardEnvelope,
} from '../directory/index.ts'
import { CardNeeds } from './card-needs.ts'
import { ContactBook } from './contact-book.ts'
import { type CardSigner, Contacts } from './contacts.ts'
import { gatewayFiles } from './gateway-files.ts'

/** How long an envelope waits for the contact of its sender to be made, ms. */
const CONTACT_PATIENCE = 10_000

/** How long the answer to a question in an envelope is waited for, ms. */
const ASK_PATIENCE = 15_000
/** How long a pair for which there is no card goes the plain way before a card is looked for again, ms. */
const PLAIN_FOR = 30_000
/** Pairs whose way is remembered; others are asked about anew. */
const MAX_WAYS = 10_000
/** Between two lines about refused requests, ms: anybody can make as many as they like. */
const REFUSALS_EVERY = 10_000

/** Which way envelopes go. */
export type PrivateMode = 'prefer' | 'require'

/** What a gateway is made from, besides its node. */
export interface GatewayOptions {
  readonly agent: Agent
  /** The gateway closes the agent when it stops, or cannot be opened. */
  readonly ownsAgent?: boolean
  /** Folder of its databases. */
  readonly folder: string
  readonly passphrase?: string | undefined
  readonly mode: PrivateMode
  /** Who may learn that a card is looked for. */
  readonly lookup: NonNullable<FindOptions['privacy']>
  readonly policy?: ChannelsOptions['policy']
  readonly limits?: ChannelsOptions['limits']
  /** Post-quantum encryption of new channels. Default true. */
  readonly pq?: ChannelsOptions['pq']
  /** Agents whose ledger key is here, by address. */
  readonly signers?: ReadonlyMap<string, CardSigner>
  /** Agents of which no other peer is to hear; those of sessions that say so besides. */
  readonly unlisted?: ReadonlySet<string>
  readonly log?: (level: 'info' | 'warning', line: string) => void
  /** Called with each step of making a contact that is done. */
  readonly onStep?: (step: string) => void
}

/** Which way envelopes of a pair go; `until` in ms since 1970. */
type Way = { readonly type: 'carried' } | { readonly type: 'plain'; readonly until: number }

/**
 * Joins the two planes: envelopes of a node's agents to an address with a contact card go in a private channel, those
 * that come by channels are given to agents as all others are. Agents behind the node change nothing. `docs/gateway.md`.
 */
export class Gateway implements NodeCarrier {
  readonly channels: Channels
  readonly directory: CardDirectory
  readonly #options: GatewayOptions
  readonly #parts: CarrierParts
  readonly #contacts: Contacts
  readonly #cards: CardStore
  readonly #book: ContactBook
  readonly #needs: CardNeeds
  readonly #abort = new AbortController()
  /** By pair. */
  readonly #ways = new Map<string, Way>()
  /** Questions in envelopes, by pair. */
  readonly #asked = new Map<string, PromiseWithResolvers<FoundCard | undefined>>()
  #refusals = { count: 0, toldAt: Number.NEGATIVE_INFINITY }

  private constructor(
    options: GatewayOptions,
    parts: CarrierParts,
    stores: { channels: Channels; directory: CardDirectory; cards: CardStore; book: ContactBook },
  ) {
    const { channels, directory, cards, book } = stores
    this.channels = channels
    this.directory = directory
    this.#options = options
    this.#parts = parts
    this.#cards = cards
    this.#book = book
    this.#contacts = new Contacts({
      agent: options.agent,
      book,
      directory,
      channels,
      key: parts.key,
      signerOf: (address) => options.signers?.get(address),
      onServed: (address) => this.#publish(address),
      onStep: options.onStep,
      log: (level, line) => this.#log(level, line),
    })
    this.#needs = new CardNeeds({
      signal: this.#abort.signal,
      find: (address) => directory.find(address, { privacy: options.lookup, fresh: true, signal: this.#abort.signal }),
      open: (local, peer, { card }) => channels.open(local, peer, card),
      isWaiting: (local, peer) => channels.waitingFor(local, peer) > 0,
    })
  }

  /**
   * Opens a gateway for a node; what was under way goes on.
   * @throws StoreError
   */
  static async open(options: GatewayOptions, parts: CarrierParts): Promise<Gateway> {
    try {
      return await Gateway.#make(options, parts)
    } catch (error) {
      if (options.ownsAgent) await options.agent.close()
      throw error
    }
  }

  static async #make(options: GatewayOptions, parts: CarrierParts): Promise<Gateway> {
    const { agent, folder, passphrase, policy, limits, pq, unlisted, log } = options
    const { host, key, router, proofs } = parts
    await using opened = new AsyncDisposableStack()
    const files = gatewayFiles(folder)
    const cards = CardStore.open({ file: files.cards, passphrase, limits: DEFAULT_DIRECTORY_LIMITS })
    opened.defer(() => cards.close())
    const book = ContactBook.open(files.contacts, passphrase)
    opened.defer(() => book.close())
    const directory = await CardDirectory.start({
      host,
      key,
      proofs,
      store: cards,
      isRegistered: (address) => router.isFoundHere(address),
      isListed: (address) => router.isListed(address) && !unlisted?.has(address),
      readLink: linkReaderOf(agent),
      onRefused: ({ address, from, code }) => log?.('warning', `card of ${address} from ${from} refused: ${code}`),
    })
    opened.defer(() => directory.stop())
    const channels = await Channels.open({
      agent,
      policy,
      limits,
      pq,
      acceptCard: async (card) => {
        try {
          cards.check(card)
          return true
        } catch (error) {
          if (error instanceof CardError) return false
          throw error
        }
      },
      log: ({ level, message, local, peer, error }) => {
        const about = [local, peer].filter((address) => address !== undefined).join(' with ')
        if (level === 'warn' || level === 'error') log?.('warning', [message, about, error].filter(Boolean).join(': '))
      },
    })
    opened.use(channels)
    const gateway = new Gateway(options, parts, { channels, directory, cards, book })
    // Before agents are there, whose contact addresses would be taken for left ones.
    await gateway.#contacts.sweep()
    gateway.#listen()
    for (const { local, peer, state, waiting } of channels.list()) {
      if (state === 'none' && waiting > 0) gateway.#needs.need(local, peer)
    }
    opened.move()
    return gateway
  }

  /** Resolves when an agent of this node can be reached in private, or the time (ms) is over. */
  whenReady(address: string, withinMs: number): Promise<void> {
    return this.#contacts.whenReady(address, withinMs)
  }

  /** The card of an agent of this node; undefined until it has one. */
  cardOf(address: string) {
    return this.#contacts.cardOf(address)
  }

  /**
   * Gives an agent of this node another contact address and channel key, with a card that names them, as after a theft:
   * the old address is deleted, channels are closed and opened anew, what waits in them goes on.
   * @returns the new card
   * @throws ContactError: the contact before is in force; the signal's reason
   */
  renewContact(address: string, signal?: AbortSignal): Promise<SignedCard> {
    return this.#contacts.renew(address, signal)
  }

  /**
   * Looks for a contact card, as it is done before a channel is opened.
   * @throws DirectoryError; the signal's reason
   */
  find(address: string, signal?: AbortSignal): Promise<FoundCard | undefined> {
    return this.directory.find(address, { privacy: this.#options.lookup, ...(signal && { signal }) })
  }

  async carry(envelope: CarriedEnvelope, signal: AbortSignal): Promise<Carrying> {
    const { id, sender, to, bytes, expiresAt } = envelope
    const way = this.wayOf(sender, to)
    if (way === 'plain') return { type: 'plain' }
    try {
      if (way === undefined && this.channels.hasChannel(sender, to) === undefined) {
        const answer = await this.#open(sender, to, bytes, signal)
        if (answer) return answer
      }
      // Its place in the order is taken when this returns its promise: from here on others may follow.
      const sent = this.channels.send(sender, to, { id, bytes, expiresAt }, signal)
      this.#noteWay(sender, to, { type: 'carried' })
      await sent
      return { type: 'carried' }
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof ChannelError)) throw error
      return { type: 'later', reason: `private channel: ${error.code}` }
    }
  }

  wayOf(sender: string, to: string): 'carried' | 'plain' | undefined {
    const way = this.#ways.get(pairKey(sender, to))
    const hasChannel = this.channels.hasChannel(sender, to) !== undefined
    if (way?.type === 'carried') return hasChannel ? 'carried' : undefined
    return way && way.until > Date.now() && !hasChannel ? 'plain' : undefined
  }

  takes(envelope: Envelope, from: 'agent' | 'peer'): boolean {
    if (envelope.protocolId !== CARD_ENVELOPE_PROTOCOL) return false
    // An agent of ours that asks one elsewhere.
    if (from === 'agent' && !this.#parts.router.isRegistered(envelope.to)) return false
    this.#answerCardEnvelope(envelope).catch((error: unknown) => {
      this.#log('warning', `a question about cards was not answered: ${reasonOf(error)}`)
    })
    return true
  }

  onRegistered(record: AgentRecord, isListed: boolean): void {
    this.#contacts.ensure(record, isListed)
  }

  onMoved(address: string): void {
    // Those for whom it was here a moment ago have to look where it is.
    this.#ways.clear()
    this.#contacts.remove(address).catch((error: unknown) => {
      if (!this.#abort.signal.aborted) this.#log('warning', `leaving ${address}: ${reasonOf(error)}`)
    })
  }

  onContact(): void {
    for (const address of this.#contacts.addresses) void this.#publish(address)
  }

  async stop(): Promise<void> {
    this.#abort.abort(new Error('gateway stops'))
    // The last first. What cannot be closed, as when the disk has failed, does not leave the rest open.
    await using closing = new AsyncDisposableStack()
    closing.defer(() => (this.#options.ownsAgent ? this.#options.agent.close() : undefined))
    closing.defer(() => this.#book.close())
    closing.defer(() => this.#cards.close())
    closing.defer(() => this.channels.close())
    closing.defer(() => this.#contacts.stop())
    closing.defer(() => this.directory.stop())
  }

  /**
   * Asks an agent itself for its card, in an envelope, through whatever peers are between, which see who asks whom. Only
   * an agent that others find gets an answer.
   * @returns undefined when there is none in time
   * @throws as CardDirectory.find
   */
  async askByEnvelope(local: string, address: string, signal?: AbortSignal): Promise<FoundCard | undefined> {
    signal?.throwIfAborted()
    const key = pairKey(local, address)
    const asked = this.#asked.get(key) ?? Promise.withResolvers<FoundCard | undefined>()
    this.#asked.set(key, asked)
    const ends = [AbortSignal.timeout(ASK_PATIENCE), this.#abort.signal, ...(signal ? [signal] : [])]
    const end = AbortSignal.any(ends)
    const over = Promise.withResolvers<undefined>()
    const stop = () => over.resolve(undefined)
    end.addEventListener('abort', stop, { once: true })
    try {
      const question = cardEnvelope(address, local, { type: 'request', address })
      await this.#parts.router.carried.send(encodeEnvelope(question))
      const found = await Promise.race([asked.promise, over.promise])
      signal?.throwIfAborted()
      return found
    } finally {
      end.removeEventListener('abort', stop)
      if (this.#asked.get(key) === asked) this.#asked.delete(key)
    }
  }

  /**
   * Opens a channel when the address has a card.
   * @returns what is to be done instead; undefined when there is a channel now
   */
  async #open(sender: string, to: string, bytes: Uint8Array, signal: AbortSignal): Promise<Carrying | undefined> {
    const { router } = this.#parts
    if (isAboutCards(bytes)) return { type: 'plain' }
    if (to === sender || router.isRegistered(to)) {
      // It is away, and may be elsewhere without this node's knowledge.
      if (!router.isListed(to)) return { type: 'later', reason: 'the agent is away' }
      return this.#withoutChannel(sender, to, 'the agent is away')
    }
    if (!this.#contacts.isReady(sender)) await this.#contacts.whenReady(sender, CONTACT_PATIENCE)
    if (!this.#contacts.isReady(sender)) return this.#withoutChannel(sender, to, 'no contact address of our own yet')
    let found: FoundCard | undefined
    try {
      found = await this.directory.find(to, { privacy: this.#options.lookup, signal })
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof DirectoryError)) throw error
      if (error.code === 'LINK_UNREACHABLE') return { type: 'later', reason: 'the contact address cannot be reached' }
      // To send it plainly is to tell for whom, which is what was not to be told.
      return { type: 'later', reason: error.message }
    }
    // What went before it in private waits still: it goes behind that.
    if (!found && this.channels.waitingFor(sender, to) > 0) return undefined
    if (!found) return this.#withoutChannel(sender, to, 'no contact card was found')
    await this.channels.open(sender, to, found.card)
    return undefined
  }

  #withoutChannel(sender: string, to: string, reason: string): Carrying {
    if (this.#options.mode === 'require') return { type: 'later', reason }
    this.#noteWay(sender, to, { type: 'plain', until: Date.now() + PLAIN_FOR })
    return { type: 'plain' }
  }

  #noteWay(sender: string, to: string, way: Way): void {
    const key = pairKey(sender, to)
    this.#ways.delete(key)
    this.#ways.set(key, way)
    const [oldest] = this.#ways.keys()
    if (this.#ways.size > MAX_WAYS && oldest !== undefined) this.#ways.delete(oldest)
  }

  #listen(): void {
    const { channels } = this
    const { carried } = this.#parts.router
    channels.on('envelope', (event) => this.#receive(event))
    channels.on('delivered', ({ id }) => carried.arrived(id))
    channels.on('notDelivered', ({ local, peer, id, reason, status }) =>
      carried.inVain({
        id,
        to: peer,
        sender: local,
        reason: reason === 'expired' ? 'expired' : 'refused',
        ...(status !== undefined && { status }),
      }),
    )
    channels.on('cardNeeded', ({ local, peer, reason }) => {
      this.#log('info', `channel of ${local} with ${peer}: ${reason}`)
      this.#needs.need(local, peer)
    })
    channels.on('proofFailed', ({ local, peer }) =>
      this.#log('warning', `somebody could not prove to ${local} to be ${peer}: the connection was closed`),
    )
    channels.on('opened', ({ local, peer, pq, card }) => {
      this.#needs.opened(local, peer)
      this.#log('info', `${local} has a private channel with ${peer}${pq ? ', post-quantum' : ''} (${card} card)`)
    })
    channels.on('closed', ({ local, peer, reason }) =>
      this.#log('info', `private channel of ${local} with ${peer} closed: ${reason}`),
    )
    channels.on('request', ({ local, peer, card }) =>
      this.#log('info', `${peer} asks ${local} for a private channel (${card} card), and waits for an answer`),
    )
    channels.on('requestRefused', ({ local, peer, reason }) => {
      this.#refusals.count++
      const now = performance.now()
      if (now - this.#refusals.toldAt < REFUSALS_EVERY) return
      const others = this.#refusals.count > 1 ? `, and ${this.#refusals.count - 1} others` : ''
      this.#refusals = { count: 0, toldAt: now }
      const who = peer === undefined ? '' : ` by ${peer}`
      this.#log('warning', `a request to ${local}${who} was refused: ${reason}${others}`)
    })
  }

  /** An envelope that came by a channel: for the agent whose channel it is, from the one that has proven to be there. */
  async #receive({ local, peer, id, bytes, taken, refuse }: ChannelEvents['envelope']): Promise<void> {
    const envelope = readEnvelope(bytes)
    if (!envelope) return refuse(STATUS.ERROR_DECODE)
    if (envelope.sender !== peer || envelope.to !== local) return refuse(STATUS.ERROR_WRONG_AGENT_ADDRESS)
    if (this.takes(envelope, 'peer')) return taken()
    const end = await this.#parts.router.carried.receive({ id, to: local, sender: peer, bytes })
    if (this.#abort.signal.aborted) return
    switch (end.type) {
      case 'taken':
        return taken()
      case 'refused':
        return refuse(end.code)
      case 'gone':
        // The channel is closed for that: its sender has it, and sends it where the agent is.
        return
      case 'later':
        throw new Error('nothing more can be stored for the agent')
    }
  }

  async #answerCardEnvelope(envelope: Envelope): Promise<void> {
    const message = readCardEnvelope(envelope)
    if (!message) return
    const { to, sender } = envelope
    if (message.type === 'answer') {
      // Only what was asked for: to look at cards costs, and anybody can send some.
      const asked = this.#asked.get(pairKey(to, sender))
      return asked?.resolve(await this.directory.take(sender, message.cards, sender))
    }
    const answer = await this.directory.answerAgent(message, sender)
    if (!answer || sender === to) return
    if (answer.type !== 'answer' && answer.type !== 'published' && answer.type !== 'refused') return
    await this.#parts.router.carried.send(encodeEnvelope(cardEnvelope(sender, to, answer)))
  }

  /** A relay client's contact peer serves the cards of its agent while that is away. */
  async #publish(address: string): Promise<void> {
    const { host, router } = this.#parts
    const { contact } = host
    const isListed = router.isListed(address) && !this.#options.unlisted?.has(address)
    if (contact === undefined || !isListed) return
    const { signal } = this.#abort
    try {
      const served = await this.directory.publish(address, [contact], signal)
      if (!served.includes(contact)) this.#log('info', `the contact peer does not serve the card of ${address}`)
    } catch {
      // The gateway stops.
    }
  }

  #log(level: 'info' | 'warning', line: string): void {
    this.#options.log?.(level, line)
  }
}

function pairKey(sender: string, to: string): string {
  return `${sender.length}:${sender}${to}`
}

function isAboutCards(bytes: Uint8Array): boolean {
  return readEnvelope(bytes)?.protocolId === CARD_ENVELOPE_PROTOCOL
}

function readEnvelope(bytes: Uint8Array): Envelope | undefined {
  try {
    return decodeEnvelope(bytes)
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : 'failed'
}
