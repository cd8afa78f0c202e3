import { setTimeout as sleep } from 'node:timers/promises'
import type { AgentRecord } from '@parley/acn/protocol'
import type { PeerKey } from '@parley/acn/record'
import type { Agent } from '@parley/agent'
import { PrivateKey, sha256 } from '@parley/core/crypto'
import { equalBytes } from '@parley/core/encoding'
import { KeyedLock } from '@parley/core/lock'
import {
  type Attachment,
  type ContactCard,
  encodeSignedCard,
  type LedgerSigner,
  linkBindingOf,
  newContactCard,
  representCard,
  type SignedCard,
  signCard,
} from '../card/index.ts'
import type { Channels } from '../channel/index.ts'
import type { CardDirectory } from '../directory/index.ts'
import type { Contact, ContactBook } from './contact-book.ts'
import { ContactError } from './contact-error.ts'

/** Waits between two tries to make a contact, ms. */
const RETRY = { first: 500, longest: 30_000 }
/** How long a renewed contact may take to be in use, ms: nobody else is needed for that. */
const IN_USE = 20_000
/** How long a router may take to say at an old link where the new one is, ms. */
const POINT_ON = 10_000
/** How often cards are looked at, ms. */
const RENEWAL = 3_600_000

/** An agent whose ledger key signs its cards. */
export interface CardSigner {
  readonly sign: LedgerSigner
  /** Data that goes with its cards. */
  readonly attachment?: Attachment
}

/** What contacts are made with. */
export interface ContactsOptions {
  readonly agent: Agent
  readonly book: ContactBook
  readonly directory: CardDirectory
  readonly channels: Channels
  readonly key: PeerKey
  /** How the ledger key of an address signs; undefined for agents that are represented. */
  readonly signerOf: (address: string) => CardSigner | undefined
  /** Called when a card is served here: tells those who serve it as well; never rejects. */
  readonly onServed: (address: string) => Promise<void>
  /** Called with each step that is done. */
  readonly onStep?: ((step: string) => void) | undefined
  readonly log: (level: 'info' | 'warning', line: string) => void
}

/** An agent that is to have a contact. */
interface Making {
  readonly record: AgentRecord
  /** False: its card is served to nobody, only given to those to whom it writes. */
  readonly isListed: boolean
  readonly made: Promise<void>
}

/**
 * The contact addresses and cards of this node's agents: each agent that is registered here gets them, each card is
 * renewed before it ends. The new card is stored, then its link says so, then it is served: `docs/cards.md`.
 */
export class Contacts {
  readonly #options: ContactsOptions
  readonly #lock = new KeyedLock()
  readonly #ready = new Map<string, Contact>()
  readonly #making = new Map<string, Making>()
  readonly #abort = new AbortController()

  constructor(options: ContactsOptions) {
    this.#options = options
    void this.#renew()
  }

  /** Whether an agent can be reached in private. */
  isReady(address: string): boolean {
    return this.#ready.has(address)
  }

  /** The card of an agent that is ready. */
  cardOf(address: string): SignedCard | undefined {
    return this.#ready.get(address)?.signed
  }

  /** Resolves when the agent has a contact, or the time is over; never rejects. */
  async whenReady(address: string, withinMs: number): Promise<void> {
    const making = this.#making.get(address)
    if (!making) return
    const time = new AbortController()
    const timer = sleep(withinMs, undefined, { ref: false, signal: time.signal }).catch(() => {})
    await Promise.race([making.made, timer])
    time.abort()
  }

  /** An agent is registered here: it gets a contact, in the background, as often as that has to be tried. */
  ensure(record: AgentRecord, isListed: boolean): void {
    const { address } = record
    const made = Promise.withResolvers<void>()
    // First, as it is looked at to see whether the agent is still here.
    this.#making.set(address, { record, isListed, made: made.promise })
    this.#lock
      .withLock(address, () => this.#tryOn(address))
      .catch(() => {})
      .finally(made.resolve)
  }

  /** An agent has gone to another peer, which makes a contact of its own. */
  async remove(address: string): Promise<void> {
    const { book, channels, directory } = this.#options
    this.#making.delete(address)
    await this.#lock.withLock(address, async () => {
      const contact = book.get(address)
      this.#ready.delete(address)
      await channels.removeLocal(address, 'moved')
      await directory.withdraw(address)
      if (!contact) return
      const retired = book.retiredOf(address)
      // First, as a connection without an agent is found and deleted later, but not an agent without its connection.
      await book.delete(address)
      this.#step('contact forgotten')
      for (const connId of [contact.connId, ...retired]) await this.#deleteContact(connId)
    })
  }

  /**
   * Gives an agent another contact address, another channel key, and a card that names them, as after a theft of what was
   * before. The old address is deleted, the channels are closed and opened anew; what waits in them goes on. Once the new
   * contact is stored this goes on by itself, also after a crash; until then the old one is in force.
   * @returns the new card
   * @throws ContactError; the signal's reason
   */
  async renew(address: string, signal?: AbortSignal): Promise<SignedCard> {
    const end = signal ? AbortSignal.any([signal, this.#abort.signal]) : this.#abort.signal
    const signed = await this.#lock.withLock(address, () => this.#replace(address, end), end)
    this.#log('info', `${address} has a new contact address and channel key`)
    const making = this.#making.get(address)
    // Unless it has gone to another peer meanwhile: that forgets the new contact as well.
    if (making) this.ensure(making.record, making.isListed)
    await this.whenReady(address, IN_USE)
    return signed
  }

  /** Addresses of agents that are ready. */
  get addresses(): string[] {
    return [...this.#ready.keys()]
  }

  /**
   * Deletes contact addresses that a crash has left without an agent, and forgets those that are gone. To be called once,
   * before any agent is there.
   */
  async sweep(): Promise<void> {
    const { agent, book } = this.#options
    const contacts = (await agent.listConnections()).filter(({ mode }) => mode === 'contact')
    const existing = new Set(contacts.map(({ connId }) => connId))
    for (const { address, connId } of book.list()) if (!existing.has(connId)) await book.delete(address)
    for (const { connId } of book.listRetired()) if (!existing.has(connId)) await book.forgetRetired(connId)
    const known = new Set([...book.list(), ...book.listRetired()].map(({ connId }) => connId))
    for (const { connId } of contacts) {
      if (known.has(connId)) continue
      // Its router may be away: that keeps nobody waiting.
      agent.deleteConnection(connId).catch((error: unknown) => {
        this.#log('warning', `an old contact address was not deleted: ${reasonOf(error)}`)
      })
    }
  }

  async stop(): Promise<void> {
    this.#abort.abort(new Error('contacts stop'))
    await Promise.allSettled([...this.#making.values()].map(({ made }) => made))
  }

  async #tryOn(address: string): Promise<void> {
    const { signal } = this.#abort
    for (let wait = RETRY.first; !signal.aborted; wait = Math.min(2 * wait, RETRY.longest)) {
      const making = this.#making.get(address)
      // It has gone meanwhile.
      if (!making) return
      try {
        return await this.#make(making)
      } catch (error) {
        if (signal.aborted) return
        if (wait === RETRY.first) this.#log('warning', `contact of ${address}: ${reasonOf(error)}, trying on`)
        await sleep(wait, undefined, { signal, ref: false }).catch(() => {})
      }
    }
  }

  async #make({ record, isListed }: Making): Promise<void> {
    const { agent, book, channels, directory, onServed } = this.#options
    const { address } = record
    const before = this.#ready.get(address)
    let contact = book.get(address) ?? (await this.#newContact(address))
    const retired = book.retiredOf(address)
    if (!this.#isCurrent(contact, record)) {
      contact = { ...contact, signed: await this.#sign(contact, record), isPublished: false }
      await book.put(contact)
      this.#step('card stored')
    }
    const { signed, connId, channelKey } = contact
    if (!signed) return
    if (!contact.isPublished) {
      await agent.setShortLinkData(connId, linkBindingOf(signed), { signal: this.#abort.signal })
      this.#step('link set')
      contact = { ...contact, isPublished: true }
      await book.put(contact)
      this.#step('link noted')
    }
    for (const old of retired) await this.#pointOn(old, signed)
    if (isListed) await directory.serveOwn(signed)
    else await directory.withdraw(address)
    this.#step('card served')
    if (before?.connId !== connId) {
      const newest = () => {
        const ready = this.#ready.get(address)
        return ready?.connId === connId && ready.signed ? ready.signed : signed
      }
      const card = () => encodeSignedCard(newest(), { withoutAttachment: true })
      const local = { address, card, channelKey, contactConnId: connId }
      // Channels of the contact before are closed once its successor is served: peers find that.
      await (retired.length > 0 ? channels.renewLocal(local) : channels.addLocal(local))
    }
    this.#ready.set(address, contact)
    this.#step('agent added')
    for (const old of retired) {
      await this.#deleteContact(old)
      this.#step('old contact deleted')
      await book.forgetRetired(old)
      this.#step('old contact forgotten')
    }
    if (isListed) await onServed(address)
  }

  /** Makes a contact in the place of the one that is in force, all of it, before it takes that place. */
  async #replace(address: string, signal: AbortSignal): Promise<SignedCard> {
    const { agent, book, directory, signerOf } = this.#options
    const making = this.#making.get(address)
    if (!making) throw new ContactError('UNKNOWN', `no agent of this node has the address ${address}`)
    const before = book.get(address)
    if (!before?.signed || !this.#ready.has(address)) {
      throw new ContactError('NOT_READY', 'the agent has no contact address yet')
    }
    const isLedgerSigned = before.signed.proof.kind === 'ledger' || directory.hasLedgerCard(address)
    if (isLedgerSigned && !signerOf(address)) {
      throw new ContactError('LEDGER_KEY', 'the card in force is signed by a ledger key that is not here')
    }
    let connId: string | undefined
    try {
      const made = await this.#makeAddress(address, signal)
      connId = made.connId
      const signed = await this.#sign({ ...made, signed: before.signed }, making.record)
      // Nobody knows the link yet. Once the contact is stored only this node is needed for the rest.
      await agent.setShortLinkData(connId, linkBindingOf(signed), { signal })
      this.#step('link set')
      await book.replace({ ...made, signed, isPublished: true })
      this.#step('contact replaced')
      return signed
    } catch (error) {
      if (connId !== undefined) await this.#deleteContact(connId).catch(() => {})
      signal.throwIfAborted()
      throw new ContactError('FAILED', reasonOf(error), { cause: error })
    }
  }

  /** Who looks at the link of a contact before finds the new card there, until it is deleted. */
  async #pointOn(connId: string, signed: SignedCard): Promise<void> {
    const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(POINT_ON)])
    // Where its router is away, others do not find the old card there either.
    await this.#options.agent.setShortLinkData(connId, linkBindingOf(signed), { signal }).catch(() => {})
    this.#step('old link set')
  }

  async #deleteContact(connId: string): Promise<void> {
    const { agent } = this.#options
    const isThere = (await agent.listConnections()).some((connection) => connection.connId === connId)
    if (isThere) await agent.deleteConnection(connId)
  }

  async #newContact(address: string): Promise<Contact> {
    const contact = await this.#makeAddress(address, this.#abort.signal)
    await this.#options.book.put(contact)
    this.#step('contact stored')
    return contact
  }

  async #makeAddress(address: string, signal: AbortSignal): Promise<Contact> {
    const { agent } = this.#options
    const { connId, shortLink } = await agent.createConnection({ mode: 'contact', signal })
    this.#step('contact address made')
    if (shortLink === undefined) {
      await agent.deleteConnection(connId)
      throw new Error('the router is too old for short links')
    }
    return { address, connId, link: shortLink, channelKey: PrivateKey.generate('ed25519'), isPublished: false }
  }

  /** Whether the card says what it is to say, and is not near its end. */
  #isCurrent({ signed, link }: Contact, record: AgentRecord, now: number = Date.now()): boolean {
    if (!signed) return false
    const { card, proof } = signed
    if (card.contactLink !== link || (card.notBefore + card.notAfter) / 2 < now) return false
    const signer = this.#options.signerOf(record.address)
    if (signer) return proof.kind === 'ledger' && isSameAttachment(card, signer.attachment)
    // The key is not here now, and what it has signed is more than what this peer could say.
    if (proof.kind === 'ledger') return true
    // Of the same peer each proof says the same: some agents make a new one each time they attach.
    return proof.record.peerPublicKey === record.peerPublicKey
  }

  async #sign({ address, link, channelKey, signed }: Contact, record: AgentRecord): Promise<SignedCard> {
    const { directory, key, signerOf } = this.#options
    const signer = signerOf(address)
    const { ledgerId, publicKey } = record
    const attachment = signer?.attachment
    const card = newContactCard({
      ledgerId,
      address,
      publicKey,
      contactLink: link,
      channelKey: channelKey.publicKey.raw,
      previousSequence: Math.max(directory.lastSequence(address), signed?.card.sequence ?? 0),
      ...(attachment && { attachment }),
    })
    return signer ? signCard(card, signer.sign, attachment) : representCard(card, record, key)
  }

  async #renew(): Promise<void> {
    const { signal } = this.#abort
    while (!signal.aborted) {
      await sleep(RENEWAL, undefined, { signal, ref: false }).catch(() => {})
      if (signal.aborted) return
      for (const { record, isListed } of [...this.#making.values()]) {
        const contact = this.#ready.get(record.address)
        if (contact && !this.#isCurrent(contact, record)) this.ensure(record, isListed)
      }
    }
  }

  #step(step: string): void {
    this.#options.onStep?.(step)
  }

  #log(level: 'info' | 'warning', line: string): void {
    this.#options.log(level, line)
  }
}

function isSameAttachment({ attachment: named }: ContactCard, attachment: Attachment | undefined): boolean {
  if (!named || !attachment) return !named && !attachment
  return named.type === attachment.type && equalBytes(named.digest, sha256(attachment.bytes))
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : 'failed'
}
