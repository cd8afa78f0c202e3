import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AcnClient, NodeEntry } from '@parley/acn/client'
import { AcnNode, type AcnNodeOptions } from '@parley/acn/node'
import { type HostPort, parsePeerAddress } from '@parley/acn/protocol'
import { createRecord, ledgerOf } from '@parley/acn/record'
import { Agent, type AgentOptions } from '@parley/agent'
import { type Attachment, ledgerSigner, type SignedCard } from './card/index.ts'
import { ChannelError, type ChannelEvents, type RequestPolicy } from './channel/index.ts'
import type { FindOptions, FoundCard } from './directory/index.ts'
import type { Gateway, PrivateMode } from './gateway/gateway.ts'
import { GatewayMaker } from './gateway/gateway-maker.ts'
import { messagesOf, type NotDeliveredMessage, type ParleyMessage } from './message-stream.ts'
import { peerKeyIn } from './node/data-folder.ts'
import type { EnvelopeTrace } from './node/envelope-trace.ts'
import { runningSource, traceEnvelope } from './node/trace-source.ts'
import { ParleyError } from './parley-error.ts'
import { sendMessage } from './send-message.ts'

/** The key of a ledger by whose address an agent is known. */
export interface ParleyIdentity {
  /** `fetchai`, `cosmos` or `ethereum`. */
  readonly ledger: string
  /** 32 bytes; copied. */
  readonly privateKey: Uint8Array
}

/** How an agent is opened. */
export interface ParleyOptions {
  /** Folder of everything that survives; made when missing. One process at a time. */
  readonly data: string
  readonly identity: ParleyIdentity
  /** Multiaddrs, with `/p2p/`, of peers of the Agent Communication Network; the next is taken when one fails. */
  readonly entry: readonly string[]
  /** Addresses of SMP routers, `smp://…`, at which this agent receives. */
  readonly smp: readonly string[]
  /** Makes it a peer that others can connect to, instead of a client of its entries. */
  readonly listen?: HostPort
  /** False: nobody finds this agent by its address; those to whom it writes know it all the same. Default true. */
  readonly listed?: boolean
  /** `require` by default: nothing is sent that peers could read. `prefer`: to those without a card the plain way. */
  readonly private?: PrivateMode
  /** False: it only sends, and what comes waits for another time. Default true. */
  readonly receives?: boolean
  /** Who may learn that a card is looked for. Default `private`. */
  readonly lookup?: NonNullable<FindOptions['privacy']>
  /** Who may open a channel. Default everyone. */
  readonly policy?: RequestPolicy
  /** Signed with the contact card, such as an A2A agent card: at most 8 KiB. */
  readonly attachment?: Attachment
  /** Encrypts all databases: those of the private plane, and the store of envelopes. */
  readonly passphrase?: string
  /** Settings of the SimpleX agent. */
  readonly agent?: Pick<AgentOptions, 'config' | 'network'>
  readonly host?: AcnNodeOptions['host']
  readonly log?: (level: 'info' | 'warning', line: string) => void
  readonly signal?: AbortSignal
}

/** How somebody is connected to. */
export interface ConnectOptions {
  /**
   * When no card is found, the agent itself is asked, in an envelope: its peers and all on the way see who asks whom. It
   * answers only those that it can find. Default false.
   */
  readonly askAgent?: boolean
  readonly signal?: AbortSignal
}

/** Somebody with whom there is a private channel. */
export class Peer {
  readonly address: string
  /** How sure the address is: signed by its ledger key, or by a peer that represents it. */
  readonly card: 'ledger' | 'represented'
  /** Data that its card came with. */
  readonly attachment: Attachment | undefined
  readonly #parley: Parley

  constructor(parley: Parley, { card }: FoundCard) {
    this.#parley = parley
    this.address = card.card.address
    this.card = card.kind
    const { attachment } = card.card
    this.attachment = attachment && card.attachment ? { type: attachment.type, bytes: card.attachment } : undefined
  }

  /** As {@link Parley.send}. */
  send(message: string | Uint8Array, options?: { readonly signal?: AbortSignal }): Promise<string> {
    return this.#parley.send(this.address, message, options)
  }
}

/** How long a channel may take to come to be, ms. */
const CONNECT_TIME = 60_000
/** How long a new agent may take to get its contact address, ms. */
const READY_TIME = 30_000

/**
 * An agent that is known by a ledger address: finds others by theirs and talks to them in private. What it accepts is on
 * disk before a call resolves, and goes on after a crash.
 */
export class Parley implements AsyncDisposable {
  readonly address: string
  readonly #node: AcnNode
  readonly #gateway: Gateway
  readonly #client: AcnClient
  readonly #running: AsyncDisposableStack
  #closed: Promise<void> | undefined

  private constructor(
    address: string,
    parts: { node: AcnNode; gateway: Gateway; client: AcnClient },
    running: AsyncDisposableStack,
  ) {
    this.address = address
    this.#node = parts.node
    this.#gateway = parts.gateway
    this.#client = parts.client
    this.#running = running
  }

  /**
   * Opens an agent: joins the network, and has a contact address and a card when this resolves, if its router could be
   * reached.
   * @throws RangeError when ledger or key are none; StoreError when the folder is in use; the errors of AcnNode.start
   */
  static async open(options: ParleyOptions): Promise<Parley> {
    const { data, identity, listed = true, listen, lookup = 'private', signal } = options
    const ledger = ledgerOf(identity.ledger)
    if (!ledger) throw new RangeError('unknown ledger')
    await mkdir(data, { recursive: true, mode: 0o700 })
    const key = await peerKeyIn(data)
    const record = createRecord(ledger, { privateKey: identity.privateKey, peerPublicKey: key.publicKeyHex })
    await using running = new AsyncDisposableStack()
    const agent = running.use(
      await Agent.open({
        store: join(data, 'agent.db'),
        servers: options.smp,
        ...options.agent,
        ...(options.passphrase !== undefined && { passphrase: options.passphrase }),
      }),
    )
    signal?.throwIfAborted()
    const signer = {
      sign: ledgerSigner(identity.ledger, identity.privateKey),
      ...(options.attachment && { attachment: options.attachment }),
    }
    const maker = new GatewayMaker(async () => ({
      agent,
      folder: data,
      passphrase: options.passphrase,
      mode: options.private ?? 'require',
      lookup,
      policy: options.policy,
      signers: new Map([[record.address, signer]]),
      ...(!listed && { unlisted: new Set([record.address]) }),
      ...(options.log && { log: options.log }),
    }))
    const node = await AcnNode.start(
      {
        settings: {
          peerKey: key.exportPrivateKey(),
          listen: listen ?? { host: '127.0.0.1', port: 0 },
          ...(listen && { publicUri: listen }),
          entryPeers: options.entry.map(entryOf),
          registrationDelay: 0,
          ...(listed && !listen && { record }),
        },
        dataFolder: join(data, 'acn'),
        passphrase: options.passphrase,
        ...(options.host && { host: options.host }),
        ...(options.log && { log: options.log }),
        carrier: maker.carrier,
      },
      signal,
    )
    running.defer(() => node.stop())
    const { gateway } = maker
    if (!gateway) throw new ParleyError('CLOSED', 'the node has no gateway')
    const entry = new NodeEntry({
      handler: node.router,
      record,
      isListed: listed,
      sendsOnly: options.receives === false,
    })
    const client = await AcnClient.connect({ entries: [entry], acknowledge: 'manual' }, signal)
    running.defer(() => client.close())
    await gateway.whenReady(record.address, READY_TIME)
    return new Parley(record.address, { node, gateway, client }, running.move())
  }

  /** The contact card of this agent, as others find it; undefined until it has one. */
  get card() {
    return this.#gateway.cardOf(this.address)
  }

  /** The node by which this agent is in the network. */
  get node(): AcnNode {
    return this.#node
  }

  /** What joins the two planes. */
  get gateway(): Gateway {
    return this.#gateway
  }

  /**
   * Finds an address and opens a private channel with it, unless there is one.
   * @throws ParleyError NOT_FOUND, NO_CHANNEL; DirectoryError; the signal's reason
   */
  async connect(address: string, { askAgent = false, signal }: ConnectOptions = {}): Promise<Peer> {
    const { channels } = this.#gateway
    let found = await this.#gateway.find(address, signal)
    if (!found && askAgent) found = await this.#gateway.askByEnvelope(this.address, address, signal)
    if (!found) throw new ParleyError('NOT_FOUND', `no contact card of ${address} was found`)
    await this.#gateway.whenReady(this.address, READY_TIME)
    if (channels.hasChannel(this.address, address) === 'open') return new Peer(this, found)
    const opened = Promise.withResolvers<void>()
    const stop = channels.on('opened', ({ local, peer }) => {
      if (local === this.address && peer === address) opened.resolve()
    })
    const time = new AbortController()
    const both = signal ? AbortSignal.any([signal, time.signal]) : time.signal
    try {
      await channels.open(this.address, address, found.card)
      // It may have been opened by the other side meanwhile.
      const isOpen = channels.hasChannel(this.address, address) === 'open'
      const late = sleep(CONNECT_TIME, true, { signal: both }).catch(() => true)
      const isLate = !isOpen && (await Promise.race([opened.promise, late]))
      signal?.throwIfAborted()
      if (isLate) throw new ParleyError('NO_CHANNEL', `${address} did not answer in time; the request goes on`)
    } catch (error) {
      if (!(error instanceof ChannelError)) throw error
      throw new ParleyError('NO_CHANNEL', `no channel with ${address}: ${error.message}`, { cause: error })
    } finally {
      stop()
      time.abort()
    }
    return new Peer(this, found)
  }

  /**
   * Sends a text, or bytes of the application's own. When this resolves the message is on disk and will be delivered, or
   * {@link onNotDelivered} tells that it was not.
   * @returns the message's id: {@link trace} tells where it is
   * @throws ParleyError REFUSED
   */
  async send(
    to: string,
    message: string | Uint8Array,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<string> {
    return sendMessage(this.#client, { to, sender: this.address, message }, signal)
  }

  /** Where a message is, which way it went, and what became of it; undefined when nothing is known of it. */
  trace(id: string): Promise<EnvelopeTrace | undefined> {
    return traceEnvelope(runningSource(this.#node, this.#gateway), id)
  }

  /** Messages, in order of each sender. */
  messages(): AsyncGenerator<ParleyMessage, void, void> {
    return messagesOf(this.#client.events, {
      onNotDelivered: (event) => {
        for (const tell of this.#failureListeners) tell(event)
      },
    })
  }

  readonly #failureListeners = new Set<(event: NotDeliveredMessage) => void>()

  /** Calls `handler` for each message that could not be delivered, while {@link messages} is read; returns how to stop. */
  onNotDelivered(handler: (event: NotDeliveredMessage) => void): () => void {
    this.#failureListeners.add(handler)
    return () => this.#failureListeners.delete(handler)
  }

  /**
   * Calls `handler` for each request for a channel where the policy is to ask; a request waits for its answer, also over
   * restarts. Returns how to stop.
   */
  onRequest(handler: (request: ChannelEvents['request']) => void): () => void {
    return this.#gateway.channels.on('request', handler)
  }

  /**
   * Gives this agent another contact address and channel key, with a card that names them: after a theft of its folder, or
   * of a copy. Channels are closed and opened anew, what waits in them goes on.
   * @returns the new card
   * @throws ContactError: the contact before is in force; the signal's reason
   */
  renewContact({ signal }: { readonly signal?: AbortSignal } = {}): Promise<SignedCard> {
    return this.#gateway.renewContact(this.address, signal)
  }

  /** Ends everything in order; what is pending goes on when it is opened again. */
  close(): Promise<void> {
    this.#closed ??= this.#running.disposeAsync()
    return this.#closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

function entryOf(multiaddr: string) {
  const { peerId, ...address } = parsePeerAddress(multiaddr)
  if (peerId === undefined) throw new RangeError('an entry must name its peer: /p2p/…')
  return { ...address, peerId }
}
