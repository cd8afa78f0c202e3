import { randomFillSync } from 'node:crypto'
import { validateChain, verifySignedKey } from '@parley/core/certificates'
import { dh, PrivateKey, type PublicKey } from '@parley/core/crypto'
import { encode } from '@parley/core/encoding'
import {
  BlockCipher,
  type BlockConnection,
  type BlockSeal,
  connectTls,
  paddedBlocks,
  SMP_ALPN,
} from '@parley/core/transport'
import {
  type AuthPrivateKey,
  authorize,
  type BrokerMessage,
  type Command,
  clientHelloCodec,
  decodeBrokerBlock,
  decodeServerHello,
  encodeBatch,
  encodeCommand,
  parseSmpServer,
  type ReceivedMessage,
  smpServerPort,
} from '@parley/smp/protocol'

const VERSION = 18
const CONNECT_TIMEOUT = 60_000
const NO_ID = new Uint8Array()

/** A command as it stands in a block. */
export interface PreparedCommand {
  readonly corrId: Uint8Array
  readonly content: Uint8Array
}

const pool = Buffer.alloc(24 * 256)
let taken = pool.length

function randomId(): Uint8Array {
  if (taken === pool.length) {
    randomFillSync(pool)
    taken = 0
  }
  taken += 24
  return Uint8Array.from(pool.subarray(taken - 24, taken))
}

/**
 * A connection of the load: no more than the wire takes, so that the router is what is measured. Each command goes
 * out in a block of its own, as agents send what is not a batch from the beginning.
 */
export class RawConnection {
  readonly #connection: BlockConnection
  readonly #seal: BlockSeal
  readonly #onMessage: (message: ReceivedMessage) => void
  readonly closed: Promise<void>

  private constructor(connection: BlockConnection, seal: BlockSeal, onMessage: (message: ReceivedMessage) => void) {
    this.#connection = connection
    this.#seal = seal
    this.#onMessage = onMessage
    this.closed = this.#read()
  }

  /** @param onMessage gets every message of the router, answers and events alike */
  static async connect(address: string, onMessage: (message: ReceivedMessage) => void): Promise<RawConnection> {
    const { server } = parseSmpServer(address)
    const { keyHash } = server
    const connection = await connectTls({
      host: server.hosts[0],
      port: smpServerPort(server),
      keyHash,
      alpn: SMP_ALPN,
      timeoutMs: CONNECT_TIMEOUT,
    })
    const block = await connection.read()
    if (!block) throw new Error('the router ended the connection')
    const hello = decodeServerHello(paddedBlocks.decrypt(block))
    const { leafKey } = validateChain(connection.peerCertificates, { keyHash })
    if (!hello.authentication) throw new Error('the router is too old')
    const serverKey = verifySignedKey(hello.authentication.signedKey, leafKey) as PublicKey<'x25519'>
    const key = PrivateKey.generate('x25519')
    const clientHello = { version: VERSION, keyHash, sessionKey: key.publicKey, proxyServer: false }
    await connection.write(paddedBlocks.encrypt(encode(clientHelloCodec, clientHello)))
    const seal = BlockCipher.create(connection.sessionId, dh(key, serverKey), 'client')
    return new RawConnection(connection, seal, onMessage)
  }

  /** Sends a command; returns its corrId. */
  send(command: Command, entityId: Uint8Array = NO_ID, key?: AuthPrivateKey): Uint8Array {
    const prepared = this.prepare(command, entityId, key)
    this.repeat(prepared)
    return prepared.corrId
  }

  /** Sends a command that was prepared, any number of times: the router does the same work for each. */
  repeat({ content }: PreparedCommand): void {
    this.#connection.write(this.#seal.encrypt(content)).catch(() => {})
  }

  /** Encodes and signs a command, which is most of what sending costs a client. */
  prepare(command: Command, entityId: Uint8Array = NO_ID, key?: AuthPrivateKey): PreparedCommand {
    const corrId = randomId()
    const session = { version: VERSION, sessionId: this.#connection.sessionId }
    const { authorized, body } = encodeCommand({ corrId, entityId, message: command }, session)
    const signed = key ? { authorization: authorize(key, { authorized, corrId }), body } : { body }
    return { corrId, content: encodeBatch([signed], VERSION) }
  }

  close(): void {
    this.#connection.close()
  }

  async #read(): Promise<void> {
    const session = { version: VERSION, sessionId: this.#connection.sessionId }
    for (let block = await this.#connection.read(); block; block = await this.#connection.read()) {
      for (const received of decodeBrokerBlock(this.#seal.decrypt(block), session)) {
        if (!received.ok) throw new Error(`the router sent something malformed: ${received.error.type}`)
        this.#onMessage(received)
      }
    }
  }
}

/** A client that waits for each answer. */
export class AskingConnection {
  readonly #waiting = new Map<string, (message: BrokerMessage) => void>()
  #connection: RawConnection | undefined

  static async connect(address: string): Promise<AskingConnection> {
    const asking = new AskingConnection()
    asking.#connection = await RawConnection.connect(address, ({ corrId, message }) => {
      const id = Buffer.from(corrId).toString('latin1')
      asking.#waiting.get(id)?.(message)
      asking.#waiting.delete(id)
    })
    return asking
  }

  ask(command: Command, entityId?: Uint8Array, key?: AuthPrivateKey): Promise<BrokerMessage> {
    const { promise, resolve } = Promise.withResolvers<BrokerMessage>()
    const corrId = this.#connection?.send(command, entityId, key)
    if (corrId) this.#waiting.set(Buffer.from(corrId).toString('latin1'), resolve)
    return promise
  }

  close(): void {
    this.#connection?.close()
  }
}
