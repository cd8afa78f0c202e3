import { constants, randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import { DecodeError } from '@parley/core/encoding'
import { type ChallengePolicy, verifyChallenge } from '../entrance/challenge.ts'
import { AcnConnectionError } from '../entrance/connection-error.ts'
import { CONNECTION_LIMITS, ConnectionCounter, type ConnectionLimits } from '../entrance/connection-limits.ts'
import { CAPABILITY, CHALLENGE_LENGTH, decodeExtended, type Extension, encodeExtended } from '../entrance/extension.ts'
import { FrameConnection, nextFrame } from '../entrance/frame-connection.ts'
import { listen } from '../entrance/listen.ts'
import { provenRecord, refusal } from '../entrance/registration.ts'
import { NODE_EXTENSION, ServedSession, type SessionServing } from '../entrance/served-session.ts'
import type { SessionCertificate } from '../entrance/session-certificate.ts'
import {
  AcnStatusError,
  type AgentRecord,
  encodeAcnMessage,
  MAX_FRAME_LENGTH,
  MAX_REGISTER_LENGTH,
  STATUS,
  SUCCESS_BYTES,
  SUCCESS_MESSAGE,
} from '../protocol/index.ts'
import type { PeerKey, ProofCache } from '../record/index.ts'

/**
 * Groups for the key exchange. Without the hybrid ones, which leave 8 KB more behind in each of a thousand connections
 * (66 against 58 KB of resident memory, bare TLS on Node 24), for a link to a node that reads the envelopes anyway.
 */
const CURVES = 'X25519:P-256:P-384'

/** How long a delegate may take, ms. */
export interface DelegateTimeouts {
  /** For TLS. */
  readonly handshakeMs: number
  /** From then to its Register, and for the answer to a challenge. */
  readonly registrationMs: number
  /** TCP asks whether it is still there when nothing came for so long. */
  readonly keepAliveMs: number
}

/** A delegate may be silent for as long as it likes once it has registered. */
export const DELEGATE_TIMEOUTS: DelegateTimeouts = { handshakeMs: 10_000, registrationMs: 10_000, keepAliveMs: 60_000 }

export interface DelegateServerOptions extends SessionServing {
  readonly host: string
  /** 0 for any free port. */
  readonly port: number
  /** Public key of the peer that the agents' records must name. */
  readonly peerKey: Pick<PeerKey, 'publicKeyHex'>
  readonly certificate: SessionCertificate
  readonly proofs?: ProofCache
  /** `offered` by default. */
  readonly challenge?: ChallengePolicy
  /** Wait before each registration, ms; 0 by default. */
  readonly registrationDelayMs?: number
  readonly limits?: Partial<ConnectionLimits>
  readonly timeouts?: Partial<DelegateTimeouts>
}

/**
 * Serves agents that attach over TLS: `spec/acn.md §8`. No agent makes another one wait, and nothing that one sends ends
 * more than its own connection.
 */
export class DelegateServer {
  readonly #server: Server
  readonly #options: DelegateServerOptions
  readonly #timeouts: DelegateTimeouts
  readonly #counter: ConnectionCounter
  readonly #sessions = new Map<string, Attached>()
  /** Sessions that get nothing. */
  readonly #senders = new Set<ServedSession>()
  readonly #running = new Set<Promise<void>>()
  readonly #stop = new AbortController()
  #order = 0
  #registrations = 0
  #address = ''
  #port = 0

  private constructor(options: DelegateServerOptions) {
    this.#options = options
    this.#timeouts = { ...DELEGATE_TIMEOUTS, ...options.timeouts }
    this.#counter = new ConnectionCounter({ ...CONNECTION_LIMITS, ...options.limits })
    this.#server = createServer({
      cert: options.certificate.certificatePem,
      key: options.certificate.privateKeyPem,
      minVersion: 'TLSv1.2',
      ecdhCurve: CURVES,
      // Nobody resumes a session, and tickets cost 4 KB and two writes for each connection.
      secureOptions: constants.SSL_OP_NO_TICKET,
      handshakeTimeout: this.#timeouts.handshakeMs,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: this.#timeouts.keepAliveMs,
    })
    this.#server.on('connection', (socket: Socket) => this.#admit(socket))
    this.#server.on('tlsClientError', (_, socket) => {
      // Without a listener an error while the socket goes down would end the process.
      socket.on('error', () => {})
      socket.destroy()
    })
    this.#server.on('secureConnection', (socket) => this.#track(this.#serve(socket)))
  }

  /**
   * Opens the port.
   * @throws AcnConnectionError CONNECT
   */
  static async listen(options: DelegateServerOptions): Promise<DelegateServer> {
    const server = new DelegateServer(options)
    const { address, port } = await listen(server.#server, options.host, options.port)
    server.#address = address
    server.#port = port
    // From now on an error means that accepting failed, for instance for want of file descriptors.
    server.#server.on('error', (error) => options.onError?.(error))
    return server
  }

  /** Address that the system gave. */
  get address(): string {
    return this.#address
  }

  get port(): number {
    return this.#port
  }

  /** TCP connections, registered or not. */
  get connections(): number {
    return this.#counter.count
  }

  /** Agents that are attached. */
  get agents(): number {
    return this.#sessions.size
  }

  /** Registrations that succeeded since the start. */
  get registrations(): number {
    return this.#registrations
  }

  /** Takes no more agents, ends all sessions, and resolves when every item is settled. */
  async close(): Promise<void> {
    this.#stop.abort(new AcnConnectionError('CLOSED', 'node stops'))
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#server.close(() => resolve())
    for (const { session } of this.#sessions.values()) session.detach('stopping')
    for (const session of this.#senders) session.detach('stopping')
    this.#counter.destroyUnregistered()
    await Promise.all(this.#running)
    await promise
  }

  #admit(socket: Socket): void {
    // A connection may break before TLS listens to it.
    socket.on('error', () => {})
    this.#counter.admit(socket)
  }

  #track(serving: Promise<void>): void {
    this.#running.add(serving)
    void serving.finally(() => this.#running.delete(serving))
  }

  /** One connection from its first frame to its end. Never rejects. */
  async #serve(socket: TLSSocket): Promise<void> {
    const connection = new FrameConnection(socket, { maxLength: MAX_REGISTER_LENGTH })
    connection.write(this.#options.certificate.signature)
    try {
      const registered = await this.#register(connection)
      if (registered) await this.#attach(registered, connection, socket)
      else connection.destroy()
    } catch (error) {
      if (error instanceof AcnConnectionError || this.#stop.signal.aborted) return connection.destroy()
      const { code, msgs, cause } = refusal(error)
      if (cause !== undefined) this.#options.onError?.(cause)
      connection.write(encodeAcnMessage({ type: 'status', body: { code, msgs } }))
      connection.close()
      await connection.closed
    }
  }

  /**
   * Takes the agent's Register.
   * @returns undefined when the connection ended
   * @throws AcnStatusError when it is refused; AcnConnectionError when nothing came
   */
  async #register(connection: FrameConnection): Promise<Registered | undefined> {
    const first = await this.#nextRegister(connection)
    if (!first) return undefined
    const { registrationDelayMs = 0 } = this.#options
    if (registrationDelayMs > 0) await delay(registrationDelayMs, undefined, { signal: this.#stop.signal })
    const record = provenRecord(first.record, this.#options)
    const capabilities = first.extension?.capabilities ?? 0
    const isParley = (capabilities & CAPABILITY.ids) !== 0
    const answeredChallenge = await this.#challenge(connection, record, capabilities)
    const sendsOnly = isParley && (capabilities & CAPABILITY.sendsOnly) !== 0
    return answeredChallenge === undefined ? undefined : { record, isParley, answeredChallenge, sendsOnly }
  }

  /** Asks the agent to sign; undefined when the connection ended meanwhile. */
  async #challenge(
    connection: FrameConnection,
    record: AgentRecord,
    capabilities: number,
  ): Promise<boolean | undefined> {
    const { challenge: policy = 'offered', peerKey, certificate } = this.#options
    if (policy === 'off') return false
    if ((capabilities & CAPABILITY.challenge) === 0) {
      if (policy === 'offered') return false
      throw new AcnStatusError(STATUS.ERROR_INVALID_PROOF, 'a fresh proof is required')
    }
    const challenge = randomBytes(CHALLENGE_LENGTH)
    connection.write(encodeExtended({ type: 'empty' }, { challenge }))
    const second = await this.#nextRegister(connection)
    if (!second) return undefined
    const answer = second.extension?.challengeAnswer ?? ''
    const context = { peerPublicKey: peerKey.publicKeyHex, point: certificate.point, challenge }
    if (!verifyChallenge(record, context, answer)) {
      throw new AcnStatusError(STATUS.ERROR_INVALID_PROOF, 'answer to the challenge is not valid')
    }
    return true
  }

  async #nextRegister(connection: FrameConnection): Promise<RegisterFrame | undefined> {
    const { signal } = this.#stop
    const body = await nextFrame(connection, { timeoutMs: this.#timeouts.registrationMs, signal })
    if (!body) return undefined
    const { message, extension } = decodeRegister(body)
    if (message.type !== 'register') {
      throw new AcnStatusError(STATUS.ERROR_UNEXPECTED_PAYLOAD, 'unexpected payload')
    }
    return { record: message.record, extension }
  }

  /** The agent is proven: tells the handler, takes the place of an older session, and serves it. */
  async #attach(registered: Registered, connection: FrameConnection, socket: TLSSocket): Promise<void> {
    const session = new ServedSession({
      ...this.#options,
      ...registered,
      kind: 'delegate',
      connection,
      registersLater: false,
      closesOnViolation: true,
    })
    const { handler } = this.#options
    const order = ++this.#order
    await handler.onRegister(session)
    if (registered.sendsOnly) return this.#serveSender(session, connection, socket)
    const before = this.#sessions.get(session.address)
    const isLate = before !== undefined && before.order > order
    if (isLate || !connection.isOpen || this.#stop.signal.aborted) {
      connection.destroy()
      handler.onDetached?.(session)
      return
    }
    this.#registrations++
    this.#counter.register(socket)
    const { promise: ended, resolve: end } = Promise.withResolvers<void>()
    const attached: Attached = { session, order, ended }
    this.#sessions.set(session.address, attached)
    before?.session.detach('superseded')
    connection.maxLength = MAX_FRAME_LENGTH
    connection.write(registered.isParley ? encodeExtended(SUCCESS_MESSAGE, NODE_EXTENSION) : SUCCESS_BYTES)
    session.start()
    // What the older session had is settled before this one asks for what waits.
    await before?.ended
    await session.run()
    if (this.#sessions.get(session.address) === attached) this.#sessions.delete(session.address)
    end()
  }

  /** A session that gets nothing: whoever has the agent's envelopes keeps them. */
  async #serveSender(session: ServedSession, connection: FrameConnection, socket: TLSSocket): Promise<void> {
    if (this.#stop.signal.aborted) connection.destroy()
    this.#counter.register(socket)
    this.#senders.add(session)
    connection.maxLength = MAX_FRAME_LENGTH
    connection.write(encodeExtended(SUCCESS_MESSAGE, NODE_EXTENSION))
    session.start()
    await connection.closed
    this.#senders.delete(session)
    this.#options.handler.onDetached?.(session)
  }
}

interface RegisterFrame {
  readonly record: AgentRecord | undefined
  readonly extension: Extension | undefined
}

interface Registered {
  readonly record: AgentRecord
  readonly isParley: boolean
  readonly answeredChallenge: boolean
  readonly sendsOnly: boolean
}

interface Attached {
  readonly session: ServedSession
  /** Grows with each registration. */
  readonly order: number
  /** Its items are settled and its handler knows. */
  readonly ended: Promise<void>
}

function decodeRegister(body: Uint8Array) {
  try {
    return decodeExtended(body)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw new AcnStatusError(STATUS.ERROR_DECODE, 'message cannot be decoded')
  }
}
