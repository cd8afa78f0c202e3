import type {
  AuthKey,
  AuthPrivateKey,
  BrokerMessage,
  BrokerMessageType,
  Command,
  DhKey,
  EntityId,
  NotifierRequest,
  QueueInfo,
  QueueLinkData,
  QueueRequest,
  SmpServer,
} from '../protocol/index.ts'
import { type ClientCommand, CommandChannel } from './command-channel.ts'
import { type OpenSession, openSession } from './connect.ts'
import { SmpClientError, toClientError } from './errors.ts'
import type { ServerTransmission } from './events.ts'
import type { RequestOptions, SmpClientOptions } from './options.ts'
import type { RequestResult } from './requests.ts'

/** Commands of a large batch that are signed before the event loop gets a turn: some 10 ms of work. */
const SIGNED_PER_TURN = 128

/** A message of one kind. */
export type MessageOf<T extends BrokerMessageType> = BrokerMessage & { readonly type: T }

/** What {@link SmpClient.createQueue} asks for. */
export interface NewQueue {
  /** Authorises this and all later commands of the recipient; its public key is sent. */
  readonly rcvAuthKey: AuthPrivateKey
  /** For the router's encryption of messages. */
  readonly rcvDhKey: DhKey
  readonly password?: string | undefined
  /** Subscribe at once. */
  readonly subscribe: boolean
  readonly queueRequest?: QueueRequest | undefined
  readonly notifier?: NotifierRequest | undefined
  /** 24 random bytes from which a sender id in `queueRequest` was derived: `spec/smp.md §0`, S4. */
  readonly corrId?: Uint8Array | undefined
}

/** A queue with the key that authorises its recipient. */
export interface RecipientQueue {
  readonly rcvId: EntityId
  readonly key: AuthPrivateKey
}

/** What a subscription brings. */
export interface Subscription {
  /** The service that the queue is associated with, from version 16. */
  readonly serviceId?: EntityId
}

/** What a short link leads to. */
export interface LinkContents {
  readonly sndId: EntityId
  readonly link: QueueLinkData
}

/**
 * One connection to a router: `spec/smp.md §9`. Made by {@link SmpClient.connect}.
 *
 * Commands given in one turn of the event loop share blocks. Every command throws SmpClientError (PROTOCOL with the
 * router's error, TIMEOUT, NETWORK …), or the reason of its aborted signal. When the queue for events is full,
 * nothing more is read, also no answers: whoever takes events must not wait for a command before taking the next.
 */
export class SmpClient implements AsyncDisposable {
  readonly server: SmpServer
  /** Agreed version, 6 to 18. */
  readonly version: number
  /** 12 bytes (TLS 1.2) or 32 (TLS 1.3). */
  readonly sessionId: Uint8Array
  /** Settles, always with success, when the connection is gone and all received events have been given on. */
  readonly closed: Promise<void>
  /** Id that the router gave this service, when it is one. */
  readonly serviceId: EntityId | undefined
  readonly #options: SmpClientOptions
  readonly #channel: CommandChannel

  private constructor(server: SmpServer, { connection, session }: OpenSession, options: SmpClientOptions) {
    this.server = server
    this.version = session.version
    this.sessionId = session.sessionId
    this.serviceId = session.service?.serviceId
    this.#options = options
    this.#channel = new CommandChannel(
      {
        server,
        connection,
        session,
        onTransmissions: (transmissions, signal) => this.#emit(transmissions, signal),
      },
      options,
    )
    this.closed = this.#channel.closed
  }

  /**
   * Connects to a server: host choice, TLS with its checks, handshake.
   * @throws SmpClientError NETWORK, INCOMPATIBLE_HOST, TRANSPORT or CRYPTO; the signal's reason when it aborts
   */
  static async connect(server: SmpServer, options: SmpClientOptions = {}): Promise<SmpClient> {
    try {
      return new SmpClient(server, await openSession(server, options), options)
    } catch (error) {
      throw toClientError(server, error)
    }
  }

  get isClosed(): boolean {
    return this.#channel.ending !== undefined
  }

  /** Why the client ended, when nobody closed it and the router did not end the connection in order. */
  get error(): SmpClientError | undefined {
    return this.#channel.ending?.error
  }

  /** Ends the connection after what was given to it has been sent; commands that wait for answers fail with NETWORK. */
  close(): void {
    this.#channel.end(undefined)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
    await this.closed
  }

  /**
   * Sends any command and waits for its answer.
   * @returns the answer, never ERR; its byte strings are views of a block
   * @throws EncodeError when the command cannot be encoded, besides what every command throws
   */
  async sendCommand(command: ClientCommand, options: RequestOptions = {}): Promise<BrokerMessage> {
    const result = await this.#channel.request(command, options)
    if (result instanceof SmpClientError) throw result
    return result
  }

  /**
   * Sends commands in as few blocks as possible and waits for all answers.
   * @returns for each command its answer or its error, in the order of the commands
   */
  async sendBatch(commands: readonly ClientCommand[], options: RequestOptions = {}): Promise<RequestResult[]> {
    const requests: Promise<RequestResult>[] = []
    for (let start = 0; start < commands.length; start += SIGNED_PER_TURN) {
      if (start > 0) await nextTurn()
      for (const command of commands.slice(start, start + SIGNED_PER_TURN)) {
        requests.push(this.#channel.request(command, options))
      }
    }
    return Promise.all(requests)
  }

  /** NEW. The ids of the result are copies that can be kept. */
  async createQueue({ rcvAuthKey, corrId, ...queue }: NewQueue, options?: RequestOptions): Promise<MessageOf<'IDS'>> {
    const command: Command = {
      type: 'NEW',
      rcvAuthKey: rcvAuthKey.publicKey as AuthKey,
      rcvDhKey: queue.rcvDhKey,
      ...(queue.password !== undefined && { password: queue.password }),
      subscribe: queue.subscribe,
      ...(queue.queueRequest && { queueRequest: queue.queueRequest }),
      ...(queue.notifier && { notifier: queue.notifier }),
    }
    const ids = this.#expect('IDS', await this.sendCommand({ command, key: rcvAuthKey, corrId }, options))
    if (queue.subscribe) this.#channel.watch()
    return copyIds(ids)
  }

  /** SUB. The first message, if there is one, comes as an event. */
  async subscribe({ rcvId, key }: RecipientQueue, options?: RequestOptions): Promise<Subscription> {
    return this.#subscribed(rcvId, await this.sendCommand({ command: { type: 'SUB' }, entityId: rcvId, key }, options))
  }

  /** SUB for many queues, in as few blocks as possible; for each queue its result or error, in the order given. */
  async subscribeMany(
    queues: readonly RecipientQueue[],
    options?: RequestOptions,
  ): Promise<(Subscription | SmpClientError)[]> {
    const commands = queues.map(({ rcvId, key }) => ({ command: { type: 'SUB' } as const, entityId: rcvId, key }))
    const results = await this.sendBatch(commands, options)
    return Promise.all(
      results.map(async (result, index) => {
        if (result instanceof SmpClientError) return result
        const { rcvId } = queues[index] as RecipientQueue
        try {
          return await this.#subscribed(rcvId, result)
        } catch (error) {
          return toClientError(this.server, error)
        }
      }),
    )
  }

  /** KEY: the recipient sets the sender's key. */
  secureQueue({ rcvId, key }: RecipientQueue, sndAuthKey: AuthKey, options?: RequestOptions): Promise<void> {
    return this.#ok({ command: { type: 'KEY', sndAuthKey }, entityId: rcvId, key }, options)
  }

  /** SKEY: the sender sets its own key, from version 9. */
  secureBySender(sndId: EntityId, key: AuthPrivateKey, options?: RequestOptions): Promise<void> {
    const sndAuthKey = key.publicKey as AuthKey
    return this.#ok({ command: { type: 'SKEY', sndAuthKey }, entityId: sndId, key }, options)
  }

  /** LSET: sets or replaces the data of the queue's short link, from version 15. */
  setLinkData(
    { rcvId, key }: RecipientQueue,
    linkId: EntityId,
    link: QueueLinkData,
    options?: RequestOptions,
  ): Promise<void> {
    return this.#ok({ command: { type: 'LSET', linkId, link }, entityId: rcvId, key }, options)
  }

  /** LDEL: deletes the data of the queue's short link. */
  deleteLinkData({ rcvId, key }: RecipientQueue, options?: RequestOptions): Promise<void> {
    return this.#ok({ command: { type: 'LDEL' }, entityId: rcvId, key }, options)
  }

  /** LGET: data of a contact address's short link. */
  async getLinkData(linkId: EntityId, options?: RequestOptions): Promise<LinkContents> {
    return this.#link(await this.sendCommand({ command: { type: 'LGET' }, entityId: linkId }, options))
  }

  /** LKEY: data of an invitation's short link; secures the queue with the sender's key in the same step. */
  async secureAndGetLinkData(linkId: EntityId, key: AuthPrivateKey, options?: RequestOptions): Promise<LinkContents> {
    const command = { type: 'LKEY', sndAuthKey: key.publicKey as AuthKey } as const
    return this.#link(await this.sendCommand({ command, entityId: linkId, key }, options))
  }

  /** RKEY: replaces the keys of a contact address's recipients. */
  setRecipientKeys(
    { rcvId, key }: RecipientQueue,
    rcvAuthKeys: readonly [AuthKey, ...AuthKey[]],
    options?: RequestOptions,
  ): Promise<void> {
    return this.#ok({ command: { type: 'RKEY', rcvAuthKeys }, entityId: rcvId, key }, options)
  }

  /**
   * SEND.
   * @param message `key` once the queue is secured; `body` at most maxMessageLength(version) bytes
   */
  send(
    message: {
      readonly sndId: EntityId
      readonly key?: AuthPrivateKey | undefined
      readonly notification: boolean
      readonly body: Uint8Array
    },
    options?: RequestOptions,
  ): Promise<void> {
    const { sndId, key, notification, body } = message
    return this.#ok({ command: { type: 'SEND', notification, body }, entityId: sndId, key }, options)
  }

  /** ACK. Returns the next message if there is one; that message does not come as an event. */
  async ack(
    { rcvId, key }: RecipientQueue,
    msgId: Uint8Array,
    options?: RequestOptions,
  ): Promise<MessageOf<'MSG'> | undefined> {
    const command = { type: 'ACK', msgId } as const
    return this.#messageOrOk(await this.sendCommand({ command, entityId: rcvId, key }, options))
  }

  /** GET: the next message without a subscription. */
  async get({ rcvId, key }: RecipientQueue, options?: RequestOptions): Promise<MessageOf<'MSG'> | undefined> {
    return this.#messageOrOk(await this.sendCommand({ command: { type: 'GET' }, entityId: rcvId, key }, options))
  }

  /** OFF: the queue accepts no more messages, for ever; those in it are still delivered. */
  suspend({ rcvId, key }: RecipientQueue, options?: RequestOptions): Promise<void> {
    return this.#ok({ command: { type: 'OFF' }, entityId: rcvId, key }, options)
  }

  /** DEL: deletes the queue and its messages. */
  delete({ rcvId, key }: RecipientQueue, options?: RequestOptions): Promise<void> {
    return this.#ok({ command: { type: 'DEL' }, entityId: rcvId, key }, options)
  }

  /** QUE: what the router tells about the queue. */
  async queueInfo({ rcvId, key }: RecipientQueue, options?: RequestOptions): Promise<QueueInfo> {
    const answer = await this.sendCommand({ command: { type: 'QUE' }, entityId: rcvId, key }, options)
    return this.#expect('INFO', answer).info
  }

  /** PING. */
  async ping(options?: RequestOptions): Promise<void> {
    this.#expect('PONG', await this.sendCommand({ command: { type: 'PING' } }, options))
  }

  async #ok(command: ClientCommand, options: RequestOptions | undefined): Promise<void> {
    this.#expect('OK', await this.sendCommand(command, options))
  }

  #link(answer: BrokerMessage): LinkContents {
    const { sndId, link } = this.#expect('LNK', answer)
    return { sndId: new Uint8Array(sndId), link }
  }

  #messageOrOk(answer: BrokerMessage): MessageOf<'MSG'> | undefined {
    if (answer.type === 'MSG') return answer
    this.#expect('OK', answer)
    return undefined
  }

  /** Routers may answer SUB with the first message itself: `spec/smp.md §0`, S9. */
  async #subscribed(rcvId: EntityId, answer: BrokerMessage): Promise<Subscription> {
    switch (answer.type) {
      case 'OK':
        return {}
      case 'SOK':
        return answer.serviceId ? { serviceId: new Uint8Array(answer.serviceId) } : {}
      case 'MSG':
        await this.#emit([{ type: 'event', entityId: rcvId, message: answer }])
        return {}
      default:
        throw this.#channel.error({ type: 'UNEXPECTED', detail: answer.type })
    }
  }

  #expect<T extends BrokerMessageType>(type: T, answer: BrokerMessage): MessageOf<T> {
    if (answer.type !== type) throw this.#channel.error({ type: 'UNEXPECTED', detail: answer.type })
    return answer as MessageOf<T>
  }

  async #emit(transmissions: readonly ServerTransmission[], signal?: AbortSignal): Promise<void> {
    const { events } = this.#options
    if (!events) return
    const batch = { server: this.server, version: this.version, sessionId: this.sessionId, transmissions }
    if (!events.tryPut(batch)) await events.put(batch, signal)
  }
}

function copyIds(ids: MessageOf<'IDS'>): MessageOf<'IDS'> {
  const { linkId, serviceId, notifier } = ids
  return {
    ...ids,
    rcvId: new Uint8Array(ids.rcvId),
    sndId: new Uint8Array(ids.sndId),
    ...(linkId && { linkId: new Uint8Array(linkId) }),
    ...(serviceId && { serviceId: new Uint8Array(serviceId) }),
    ...(notifier && { notifier: { ...notifier, notifierId: new Uint8Array(notifier.notifierId) } }),
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
