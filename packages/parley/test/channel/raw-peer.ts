import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { Agent, type AgentEvent, type AgentEventName, type AgentEventOf, type ConnectionInMaking } from '@parley/agent'
import { type ContactRequest, parseConnectionLink } from '@parley/agent/links'
import { agentEnvelopeCodec, CLIENT_CONFIRMATION_LENGTH } from '@parley/agent/protocol'
import { e2eParamsUriCodec } from '@parley/agent/ratchet'
import { dh, PrivateKey, sealBox, sha256 } from '@parley/core/crypto'
import { encode } from '@parley/core/encoding'
import { SmpClient } from '@parley/smp/client'
import { clientMessageCodec, clientMessageEnvelopeCodec } from '@parley/smp/protocol'
import { encodeSignedCard, type SignedCard } from '../../src/card/index.ts'
import {
  ACCEPTOR,
  type ChannelMessage,
  type ChannelRole,
  decodeChannelMessage,
  encodeChannelMessage,
  encodeChannelRequest,
  type Hello,
  OPENER,
  signChannelRequest,
  signProof,
} from '../../src/channel/protocol/index.ts'
import { FAST, type Identity, type TestNode, type World } from './fixture.ts'

const NOTHING = new Uint8Array()

/** A peer that keeps the rules only as far as a test lets it: an agent, and messages made by hand. */
export class RawPeer {
  readonly identity: Identity
  readonly agent: Agent
  contactConnId = ''
  contactLink = ''
  signed: SignedCard | undefined
  readonly #events: AgentEvent[] = []
  #wake = Promise.withResolvers<void>()

  private constructor(identity: Identity, agent: Agent) {
    this.identity = identity
    this.agent = agent
  }

  static async start(world: World, identity: Identity, router: { address: string }): Promise<RawPeer> {
    const store = join(world.dir, `${identity.name}-${randomBytes(4).toString('hex')}.db`)
    const agent = await Agent.open({ store, servers: [router.address], config: FAST })
    const peer = new RawPeer(identity, agent)
    world.add(agent)
    const contact = await agent.createConnection({ mode: 'contact' })
    peer.contactConnId = contact.connId
    peer.contactLink = contact.shortLink ?? ''
    peer.signed = await identity.card(peer.contactLink)
    void peer.#read()
    return peer
  }

  get card(): SignedCard {
    if (!this.signed) throw new Error('no card')
    return this.signed
  }

  /** The next event with this name. */
  async expect<N extends AgentEventName>(name: N, timeout = 30_000): Promise<AgentEventOf<N>> {
    const deadline = AbortSignal.timeout(timeout)
    for (;;) {
      const index = this.#events.findIndex((event) => event.event === name)
      const [found] = index >= 0 ? this.#events.splice(index, 1) : []
      if (found) return found as AgentEventOf<N>
      const { promise, reject } = Promise.withResolvers<never>()
      const abort = () => reject(new Error(`no ${name}; seen: ${this.#events.map(({ event }) => event).join(', ')}`))
      deadline.addEventListener('abort', abort, { once: true })
      await Promise.race([this.#wake.promise, promise])
      deadline.removeEventListener('abort', abort)
    }
  }

  /** The next channel message, acknowledged. */
  async message(): Promise<ChannelMessage> {
    const { connId, msgId, body } = await this.expect('MSG')
    await this.agent.ackMessage(connId, msgId)
    return decodeChannelMessage(body)
  }

  /** The next channel message that is as wanted; others are passed over. */
  async messageWith(matches: (message: ChannelMessage) => unknown): Promise<ChannelMessage> {
    for (;;) {
      const message = await this.message()
      if (matches(message)) return message
    }
  }

  /** Sends a request with these contents, whatever they are. */
  async request(
    node: { contactLink: string },
    info: Uint8Array | ((connection: ConnectionInMaking) => Uint8Array),
  ): Promise<string> {
    return (await this.agent.joinConnection({ link: node.contactLink, info })).connId
  }

  /** What an honest request to the node would say. */
  requestInfo(
    node: { contactLink: string },
    change: { signed?: SignedCard; issuedAt?: number; key?: PrivateKey<'ed25519'>; contactLink?: string } = {},
  ): (connection: Pick<ConnectionInMaking, 'keyAgreement'>) => Uint8Array {
    const { signed = this.card, issuedAt = Date.now(), key = this.identity.channelKey, contactLink } = change
    return ({ keyAgreement = NOTHING }) => {
      const target = { contactLink: contactLink ?? node.contactLink, keyAgreement }
      return encodeChannelRequest(signChannelRequest(key, target, { signedCard: encodeSignedCard(signed), issuedAt }))
    }
  }

  /** Opens a connection to a node with a request that keeps the rules; no proof is sent yet. */
  async join(node: TestNode): Promise<string> {
    const connId = await this.request(node, this.requestInfo(node))
    const conf = await this.expect('CONF')
    await this.agent.allowConnection(conf.connId, conf.confId, NOTHING)
    await this.expect('CON')
    return connId
  }

  /** Accepts the next request; no proof is sent yet. */
  async accept(): Promise<string> {
    const { invId } = await this.expect('REQ')
    const { connId } = await this.agent.acceptContact(invId, { info: NOTHING })
    await this.expect('CON')
    return connId
  }

  /** The proof of this side, with what a test changes in it. */
  async hello(
    connId: string,
    peer: { address: string },
    role: ChannelRole,
    change: Partial<Hello> & { key?: PrivateKey<'ed25519'>; ratchetAdHash?: Uint8Array } = {},
  ): Promise<Hello> {
    const { key = this.identity.channelKey, ratchetAdHash, ...fields } = change
    const statement = {
      ratchetAdHash: ratchetAdHash ?? (await this.agent.connectionRatchetAdHash(connId)),
      role,
      own: this.identity.address,
      peer: peer.address,
    }
    const { own, peer: to } = statement
    return { role, own, peer: to, signature: signProof(key, statement), ...fields }
  }

  async send(connId: string, message: ChannelMessage): Promise<void> {
    await this.agent.sendMessage(connId, encodeChannelMessage(message))
  }

  /** Opens a channel and proves itself. */
  async openChannel(node: TestNode): Promise<string> {
    const connId = await this.join(node)
    await this.send(connId, { hello: await this.hello(connId, node, OPENER) })
    await this.messageWith(({ hello }) => hello)
    return connId
  }

  /** Accepts a channel of a node and proves itself. */
  async acceptChannel(node: TestNode): Promise<string> {
    const connId = await this.accept()
    await this.send(connId, { hello: await this.hello(connId, node, ACCEPTOR) })
    await this.messageWith(({ hello }) => hello)
    return connId
  }

  async #read(): Promise<void> {
    for await (const event of this.agent.events()) {
      this.#events.push(event)
      this.#wake.resolve()
      this.#wake = Promise.withResolvers<void>()
    }
  }
}

/** Sends requests to a contact address as fast as its router takes them, without an agent. */
export class RawRequester {
  readonly #client: SmpClient
  readonly #contact: ContactRequest

  private constructor(client: SmpClient, contact: ContactRequest) {
    this.#client = client
    this.#contact = contact
  }

  /** @param link full link of the contact address */
  static async connect(world: World, link: string): Promise<RawRequester> {
    const parsed = parseConnectionLink(link)
    if (parsed.type !== 'full' || parsed.request.mode !== 'contact') throw new Error('not a contact address')
    const client = await SmpClient.connect(parsed.request.queues[0].server)
    world.add({ close: async () => client.close() })
    return new RawRequester(client, parsed.request)
  }

  /** The bytes of a request, and what they were made for. */
  make(infoOf: (keyAgreement: Uint8Array) => Uint8Array): Uint8Array {
    const [queue] = this.#contact.queues
    const key = () => PrivateKey.generate('x448').publicKey
    const e2eParams = { versions: { min: 2, max: 3 }, key1: key(), key2: key() }
    const connInfo = infoOf(sha256(encode(e2eParamsUriCodec, e2eParams)))
    const { agentVersions } = this.#contact
    // A queue that nobody reads.
    const request = {
      mode: 'invitation' as const,
      agentVersions,
      queues: [{ ...queue, senderId: randomBytes(24), mode: 'messaging' as const }] as const,
      e2eParams,
    }
    return encode(agentEnvelopeCodec, { type: 'invitation', agentVersion: agentVersions.max, request, connInfo })
  }

  /** Sends a request, again when it was sent before. Throws SMP QUOTA while the queue is full. */
  async send(request: Uint8Array): Promise<void> {
    const [queue] = this.#contact.queues
    const key = PrivateKey.generate('x25519')
    const nonce = randomBytes(24)
    const secret = dh(key, queue.dhKey)
    const message = encode(clientMessageCodec, { body: request })
    const encrypted = sealBox(secret, nonce, message, CLIENT_CONFIRMATION_LENGTH)
    const version = queue.versions.max
    const body = encode(clientMessageEnvelopeCodec, { version, senderKey: key.publicKey, nonce, encrypted })
    await this.#client.send({ sndId: queue.senderId, notification: false, body })
  }
}
