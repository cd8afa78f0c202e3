import { join } from 'node:path'
import type { CarriedEnvelope, CarrierParts, Carrying, NodeCarrier } from '@parley/acn/node'
import { type AgentRecord, decodeEnvelope, type Envelope, encodeEnvelope, STATUS } from '@parley/acn/protocol'
import type { Agent } from '@parley/agent'
import { DecodeError } from '@parley/core/encoding'
import { CardError } from '../card/index.ts'
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
import { ContactBook } from './contact-book.ts'
import { type CardSigner, Contacts } from './contacts.ts'

/** How long an envelope waits for the contact of its sender to be made, ms. */
const CONTACT_PATIENCE = 10_000

/** Ids that are remembered: far more than an agent has at once. */
const REMEMBERED = 20_000

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
  /** Agents whose ledger key is here, by address. */
  readonly signers?: ReadonlyMap<string, CardSigner>
  readonly log?: (level: 'info' | 'warning', line: string) => void
}

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
  readonly #abort = new AbortController()
  /** Ids of envelopes that came by channels lately. */
  readonly #cameByChannel = new Set<string>()

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
      log: (level, line) => this.#log(level, line),
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
    const { agent, folder, passphrase, policy, limits, log } = options
    const { host, key, router, proofs } = parts
    const cards = CardStore.open({ file: join(folder, 'cards.db'), passphrase, limits: DEFAULT_DIRECTORY_LIMITS })
    const book = ContactBook.open(join(folder, 'contacts.db'), passphrase)
    const directory = await CardDirectory.start({
      host,
      key,
      proofs,
      store: cards,
      isRegistered: (address) => router.isRegistered(address),
      readLink: linkReaderOf(agent),
      onRefused: ({ address, from, code }) => log?.('warning', `card of ${address} from ${from} refused: ${code}`),
    })
    const channels = await Channels.open({
      agent,
      file: join(folder, 'channels.db'),
      passphrase,
      policy,
      limits,
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
    const gateway = new Gateway(options, parts, { channels, directory, cards, book })
    gateway.#listen()
    for (const record of router.records) gateway.onRegistered(record)
    gateway.#contacts.sweep().catch(() => {})
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
   * Looks for a contact card, as it is done before a channel is opened.
   * @throws DirectoryError; the signal's reason
   */
  find(address: string, signal?: AbortSignal): Promise<FoundCard | undefined> {
    return this.directory.find(address, { privacy: this.#options.lookup, ...(signal && { signal }) })
  }

  /** Whether an envelope for an agent of this node, which that has just got, came by a channel. */
  cameByChannel(id: string): boolean {
    return this.#cameByChannel.has(id)
  }

  async carry(envelope: CarriedEnvelope, signal: AbortSignal): Promise<Carrying> {
    const { sender, to, bytes } = envelope
    if (this.channels.hasChannel(sender, to) === undefined) {
      const answer = await this.#open(sender, to, bytes, signal)
      if (answer) return answer
    }
    try {
      await this.channels.send(sender, to, { id: envelope.id, bytes }, signal)
      return { type: 'carried' }
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof ChannelError)) throw error
      return { type: 'later', reason: `private channel: ${error.code}` }
    }
  }

  takesInTurn(sender: string, to: string): boolean {
    return this.channels.hasChannel(sender, to) === 'open'
  }

  takes(envelope: Envelope, from: 'agent' | 'peer'): boolean {
    if (envelope.protocolId !== CARD_ENVELOPE_PROTOCOL) return false
    // An agent of ours that asks another one: only what it says to itself is for this node.
    if (from === 'agent' && envelope.to !== envelope.sender) return false
    this.#answerCardEnvelope(envelope).catch((error: unknown) => {
      this.#log('warning', `a question about cards was not answered: ${reasonOf(error)}`)
    })
    return true
  }

  onRegistered(record: AgentRecord): void {
    this.#contacts.ensure(record)
  }

  onMoved(address: string): void {
    const moved = async () => {
      await this.#contacts.remove(address)
      await this.#parts.router.carried.drop(address)
    }
    moved().catch((error: unknown) => this.#log('warning', `leaving ${address}: ${reasonOf(error)}`))
  }

  onContact(): void {
    for (const address of this.#contacts.addresses) void this.#publish(address)
  }

  async stop(): Promise<void> {
    this.#abort.abort(new Error('gateway stops'))
    this.directory.stop()
    await this.#contacts.stop()
    await this.channels.close()
    this.#cards.close()
    this.#book.close()
    if (this.#options.ownsAgent) await this.#options.agent.close()
  }

  /** Asks the agent itself for its card, in an envelope, through whatever peers are between; the answer comes later. */
  async askByEnvelope(local: string, address: string): Promise<void> {
    await this.#parts.router.carried.send(encodeEnvelope(cardEnvelope(address, local, { type: 'request', address })))
  }

  /**
   * Opens a channel when the address has a card.
   * @returns what is to be done instead; undefined when there is a channel now
   */
  async #open(sender: string, to: string, bytes: Uint8Array, signal: AbortSignal): Promise<Carrying | undefined> {
    const { router } = this.#parts
    if (to === sender || router.isRegistered(to) || isAboutCards(bytes)) return { type: 'plain' }
    await this.#contacts.whenReady(sender, CONTACT_PATIENCE)
    if (!this.#contacts.isReady(sender)) return this.#withoutChannel('no contact address of our own yet')
    let found: FoundCard | undefined
    try {
      found = await this.directory.find(to, { privacy: this.#options.lookup, signal })
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof DirectoryError)) throw error
      if (error.code === 'LINK_UNREACHABLE') return { type: 'later', reason: 'the contact address cannot be reached' }
      return this.#withoutChannel(error.message)
    }
    if (!found) return this.#withoutChannel('no contact card was found')
    await this.channels.open(sender, to, found.card)
    return undefined
  }

  #withoutChannel(reason: string): Carrying {
    return this.#options.mode === 'require' ? { type: 'later', reason } : { type: 'plain' }
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
    channels.on('cardNeeded', async ({ local, peer, reason }) => {
      this.#log('info', `channel of ${local} with ${peer}: ${reason}`)
      const { signal } = this.#abort
      const found = await this.directory.find(peer, { privacy: this.#options.lookup, fresh: true, signal })
      if (found) await channels.open(local, peer, found.card)
    })
    channels.on('proofFailed', ({ local, peer }) =>
      this.#log('warning', `somebody could not prove to ${local} to be ${peer}: the connection was closed`),
    )
    channels.on('opened', ({ local, peer, pq, card }) =>
      this.#log('info', `${local} has a private channel with ${peer}${pq ? ', post-quantum' : ''} (${card} card)`),
    )
    channels.on('closed', ({ local, peer, reason }) =>
      this.#log('info', `private channel of ${local} with ${peer} closed: ${reason}`),
    )
    channels.on('requestRefused', ({ local, peer, reason }) =>
      this.#log('warning', `a request to ${local}${peer === undefined ? '' : ` by ${peer}`} was refused: ${reason}`),
    )
  }

  /** An envelope that came by a channel: for the agent whose channel it is, from the one that has proven to be there. */
  async #receive({ local, peer, id, bytes, taken, refuse }: ChannelEvents['envelope']): Promise<void> {
    const envelope = readEnvelope(bytes)
    if (!envelope) return refuse(STATUS.ERROR_DECODE)
    if (envelope.sender !== peer || envelope.to !== local) return refuse(STATUS.ERROR_WRONG_AGENT_ADDRESS)
    this.#cameByChannel.add(id)
    const [oldest] = this.#cameByChannel
    if (this.#cameByChannel.size > REMEMBERED && oldest !== undefined) this.#cameByChannel.delete(oldest)
    const { code } = await this.#parts.router.carried.receive({ id, to: local, sender: peer, bytes })
    if (code === STATUS.SUCCESS) return taken()
    // The agent has gone, or there is no room: it stays with its sender, or comes again.
    if (code === STATUS.ERROR_UNKNOWN_AGENT_ADDRESS) return
    if (code === STATUS.ERROR_AGENT_NOT_READY) throw new Error('nothing more can be stored for the agent')
    await refuse(code)
  }

  async #answerCardEnvelope(envelope: Envelope): Promise<void> {
    const message = readCardEnvelope(envelope)
    if (!message) return
    const { to, sender } = envelope
    if (message.type === 'answer') return void (await this.directory.take(sender, message.cards, sender))
    const answer = await this.directory.answerAgent(message, sender)
    if (
      !answer ||
      sender === to ||
      (answer.type !== 'answer' && answer.type !== 'published' && answer.type !== 'refused')
    )
      return
    await this.#parts.router.carried.send(encodeEnvelope(cardEnvelope(sender, to, answer)))
  }

  /** A relay client's contact peer serves the cards of its agent while that is away. */
  async #publish(address: string): Promise<void> {
    const { host, router } = this.#parts
    const { contact } = host
    if (contact === undefined || !router.isListed(address)) return
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
