import { connect, type TLSSocket } from 'node:tls'
import { challengeMessage } from '../entrance/challenge.ts'
import { AcnConnectionError, connectionError } from '../entrance/connection-error.ts'
import type { Entry, EntryConnection, EntryHandler } from '../entrance/entry.ts'
import { CAPABILITY, decodeExtended, type Extension, encodeExtended } from '../entrance/extension.ts'
import { FrameConnection, nextFrame } from '../entrance/frame-connection.ts'
import type { AgentIdentity } from '../entrance/identity.ts'
import { LinkConnection } from '../entrance/link-connection.ts'
import {
  AcnStatusError,
  type AgentRecord,
  expectSuccess,
  peerPublicKeyFromHex,
  SAFE_DELEGATE_FRAME,
  STATUS,
} from '../protocol/index.ts'
import { sessionPoint, verifySessionCertificate } from '../record/index.ts'

/** For TCP and TLS, ms. */
const CONNECT_TIMEOUT = 10_000
/** For the node's signature, and for the answer to Register, ms: `spec/acn.md §8`. */
const ANSWER_TIMEOUT = 5_000

/** The delegate port of a node. */
export interface DelegateEntryOptions {
  readonly host: string
  readonly port: number
  /** The peer that the node must prove to be: lower-case hexadecimal of 33 bytes. */
  readonly peerPublicKey: string
  readonly identity: AgentIdentity
  /** Only sends: another session of the agent at a Parley node goes on beside it. False by default. */
  readonly sendsOnly?: boolean
  readonly connectTimeoutMs?: number
  readonly answerTimeoutMs?: number
  readonly statusTimeoutMs?: number
}

/** Attaches an agent to a node's delegate port. */
export class DelegateEntry implements Entry {
  readonly name: string
  readonly #options: DelegateEntryOptions

  constructor(options: DelegateEntryOptions) {
    this.#options = options
    this.name = `delegate ${options.host}:${options.port}`
  }

  async connect(handler: EntryHandler, signal: AbortSignal): Promise<EntryConnection> {
    const socket = await this.#openTls(signal)
    const certificate = socket.getPeerX509Certificate()?.raw ?? Buffer.alloc(0)
    const connection = new FrameConnection(socket)
    try {
      await this.#checkNode(connection, certificate, signal)
      const record = await this.#options.identity.recordFor(this.#options.peerPublicKey)
      const extension = await this.#register(connection, record, certificate, signal)
      const { statusTimeoutMs } = this.#options
      const link = new LinkConnection(connection, { handler, safeFrameLength: SAFE_DELEGATE_FRAME, statusTimeoutMs })
      link.learn(extension)
      link.link.start()
      return link
    } catch (error) {
      connection.destroy()
      throw error
    }
  }

  #openTls(signal: AbortSignal): Promise<TLSSocket> {
    signal.throwIfAborted()
    const { host, port, connectTimeoutMs = CONNECT_TIMEOUT } = this.#options
    const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>()
    // The certificate is nobody's but the node's own: the peer key vouches for it.
    const socket = connect({ host, port, rejectUnauthorized: false, minVersion: 'TLSv1.2' })
    const timeout = new AcnConnectionError('TIMEOUT', 'no TLS connection in time')
    const timer = setTimeout(() => socket.destroy(timeout), connectTimeoutMs)
    const abort = () => socket.destroy(timeout)
    signal.addEventListener('abort', abort, { once: true })
    let isConnected = false
    const fail = (cause: unknown) => {
      const error = connectionError(isConnected ? 'TLS' : 'CONNECT', cause)
      reject(signal.aborted ? signal.reason : error)
    }
    socket.once('connect', () => {
      isConnected = true
    })
    socket.once('error', fail)
    // A node that takes no more connections closes them without a word.
    socket.once('close', () => fail(new Error('connection is closed')))
    socket.once('secureConnect', () => resolve(socket))
    return promise.finally(() => {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
      socket.off('error', fail)
    })
  }

  /** The first frame is the peer's signature of the certificate's key. */
  async #checkNode(connection: FrameConnection, certificate: Uint8Array, signal: AbortSignal): Promise<void> {
    const signature = await this.#next(connection, signal)
    const peerKey = peerPublicKeyFromHex(this.#options.peerPublicKey)
    if (!verifySessionCertificate(peerKey, certificate, signature)) {
      throw new AcnConnectionError('UNTRUSTED', 'the node is not the configured peer')
    }
  }

  /** Registers the agent; gives what the node says of itself. */
  async #register(
    connection: FrameConnection,
    record: AgentRecord,
    certificate: Uint8Array,
    signal: AbortSignal,
  ): Promise<Extension | undefined> {
    const { identity, sendsOnly } = this.#options
    const capabilities =
      CAPABILITY.ids |
      CAPABILITY.reports |
      (identity.sign ? CAPABILITY.challenge : 0) |
      (sendsOnly ? CAPABILITY.sendsOnly : 0)
    connection.write(encodeExtended({ type: 'register', record }, { capabilities }))
    let answer = decodeExtended(await this.#next(connection, signal))
    const challenge = answer.extension?.challenge
    if (identity.sign && challenge && answer.message.type === 'empty') {
      const point = sessionPoint(certificate)
      const message = challengeMessage({ peerPublicKey: record.peerPublicKey, point, challenge })
      const challengeAnswer = await identity.sign(message)
      connection.write(encodeExtended({ type: 'register', record }, { capabilities, challengeAnswer }))
      answer = decodeExtended(await this.#next(connection, signal))
    }
    try {
      expectSuccess(answer.message)
    } catch (cause) {
      const code = cause instanceof AcnStatusError ? cause.code : STATUS.ERROR_GENERIC
      throw new AcnConnectionError('REFUSED', `registration refused with status ${code}`, { cause })
    }
    return answer.extension
  }

  async #next(connection: FrameConnection, signal: AbortSignal): Promise<Uint8Array> {
    const body = await nextFrame(connection, { timeoutMs: this.#options.answerTimeoutMs ?? ANSWER_TIMEOUT, signal })
    if (!body) throw connection.error ?? new AcnConnectionError('CLOSED', 'the node closed the connection')
    return body
  }
}
