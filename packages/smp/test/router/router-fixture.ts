import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { BoxKey, dh, PrivateKey } from '@parley/core/crypto'
import { decode } from '@parley/core/encoding'
import {
  type AuthPrivateKey,
  type BrokerMessage,
  type Command,
  type QueueRequest,
  type RcvMessageBody,
  rcvMessageBodyCodec,
} from '../../src/protocol/index.ts'
import { SmpRouter, type SmpRouterOptions } from '../../src/router/index.ts'
import { RawClient, type RawClientOptions, type Received } from './raw-client.ts'

type Ids = BrokerMessage & { readonly type: 'IDS' }
type New = Command & { readonly type: 'NEW' }

/** A router in a temporary folder with clients that are all gone when the test ends. */
export class RouterFixture {
  readonly folder: string
  router: SmpRouter
  readonly #options: Partial<SmpRouterOptions>
  readonly #clients: RawClient[] = []

  private constructor(folder: string, router: SmpRouter, options: Partial<SmpRouterOptions>) {
    this.folder = folder
    this.router = router
    this.#options = options
  }

  static async start(
    test: Pick<TestContext, 'after'>,
    options: Partial<SmpRouterOptions> = {},
  ): Promise<RouterFixture> {
    const folder = await mkdtemp(join(tmpdir(), 'smp-router-'))
    const router = await startRouter(folder, options)
    const fixture = new RouterFixture(folder, router, options)
    test.after(async () => {
      await fixture.disconnectAll()
      await fixture.router.close()
      await rm(folder, { recursive: true })
    })
    return fixture
  }

  async connect(options: RawClientOptions = {}): Promise<RawClient> {
    const client = await RawClient.connect(this.router.address, options)
    this.#clients.push(client)
    return client
  }

  async disconnectAll(): Promise<void> {
    await Promise.all(this.#clients.splice(0).map((client) => client.close()))
  }

  async restart(options: Partial<SmpRouterOptions> = {}): Promise<void> {
    await this.disconnectAll()
    await this.router.close()
    this.router = await startRouter(this.folder, { ...this.#options, ...options })
  }
}

function startRouter(dataDir: string, options: Partial<SmpRouterOptions>): Promise<SmpRouter> {
  return SmpRouter.start({ host: '127.0.0.1', port: 0, ...options, dataDir })
}

/** What the recipient of a queue knows. */
export interface TestQueue {
  readonly rcvId: Uint8Array
  readonly sndId: Uint8Array
  readonly linkId: Uint8Array | undefined
  readonly rcvKey: AuthPrivateKey
  readonly box: BoxKey
  readonly ids: Ids
}

export interface NewQueueOptions {
  readonly algorithm?: 'ed25519' | 'ed448' | 'x25519'
  readonly subscribe?: boolean
  readonly queueRequest?: QueueRequest
  readonly password?: string
  readonly corrId?: Uint8Array
}

/** NEW with fresh keys. */
export function newQueueCommand(options: NewQueueOptions = {}) {
  const { algorithm = 'ed25519', subscribe = true, queueRequest, password } = options
  const rcvKey: AuthPrivateKey = PrivateKey.generate(algorithm)
  const dhKey = PrivateKey.generate('x25519')
  const command: New = {
    type: 'NEW',
    rcvAuthKey: rcvKey.publicKey,
    rcvDhKey: dhKey.publicKey,
    subscribe,
    ...(queueRequest && { queueRequest }),
    ...(password !== undefined && { password }),
  }
  return { command, rcvKey, dhKey }
}

/** Makes a queue; the test fails when the router does not. */
export async function newQueue(client: RawClient, options: NewQueueOptions = {}): Promise<TestQueue> {
  const { command, rcvKey, dhKey } = newQueueCommand(options)
  const [ids] = await client.askAll([{ command, key: rcvKey, ...(options.corrId && { corrId: options.corrId }) }])
  assert.equal(ids?.type, 'IDS', JSON.stringify(ids))
  const { rcvId, sndId, linkId, rcvPublicDhKey } = ids as Ids
  return { rcvId, sndId, linkId, rcvKey, box: new BoxKey(dh(dhKey, rcvPublicDhKey)), ids: ids as Ids }
}

export function send(body: string | Uint8Array, notification = false): Command {
  return { type: 'SEND', notification, body: Buffer.from(body as Uint8Array) }
}

/** The content of a MSG for this queue; the test fails when it is none. */
export function open(
  queue: TestQueue,
  message: BrokerMessage | Received,
): RcvMessageBody & { readonly msgId: Uint8Array } {
  const actual = 'ok' in message ? (message.ok ? message.message : message) : message
  assert.ok('type' in actual && actual.type === 'MSG', `MSG expected, got ${JSON.stringify(actual)}`)
  assert.equal(actual.encrypted.length, 16122)
  const content = decode(rcvMessageBodyCodec, queue.box.open(actual.msgId, actual.encrypted))
  return { ...content, msgId: actual.msgId }
}

/** The text of a message that a sender sent. */
export function textOf(queue: TestQueue, message: BrokerMessage | Received): string {
  const content = open(queue, message)
  return content.type === 'message' ? Buffer.from(content.body).toString() : 'QUOTA'
}

export const OK: BrokerMessage = { type: 'OK' }
export const SOK: BrokerMessage = { type: 'SOK' }

export function err(type: 'AUTH' | 'NO_MSG' | 'QUOTA' | 'LARGE_MSG' | 'BLOCK' | 'SESSION' | 'SERVICE'): BrokerMessage {
  return { type: 'ERR', error: { type } }
}

export function cmdErr(
  error: 'UNKNOWN' | 'SYNTAX' | 'PROHIBITED' | 'NO_AUTH' | 'HAS_AUTH' | 'NO_ENTITY',
): BrokerMessage {
  return { type: 'ERR', error: { type: 'CMD', error } }
}
