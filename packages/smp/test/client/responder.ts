import { createRouterCertificates, fingerprint, signSessionKey } from '@parley/core/certificates'
import { dh, PrivateKey, type SignatureAlgorithm } from '@parley/core/crypto'
import { encode } from '@parley/core/encoding'
import { BoundedQueue } from '@parley/core/queue'
import {
  BlockCipher,
  type BlockConnection,
  type BlockSeal,
  listenTls,
  paddedBlocks,
  type TlsListener,
} from '@parley/core/transport'
import type { VersionRange } from '@parley/core/version'
import {
  type BrokerMessage,
  type ClientHello,
  decodeClientHello,
  decodeCommandBlock,
  encodeBatch,
  encodeBrokerMessage,
  LEGACY_SMP_VERSIONS,
  type ReceivedCommand,
  type ServerHello,
  type ServiceResponse,
  SMP_GATES,
  SMP_VERSIONS,
  type SmpServer,
  serverHelloCodec,
  serviceResponseCodec,
  type Transmission,
} from '@parley/smp/protocol'

export interface ResponderOptions {
  readonly algorithm?: SignatureAlgorithm
  readonly versions?: VersionRange
  /** Changes the hello before it is sent. */
  readonly alterHello?: (hello: ServerHello, leafKey: PrivateKey<SignatureAlgorithm>) => ServerHello
  /** Sent instead of the hello block. */
  readonly firstBlock?: (connection: BlockConnection) => void
  /** Answer to a client that says it is a service. */
  readonly serviceResponse?: ServiceResponse
}

/** The router's side of one connection, driven by a test. */
export class ResponderSession {
  readonly connection: BlockConnection
  readonly hello: ClientHello
  readonly sessionKey: PrivateKey<'x25519'>
  readonly seal: BlockSeal

  constructor(connection: BlockConnection, hello: ClientHello, sessionKey: PrivateKey<'x25519'>, seal: BlockSeal) {
    this.connection = connection
    this.hello = hello
    this.sessionKey = sessionKey
    this.seal = seal
  }

  get version(): number {
    return this.hello.version
  }

  get #context() {
    return { version: this.version, sessionId: this.connection.sessionId }
  }

  /** The commands of the next block; each must be well-formed. */
  async receive(): Promise<ReceivedCommand[]> {
    const block = await this.connection.read()
    if (!block) throw new Error('client closed the connection')
    return decodeCommandBlock(this.seal.decrypt(block), this.#context).map((command) => {
      if (!command.ok) throw new Error(`command refused: ${JSON.stringify(command.error)}`)
      return command
    })
  }

  /** The only command of the next block. */
  async receiveOne(): Promise<ReceivedCommand> {
    const [command, ...more] = await this.receive()
    if (!command || more.length > 0) throw new Error(`${1 + more.length} commands in a block`)
    return command
  }

  /** Sends messages in one block. */
  send(...messages: readonly Transmission<BrokerMessage>[]): Promise<void> {
    const transmissions = messages.map((message) => encodeBrokerMessage(message, this.#context))
    return this.sendContent(encodeBatch(transmissions, this.version))
  }

  sendContent(content: Uint8Array): Promise<void> {
    return this.connection.write(this.seal.encrypt(content))
  }

  /** Answers a command. */
  answer({ corrId, entityId }: ReceivedCommand, message: BrokerMessage): Promise<void> {
    return this.send({ corrId, entityId, message })
  }

  /** Sends an event. */
  push(entityId: Uint8Array, message: BrokerMessage): Promise<void> {
    return this.send({ corrId: new Uint8Array(), entityId, message })
  }
}

/** A router that does its handshake and leaves the rest to the test. */
export class Responder implements AsyncDisposable {
  readonly server: SmpServer
  readonly #listener: TlsListener
  readonly #sessions: BoundedQueue<ResponderSession>

  private constructor(server: SmpServer, listener: TlsListener, sessions: BoundedQueue<ResponderSession>) {
    this.server = server
    this.#listener = listener
    this.#sessions = sessions
  }

  static async start(options: ResponderOptions = {}): Promise<Responder> {
    const certificates = createRouterCertificates({
      algorithm: options.algorithm ?? 'ed25519',
      commonName: 'localhost',
    })
    const keyHash = fingerprint(certificates.identityCertificate)
    const sessions = new BoundedQueue<ResponderSession>(100)
    const chain = [certificates.serverCertificate, certificates.identityCertificate] as const
    const listener = await listenTls({
      host: '127.0.0.1',
      port: 0,
      certificates,
      onConnection: async (connection) => {
        if (options.firstBlock) {
          options.firstBlock(connection)
          return
        }
        const sessionKey = PrivateKey.generate('x25519')
        const versions = connection.alpn ? (options.versions ?? SMP_VERSIONS) : LEGACY_SMP_VERSIONS
        const signedKey = signSessionKey(sessionKey.publicKey, certificates.serverKey)
        const hello: ServerHello = {
          versions,
          sessionId: connection.sessionId,
          ...(versions.max >= SMP_GATES.authCommands && { authentication: { certificates: chain, signedKey } }),
        }
        const sent = options.alterHello?.(hello, certificates.serverKey) ?? hello
        await connection.write(paddedBlocks.encrypt(encode(serverHelloCodec, sent)))
        const block = await connection.read()
        if (!block) return
        const clientHello = decodeClientHello(paddedBlocks.decrypt(block))
        if (clientHello.service && options.serviceResponse) {
          await connection.write(paddedBlocks.encrypt(encode(serviceResponseCodec, options.serviceResponse)))
        }
        const secret = clientHello.sessionKey && dh(sessionKey, clientHello.sessionKey)
        const isEncrypted = secret && !clientHello.proxyServer && clientHello.version >= SMP_GATES.blockEncryption
        const seal = isEncrypted ? BlockCipher.create(connection.sessionId, secret, 'server') : paddedBlocks
        sessions.tryPut(new ResponderSession(connection, clientHello, sessionKey, seal))
      },
    })
    const server: SmpServer = { hosts: ['127.0.0.1'], port: String(listener.port), keyHash }
    return new Responder(server, listener, sessions)
  }

  /** The next client that has finished its handshake. */
  async accept(): Promise<ResponderSession> {
    const session = await this.#sessions.take()
    if (!session) throw new Error('responder is closed')
    return session
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#sessions.close()
    await this.#listener.close()
  }
}
