import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ledgerOf } from '@parley/acn/record'
import { Agent, type AgentConfig } from '@parley/agent'
import { PrivateKey } from '@parley/core/crypto'
import { SmpRouter, type SmpRouterOptions } from '@parley/smp/router'
import {
  encodeSignedCard,
  ledgerSigner,
  newContactCard,
  type SignedCard,
  signCard,
  type VerifiedCard,
  verifySignedCard,
} from '../../src/card/index.ts'
import {
  type ChannelEventName,
  type ChannelEvents,
  Channels,
  type ChannelsOptions,
  type LocalAgent,
} from '../../src/channel/index.ts'

/** Retries that do not make a test wait. */
export const FAST: Partial<AgentConfig> = {
  fastRetry: { initial: 50, increaseAfter: 1000, max: 200 },
  slowRetry: { initial: 60_000, increaseAfter: 1000, max: 60_000 },
  reconnectRetry: { initial: 50, increaseAfter: 1000, max: 200 },
  persistErrorInterval: 20,
  kemPoolSize: 2,
}

/** How long a test waits for what must come. */
const PATIENCE = 60_000

/** A key of a ledger and the key of its channels, made from a name: the same in every process. */
export class Identity {
  readonly name: string
  readonly ledgerId: string
  readonly ledgerKey: Uint8Array
  readonly publicKey: string
  readonly address: string
  readonly channelKey: PrivateKey<'ed25519'>

  constructor(name: string, ledgerId = 'ethereum') {
    const ledger = ledgerOf(ledgerId)
    if (!ledger) throw new Error('unknown ledger')
    this.name = name
    this.ledgerId = ledgerId
    this.ledgerKey = createHash('sha256').update(`ledger ${name}`).digest()
    this.publicKey = ledger.publicKeyOf(this.ledgerKey)
    this.address = ledger.addressOf(this.publicKey) ?? ''
    this.channelKey = new PrivateKey('ed25519', createHash('sha256').update(`channel ${name}`).digest())
  }

  card(contactLink: string, change: Partial<Parameters<typeof newContactCard>[0]> = {}): Promise<SignedCard> {
    const { ledgerId, address, publicKey, channelKey } = this
    const card = newContactCard({
      ledgerId,
      address,
      publicKey,
      contactLink,
      channelKey: channelKey.publicKey.raw,
      ...change,
    })
    return signCard(card, ledgerSigner(ledgerId, this.ledgerKey))
  }
}

/** Two identities of which the first has the smaller address. */
export function orderedIdentities(): [Identity, Identity] {
  const [a, b] = [new Identity('alice'), new Identity('bob')]
  return a.address < b.address ? [a, b] : [b, a]
}

/** A folder that is removed with everything that runs on it. */
export class World implements AsyncDisposable {
  readonly dir = mkdtempSync(join(tmpdir(), 'parley-channel-'))
  readonly #parts = new Set<{ close(): Promise<void> }>()

  async router(name = 'router', options: Partial<SmpRouterOptions> = {}): Promise<TestRouter> {
    const router = new TestRouter({ dataDir: join(this.dir, name), host: '127.0.0.1', port: 0, ...options })
    await router.start()
    this.#parts.add(router)
    return router
  }

  /** An agent with channels for one identity, all of it running. */
  async node(identity: Identity, router: { address: string }, options: TestNodeOptions = {}): Promise<TestNode> {
    const node = new TestNode(join(this.dir, options.name ?? identity.name), identity, router.address, options)
    this.#parts.add(node)
    await node.start()
    return node
  }

  add(part: { close(): Promise<void> }): void {
    this.#parts.add(part)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const part of [...this.#parts].reverse()) await part.close()
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** A router that can be stopped and started again on its port. */
export class TestRouter {
  readonly #options: SmpRouterOptions
  #router: SmpRouter | undefined
  #port: number
  address = ''

  constructor(options: SmpRouterOptions) {
    this.#options = options
    this.#port = options.port ?? 0
  }

  async start(): Promise<void> {
    this.#router = await SmpRouter.start({ ...this.#options, port: this.#port })
    this.#port = this.#router.port
    this.address = this.#router.address
  }

  async close(): Promise<void> {
    await this.#router?.close()
    this.#router = undefined
  }
}

export interface TestNodeOptions
  extends Partial<Pick<ChannelsOptions, 'limits' | 'policy' | 'pq' | 'acceptCard' | 'now'>> {
  /** Name of its files. Default the identity's. */
  readonly name?: string
  readonly config?: Partial<AgentConfig>
  readonly onStep?: (step: string) => void
  readonly onEvent?: (name: ChannelEventName, event: { readonly id?: string }) => void
  readonly onEnvelope?: (id: string, text: string) => void
  /** Envelopes are taken as soon as they are given. Default true. */
  readonly takes?: boolean
}

interface Expectation {
  readonly matches: (name: ChannelEventName, event: ChannelEvents[ChannelEventName]) => boolean
  readonly resolve: (event: ChannelEvents[ChannelEventName]) => void
}

const NAMES: readonly ChannelEventName[] = [
  'delivered',
  'notDelivered',
  'envelope',
  'opened',
  'closed',
  'cardNeeded',
  'proofFailed',
  'requestRefused',
  'request',
]

/** An agent with channels; it can be stopped and started again, and its events are kept until a test asks for them. */
export class TestNode {
  readonly path: string
  readonly identity: Identity
  readonly #server: string
  readonly #options: TestNodeOptions
  seen: { readonly name: ChannelEventName; readonly event: ChannelEvents[ChannelEventName] }[] = []
  /** Text of the envelopes that were given, in order. */
  received: string[] = []
  readonly steps: string[] = []
  readonly logged: string[] = []
  contactConnId = ''
  contactLink = ''
  fullLink = ''
  signed: SignedCard | undefined
  #expectations: Expectation[] = []
  #agent: Agent | undefined
  #channels: Channels | undefined

  constructor(path: string, identity: Identity, server: string, options: TestNodeOptions) {
    this.path = path
    this.identity = identity
    this.#server = server
    this.#options = options
  }

  get address(): string {
    return this.identity.address
  }

  get agent(): Agent {
    if (!this.#agent) throw new Error('node is not running')
    return this.#agent
  }

  get channels(): Channels {
    if (!this.#channels) throw new Error('node is not running')
    return this.#channels
  }

  /** This node's card as others have verified it. */
  get card(): VerifiedCard {
    if (!this.signed) throw new Error('node has no card')
    return verifySignedCard(this.signed, { expectedAddress: this.address })
  }

  get local(): LocalAgent {
    const { address, channelKey } = this.identity
    const card = () => encodeSignedCard(this.signed as SignedCard)
    return { address, channelKey, contactConnId: this.contactConnId, card }
  }

  async start(): Promise<void> {
    await this.startAgent()
    await this.startChannels()
  }

  async startAgent(): Promise<void> {
    const { config } = this.#options
    this.#agent = await Agent.open({
      store: `${this.path}.agent.db`,
      servers: [this.#server],
      config: { ...FAST, ...config },
    })
    const [contact] = (await this.#agent.listConnections()).filter(({ mode }) => mode === 'contact')
    if (contact) {
      this.contactConnId = contact.connId
      this.contactLink = (await this.#agent.getShortLink(contact.connId)) ?? ''
    } else {
      const created = await this.#agent.createConnection({ mode: 'contact' })
      this.contactConnId = created.connId
      this.contactLink = created.shortLink ?? ''
      this.fullLink = created.link
    }
    this.signed ??= await this.identity.card(this.contactLink)
  }

  async startChannels(): Promise<void> {
    const { limits, policy, pq, acceptCard, now, takes = true } = this.#options
    this.#channels = await Channels.open({
      agent: this.agent,
      policy,
      now,
      acceptCard,
      limits: { retry: { initial: 50, max: 200 }, ...limits },
      ...(pq !== undefined && { pq }),
      log: ({ message, error }) => {
        if (message.startsWith('step: ')) {
          this.steps.push(message.slice(6))
          this.#options.onStep?.(message.slice(6))
        } else this.logged.push(error === undefined ? message : `${message}: ${error}`)
      },
    })
    for (const name of NAMES) {
      this.#channels.on(name, (event) => {
        if (name === 'envelope') {
          const envelope = event as ChannelEvents['envelope']
          this.received.push(Buffer.from(envelope.bytes).toString('latin1'))
          this.#options.onEnvelope?.(envelope.id, this.received.at(-1) ?? '')
          if (takes) return envelope.taken()
        }
        this.#options.onEvent?.(name, event as { readonly id?: string })
        this.#tell(name, event)
        return undefined
      })
    }
    await this.#channels.addLocal(this.local)
  }

  async close(): Promise<void> {
    await this.#channels?.close()
    await this.#agent?.close()
    this.#channels = undefined
    this.#agent = undefined
  }

  async restart(): Promise<void> {
    await this.close()
    await this.start()
  }

  /** Sends a text and gives its id. */
  async send(peer: TestNode, text: string, id = randomBytes(16).toString('hex')): Promise<string> {
    await this.channels.send(this.address, peer.address, { id, bytes: Buffer.from(text, 'latin1') })
    return id
  }

  open(peer: TestNode): Promise<void> {
    return this.channels.open(this.address, peer.address, peer.card)
  }

  /** The next event with this name, and fields, that was not asked for yet. */
  async expect<N extends ChannelEventName>(
    name: N,
    fields: Partial<ChannelEvents[N]> = {},
    timeout = PATIENCE,
  ): Promise<ChannelEvents[N]> {
    const matches: Expectation['matches'] = (seen, event) =>
      seen === name && Object.entries(fields).every(([field, value]) => event[field as keyof typeof event] === value)
    const index = this.seen.findIndex((item) => matches(item.name, item.event))
    const found = index >= 0 ? this.seen.splice(index, 1)[0] : undefined
    if (found) return found.event as ChannelEvents[N]
    const { promise, resolve, reject } = Promise.withResolvers<ChannelEvents[ChannelEventName]>()
    const expectation = { matches, resolve }
    const timer = setTimeout(() => {
      const names = this.seen.map((item) => item.name).join(', ')
      reject(
        new Error(
          `${this.identity.name}: no ${name} ${JSON.stringify(fields)}; seen: ${names}; log: ${this.logged.join(', ')}`,
        ),
      )
    }, timeout)
    this.#expectations.push(expectation)
    try {
      return (await promise) as ChannelEvents[N]
    } finally {
      clearTimeout(timer)
      this.#expectations = this.#expectations.filter((other) => other !== expectation)
    }
  }

  has(name: ChannelEventName): boolean {
    return this.seen.some((item) => item.name === name)
  }

  #tell(name: ChannelEventName, event: ChannelEvents[ChannelEventName]): void {
    const expectation = this.#expectations.find(({ matches }) => matches(name, event))
    if (!expectation) {
      this.seen.push({ name, event })
      return
    }
    this.#expectations = this.#expectations.filter((other) => other !== expectation)
    expectation.resolve(event)
  }
}

/** Opens a channel and waits until both sides have it. */
export async function connect(opener: TestNode, acceptor: TestNode): Promise<void> {
  await opener.open(acceptor)
  await Promise.all([
    opener.expect('opened', { peer: acceptor.address }),
    acceptor.expect('opened', { peer: opener.address }),
  ])
}

/** Resolves when all these envelopes are delivered, in whatever order the events came. */
export async function allDelivered(node: TestNode, ids: readonly string[]): Promise<void> {
  for (const id of ids) await node.expect('delivered', { id })
}

/** Texts with a number. */
export function texts(count: number, prefix = 'envelope'): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix} ${i}`)
}
