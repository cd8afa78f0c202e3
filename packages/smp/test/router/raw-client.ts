import { randomBytes } from 'node:crypto'
import { validateChain, verifySignedKey } from '@parley/core/certificates'
import { dh, PrivateKey, type PublicKey } from '@parley/core/crypto'
import { encode, toHex } from '@parley/core/encoding'
import { BoundedQueue } from '@parley/core/queue'
import {
  BlockCipher,
  type BlockConnection,
  type BlockSeal,
  connectTls,
  NetworkError,
  paddedBlocks,
  SMP_ALPN,
} from '@parley/core/transport'
import {
  type AuthPrivateKey,
  authorize,
  type BrokerMessage,
  type ClientHello,
  type Command,
  clientHelloCodec,
  decodeBrokerBlock,
  decodeServerHello,
  type EntityId,
  encodeBatch,
  encodeCommand,
  parseSmpServer,
  type ReceivedMessage,
  type Refused,
  type ServerHello,
  type ServiceSigner,
  type SessionContext,
  type SignedTransmission,
  SMP_GATES,
} from '../../src/protocol/index.ts'

const NO_ID = new Uint8Array()
const ANSWER_TIMEOUT = 20_000

export interface RawClientOptions {
  readonly version?: number
  /** Empty: the extension is not sent. */
  readonly alpn?: readonly string[]
  /** False: no session key in the hello, so that blocks are not encrypted. */
  readonly withKey?: boolean
  readonly proxyServer?: boolean
  readonly keyHash?: Uint8Array
  readonly service?: NonNullable<ClientHello['service']>
}

/** One command as tests write it. */
export interface Request {
  readonly command: Command
  readonly entityId?: EntityId
  readonly key?: AuthPrivateKey | undefined
  readonly corrId?: Uint8Array
  /** Instead of the authorisation with `key`. */
  readonly authenticator?: Uint8Array
  /** Replaces the encoded command, to send what the codec cannot. */
  readonly raw?: string | Uint8Array
  readonly serviceSignature?: Uint8Array
}

export type Received = ReceivedMessage | Refused

/**
 * The wire and nothing else: blocks over TLS, one corrId to one answer. The tests of the router do not use the
 * package's client, so that a misreading of the protocol cannot hide on both sides.
 */
export class RawClient {
  readonly connection: BlockConnection
  readonly hello: ServerHello
  readonly session: SessionContext
  readonly serverKey: PublicKey<'x25519'> | undefined
  /** Transmissions with an empty corrId, in the order of arrival. */
  readonly events = new BoundedQueue<Received>(10_000)
  /** Answers to what {@link send} and {@link sendContent} sent. */
  readonly strays: Received[] = []
  /** For each block received, what was in it: type or error. */
  readonly blocks: string[][] = []
  readonly seal: BlockSeal
  /** What the client could not make sense of. */
  failure: unknown
  readonly #waiting = new Map<string, PromiseWithResolvers<Received>>()
  readonly #reading: Promise<void>

  private constructor(
    connection: BlockConnection,
    hello: ServerHello,
    version: number,
    seal: BlockSeal,
    serverKey?: PublicKey<'x25519'>,
  ) {
    this.connection = connection
    this.hello = hello
    this.session = { version, sessionId: connection.sessionId }
    this.seal = seal
    this.serverKey = serverKey
    this.#reading = this.#read()
  }

  static async connect(address: string, options: RawClientOptions = {}): Promise<RawClient> {
    const { connection, hello, keyHash } = await openConnection(address, options)
    const { version = 18, withKey = true, proxyServer = false, service } = options
    const serverKey = hello.authentication && serverKeyOf(connection, hello.authentication.signedKey)
    const key = withKey && version >= SMP_GATES.authCommands ? PrivateKey.generate('x25519') : undefined
    const clientHello: ClientHello = {
      version,
      keyHash: options.keyHash ?? keyHash,
      proxyServer,
      ...(key && { sessionKey: key.publicKey }),
      ...(service && { service }),
    }
    await connection.write(paddedBlocks.encrypt(encode(clientHelloCodec, clientHello)))
    const isEncrypted = version >= SMP_GATES.blockEncryption && key && serverKey && !proxyServer
    const seal = isEncrypted ? BlockCipher.create(connection.sessionId, dh(key, serverKey), 'client') : paddedBlocks
    return new RawClient(connection, hello, version, seal, serverKey)
  }

  /** Sends one command and waits for its answer. */
  async ask(command: Command, entityId: EntityId = NO_ID, key?: AuthPrivateKey): Promise<BrokerMessage> {
    const [answer] = await this.askAll([{ command, entityId, key }])
    return answer as BrokerMessage
  }

  /** Sends commands in one block and waits for all answers, which come back in the order of the commands. */
  async askAll(requests: readonly Request[]): Promise<BrokerMessage[]> {
    const answers = await this.exchange(requests)
    return answers.map((answer) => (answer.ok ? answer.message : { type: 'ERR', error: answer.error }))
  }

  /** Like {@link askAll}, with the envelopes. */
  async exchange(requests: readonly Request[]): Promise<Received[]> {
    const sent = requests.map((request) => ({ ...request, corrId: request.corrId ?? new Uint8Array(randomBytes(24)) }))
    const answers = sent.map(({ corrId }) => {
      const waiting = Promise.withResolvers<Received>()
      this.#waiting.set(toHex(corrId), waiting)
      return waiting.promise
    })
    await this.send(sent)
    return within(Promise.all(answers), `no answer to ${requests.map(({ command }) => command.type)}`)
  }

  /** Sends commands in one block. */
  async send(requests: readonly Request[]): Promise<void> {
    await this.sendContent(
      encodeBatch(
        requests.map((request) => this.encode(request)),
        this.session.version,
      ),
    )
  }

  async sendContent(content: Uint8Array): Promise<void> {
    await this.connection.write(this.seal.encrypt(content))
  }

  encode(request: Request): SignedTransmission {
    const { command, entityId = NO_ID, key, corrId = new Uint8Array(randomBytes(24)), raw } = request
    let { authorized, body } = encodeCommand({ corrId, entityId, message: command }, this.session)
    if (raw !== undefined) {
      const tail = encodeCommand({ corrId, entityId, message: { type: 'PING' } }, this.session)
      const replaced = (bytes: Uint8Array) => Buffer.concat([bytes.subarray(0, -4), Buffer.from(raw as Uint8Array)])
      authorized = replaced(tail.authorized)
      body = replaced(tail.body)
    }
    const serverKey = this.serverKey
    const { authenticator, serviceSignature } = request
    if (authenticator) return { authorization: { authenticator, ...(serviceSignature && { serviceSignature }) }, body }
    if (!key) return { body }
    return {
      authorization: {
        ...authorize(key, { authorized, corrId, serverKey }),
        ...(serviceSignature && { serviceSignature }),
      },
      body,
    }
  }

  /** The next event, or what an answer without corrId says. */
  async event(): Promise<Received> {
    const event = await within(this.events.take(), 'no event')
    if (!event) throw new Error('connection ended while an event was awaited')
    return event
  }

  /** Settles when the router has ended the connection. */
  async ended(): Promise<void> {
    await within(this.#reading, 'the connection stays open')
  }

  async close(): Promise<void> {
    this.connection.close()
    await this.#reading
  }

  async #read(): Promise<void> {
    try {
      for (let block = await this.connection.read(); block; block = await this.connection.read()) {
        const received = decodeBrokerBlock(this.seal.decrypt(block), this.session)
        this.blocks.push(received.map((one) => (one.ok ? one.message.type : one.error.type)))
        for (const one of received) this.#dispatch(one)
      }
    } catch (error) {
      // Tests see the end itself; how it came does not matter to them, unless the fault is theirs.
      if (!(error instanceof NetworkError)) this.failure = error
    } finally {
      this.events.close()
      for (const waiting of this.#waiting.values()) {
        waiting.reject(new Error('connection ended before the answer', { cause: this.failure }))
      }
    }
  }

  #dispatch(received: Received): void {
    if (received.corrId.length === 0) {
      this.events.tryPut(received)
      return
    }
    const id = toHex(received.corrId)
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (waiting) waiting.resolve(received)
    else this.strays.push(received)
  }
}

/** TLS and the router's hello, with the checks that clients make. */
export async function openConnection(address: string, { alpn = SMP_ALPN }: RawClientOptions = {}) {
  const { server } = parseSmpServer(address)
  const connection = await connectTls({
    host: server.hosts[0],
    port: Number(server.port),
    keyHash: server.keyHash,
    alpn: alpn.length > 0 ? alpn : undefined,
    timeoutMs: 10_000,
  })
  const block = await connection.read()
  if (!block) throw new Error('the router said nothing')
  const hello = decodeServerHello(paddedBlocks.decrypt(block))
  if (toHex(hello.sessionId) !== toHex(connection.sessionId)) throw new Error('wrong session id')
  return { connection, hello, keyHash: server.keyHash }
}

function serverKeyOf(connection: BlockConnection, signedKey: Uint8Array): PublicKey<'x25519'> {
  const key = verifySignedKey(signedKey, validateChain(connection.peerCertificates).leafKey)
  if (!key.is('x25519')) throw new Error('session key of another kind')
  return key as PublicKey<'x25519'>
}

export async function within<T>(promise: Promise<T>, otherwise: string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(otherwise)), ANSWER_TIMEOUT)
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

export type { ServiceSigner }
