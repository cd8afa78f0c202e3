import { deepEqual, equal } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { BoxKey, type DhAlgorithm, dh, PrivateKey, type SignatureAlgorithm } from '@parley/core/crypto'
import { decode, equalBytes } from '@parley/core/encoding'
import { BoundedQueue } from '@parley/core/queue'
import {
  type NewQueue,
  type RecipientQueue,
  type ServerTransmission,
  type ServerTransmissionBatch,
  SmpClient,
  SmpClientError,
} from '@parley/smp/client'
import {
  type AuthPrivateKey,
  type EntityId,
  formatSmpError,
  parseSmpServer,
  type RcvMessageBody,
  rcvMessageBodyCodec,
} from '@parley/smp/protocol'

/** Milliseconds in which a router pushes what it has. */
const PUSH_TIMEOUT = 40_000

export type KeyAlgorithm = SignatureAlgorithm | Extract<DhAlgorithm, 'x25519'>

/** A queue with everything its recipient knows. */
export interface OwnQueue extends RecipientQueue {
  readonly sndId: EntityId
  readonly linkId: EntityId | undefined
  readonly box: BoxKey
}

/** A client with the events that its router pushes. */
export class Connection implements AsyncDisposable {
  readonly client: SmpClient
  readonly password: string | undefined
  readonly #events: BoundedQueue<ServerTransmissionBatch>
  readonly #waiting: ServerTransmission[] = []

  private constructor(client: SmpClient, password: string | undefined, events: BoundedQueue<ServerTransmissionBatch>) {
    this.client = client
    this.password = password
    this.#events = events
  }

  /** Connects at exactly this version. */
  static async open(address: string, version: number): Promise<Connection> {
    const { server, password } = parseSmpServer(address)
    const events = new BoundedQueue<ServerTransmissionBatch>(1000)
    const client = await SmpClient.connect(server, { events, versions: { min: 6, max: version }, mode: 'interactive' })
    equal(client.version, version)
    return new Connection(client, password, events)
  }

  /** NEW with fresh keys. */
  async newQueue(algorithm: KeyAlgorithm, options: Partial<NewQueue> = {}): Promise<OwnQueue> {
    const key = PrivateKey.generate(algorithm)
    const dhKey = PrivateKey.generate('x25519')
    const ids = await this.client.createQueue({
      rcvAuthKey: key,
      rcvDhKey: dhKey.publicKey,
      subscribe: true,
      password: this.password,
      ...options,
    })
    const box = new BoxKey(dh(dhKey, ids.rcvPublicDhKey))
    return { key, rcvId: ids.rcvId, sndId: ids.sndId, linkId: ids.linkId, box }
  }

  /** What the router pushes next for a queue. */
  async pushed(entityId: EntityId): Promise<ServerTransmission> {
    for (;;) {
      const at = this.#waiting.findIndex((transmission) => equalBytes(transmission.entityId, entityId))
      if (at >= 0) return this.#waiting.splice(at, 1)[0] as ServerTransmission
      const batch = await this.#events.take(AbortSignal.timeout(PUSH_TIMEOUT))
      if (!batch) throw new Error('the connection has ended')
      this.#waiting.push(...batch.transmissions)
    }
  }

  /** Waits for a pushed message; its id and content. */
  async pushedMessage(queue: OwnQueue): Promise<OpenedMessage> {
    const event = await this.pushed(queue.rcvId)
    if (event.type !== 'event' || event.message.type !== 'MSG') throw new Error(`not MSG: ${JSON.stringify(event)}`)
    return openMessage(queue, event.message)
  }

  /** Waits for a pushed event without parameters. */
  async pushedEvent(entityId: EntityId): Promise<string> {
    const event = await this.pushed(entityId)
    return event.type === 'event' ? event.message.type : event.type
  }

  /** Everything that has been pushed and not been waited for; after a PING all earlier pushes are here. */
  async unexpected(): Promise<readonly ServerTransmission[]> {
    await this.client.ping()
    for (let batch = this.#events.tryTake(); batch; batch = this.#events.tryTake()) {
      this.#waiting.push(...batch.transmissions)
    }
    return this.#waiting
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]()
  }
}

export interface OpenedMessage {
  readonly msgId: Uint8Array
  readonly content: RcvMessageBody
}

/** Decrypts what the router sealed for the recipient. */
export function openMessage(
  { box }: OwnQueue,
  { msgId, encrypted }: { readonly msgId: Uint8Array; readonly encrypted: Uint8Array },
): OpenedMessage {
  equal(encrypted.length, 16122)
  return { msgId: msgId.slice(), content: decode(rcvMessageBodyCodec, box.open(msgId, encrypted)) }
}

/** Checks a received message's flag and body; returns its id. */
export function expectMessage({ msgId, content }: OpenedMessage, body: Uint8Array, notification = false): Uint8Array {
  if (content.type !== 'message') throw new Error('the marker of a full queue')
  equal(content.notification, notification)
  deepEqual(Buffer.from(content.body), Buffer.from(body))
  return msgId
}

/** The text of the error with which the router refuses: `AUTH`, `CMD PROHIBITED` … */
export async function refusal(request: Promise<unknown>): Promise<string> {
  try {
    await request
  } catch (error) {
    if (error instanceof SmpClientError && error.protocolError) return formatSmpError(error.protocolError)
    throw error
  }
  return 'accepted'
}

export function newAuthKey(algorithm: KeyAlgorithm): AuthPrivateKey {
  return PrivateKey.generate(algorithm)
}

export function body(length = 200): Uint8Array {
  return randomBytes(length)
}
