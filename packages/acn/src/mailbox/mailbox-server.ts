import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { Socket } from 'node:net'
import { DecodeError, toHex } from '@parley/core/encoding'
import { KeyedLock } from '@parley/core/lock'
import { type ChallengePolicy, verifyChallenge } from '../entrance/challenge.ts'
import { CONNECTION_LIMITS, ConnectionCounter, type ConnectionLimits } from '../entrance/connection-limits.ts'
import { encodeReport, isEnvelopeId } from '../entrance/extension.ts'
import { listen } from '../entrance/listen.ts'
import { provenRecord, refusal } from '../entrance/registration.ts'
import type { SessionServing } from '../entrance/served-session.ts'
import type { SessionCertificate } from '../entrance/session-certificate.ts'
import { answerFor, TOLD_ERRORS } from '../entrance/told-errors.ts'
import type { PendingItem } from '../entrance.ts'
import {
  type AgentRecord,
  decodeAgentRecord,
  decodeEnvelope,
  MAX_FRAME_LENGTH,
  MAX_REGISTER_LENGTH,
  STATUS,
  type StatusBody,
} from '../protocol/index.ts'
import type { PeerKey, ProofCache } from '../record/index.ts'
import { FreshChallenges } from './fresh-challenge.ts'
import { type Answer, readBody, refused, TOO_LONG, writeAnswer } from './http-exchange.ts'
import { HEADER, MAX_WAIT, PATH } from './mailbox-headers.ts'
import { MailboxSession } from './mailbox-session.ts'
import { MailboxSessions, SESSION_LIMITS, type SessionLimits } from './mailbox-sessions.ts'

/** How long a client may take, ms. */
export interface MailboxTimeouts {
  /** For TLS. */
  readonly handshakeMs: number
  /** For the head of a request. */
  readonly headersMs: number
  /** For a whole request. */
  readonly requestMs: number
}

const TIMEOUTS: MailboxTimeouts = { handshakeMs: 10_000, headersMs: 10_000, requestMs: 60_000 }
/** How often Node looks for requests that are late, ms, unless they may take less. */
const LOOK_FOR_LATE = 2_000
const KEEP_ALIVE_TIMEOUT = 65_000
const MAX_HEADERS = 16 * 1024
/** How long a client is kept waiting for the answer to its envelope, ms. */
const ANSWER_WITHIN = 20_000
/** How long requests under way have when the mailbox stops, ms. */
const STOP_WITHIN = 1_000
const TOKEN_LENGTH = 16

export interface MailboxServerOptions extends Omit<SessionServing, 'pump'> {
  readonly host: string
  /** 0 for any free port. */
  readonly port: number
  /** Public key of the peer that the agents' records must name. */
  readonly peerKey: Pick<PeerKey, 'publicKeyHex'>
  readonly certificate: SessionCertificate
  readonly proofs?: ProofCache
  /** `offered` by default. */
  readonly challenge?: ChallengePolicy
  readonly limits?: Partial<ConnectionLimits>
  readonly sessions?: Partial<SessionLimits>
  readonly timeouts?: Partial<MailboxTimeouts>
}

/**
 * Serves agents that fetch their envelopes over HTTPS: `spec/acn.md §8`. A session is its agent's alone and ends when the
 * agent registers again. What waits is in the handler's queues: a session holds one item at most.
 */
export class MailboxServer {
  readonly #server: Server
  readonly #options: MailboxServerOptions
  readonly #counter: ConnectionCounter
  readonly #sessions: MailboxSessions
  readonly #challenges = new FreshChallenges()
  /** One registration of an agent at a time. */
  readonly #registering = new KeyedLock()
  /** By connection: takes back that the last item was sent, for a connection that breaks before it was read. */
  readonly #sentLast = new WeakMap<Socket, () => void>()
  #registrations = 0
  #address = ''
  #port = 0

  private constructor(options: MailboxServerOptions) {
    this.#options = options
    this.#counter = new ConnectionCounter({ ...CONNECTION_LIMITS, ...options.limits })
    this.#sessions = new MailboxSessions({ ...SESSION_LIMITS, ...options.sessions })
    const { handshakeMs, headersMs, requestMs } = { ...TIMEOUTS, ...options.timeouts }
    this.#server = createServer(
      {
        cert: options.certificate.certificatePem,
        key: options.certificate.privateKeyPem,
        minVersion: 'TLSv1.2',
        handshakeTimeout: handshakeMs,
        headersTimeout: headersMs,
        requestTimeout: requestMs,
        connectionsCheckingInterval: Math.min(LOOK_FOR_LATE, headersMs),
        keepAliveTimeout: KEEP_ALIVE_TIMEOUT,
        maxHeaderSize: MAX_HEADERS,
        noDelay: true,
      },
      (request, response) => void this.#respond(request, response),
    )
    this.#server.on('connection', (socket: Socket) => {
      // A connection may break before TLS listens to it.
      socket.on('error', () => {})
      this.#counter.admit(socket)
    })
    this.#server.on('secureConnection', (socket) => {
      socket.once('close', (isBroken) => {
        if (isBroken) this.#sentLast.get(socket)?.()
      })
    })
    this.#server.on('tlsClientError', (_, socket) => {
      socket.on('error', () => {})
      socket.destroy()
    })
    this.#server.on('clientError', (_, socket) => {
      if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
      else socket.destroy()
    })
  }

  /**
   * Opens the port.
   * @throws AcnConnectionError CONNECT
   */
  static async listen(options: MailboxServerOptions): Promise<MailboxServer> {
    const server = new MailboxServer(options)
    const { address, port } = await listen(server.#server, options.host, options.port)
    server.#address = address
    server.#port = port
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

  /** Agents with a session. */
  get agents(): number {
    return this.#sessions.size
  }

  /** TCP connections. */
  get connections(): number {
    return this.#counter.count
  }

  /** Registrations that succeeded since the start. */
  get registrations(): number {
    return this.#registrations
  }

  /** Takes no more requests and resolves when every item is settled. */
  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#server.close(() => resolve())
    await this.#sessions.endAll()
    this.#server.closeIdleConnections()
    this.#counter.destroyUnregistered()
    const timer = setTimeout(() => this.#server.closeAllConnections(), STOP_WITHIN)
    await promise
    clearTimeout(timer)
  }

  /** Answers one request. Never rejects. */
  async #respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => {})
    let answer: Answer
    try {
      answer = await this.#answer(request, response)
    } catch (error) {
      // A request that broke off has nobody to answer.
      if (!request.complete && request.destroyed) return
      this.#options.onError?.(error)
      answer = { status: 500, body: 'internal error', closes: true }
    }
    if (response.destroyed) return
    if (answer.closes) response.once('finish', () => request.destroy())
    writeAnswer(response, answer)
  }

  #answer(request: IncomingMessage, response: ServerResponse): Promise<Answer> | Answer {
    const [path] = (request.url ?? '').split('?', 1)
    switch (path) {
      case PATH.signature:
        return request.method === 'GET' ? { status: 200, body: this.#options.certificate.signature } : INVALID_METHOD
      case PATH.register:
        return request.method === 'POST' ? this.#register(request) : INVALID_METHOD
      case PATH.send:
        return request.method === 'POST' ? this.#send(request) : INVALID_METHOD
      case PATH.get:
        return request.method === 'GET' ? this.#get(request, response) : INVALID_METHOD
      case PATH.unregister:
        return request.method === 'GET' ? this.#unregister(request) : INVALID_METHOD
      default:
        return { status: 404, body: '404 page not found\n', headers: { 'X-Content-Type-Options': 'nosniff' } }
    }
  }

  async #register(request: IncomingMessage): Promise<Answer> {
    const body = await readBody(request, MAX_REGISTER_LENGTH)
    if (!body) return TOO_LONG
    if (body.length === 0) return EMPTY_BODY
    let record: AgentRecord
    try {
      record = provenRecord(decodeAgentRecord(body), this.#options)
    } catch (error) {
      if (error instanceof DecodeError) return refused('Error on agent record deserialize')
      return refused('Invalid PoR', statusHeader(refusal(error).code))
    }
    const isParley = request.headers[HEADER.parley] !== undefined
    const fresh = this.#checkChallenge(request, record, isParley)
    if (typeof fresh !== 'boolean') return fresh
    const { remoteAddress = '' } = request.socket
    if (!this.#sessions.makeRoom(remoteAddress)) return { status: 503, body: 'too many sessions' }
    return this.#registering.withLock(record.address, () => this.#open(record, remoteAddress, isParley, fresh))
  }

  /** Whether the agent has shown that it has its key now; or what it is answered first. */
  #checkChallenge(request: IncomingMessage, record: AgentRecord, isParley: boolean): boolean | Answer {
    const { challenge: policy = 'offered', peerKey, certificate } = this.#options
    if (policy === 'off') return false
    const offered = request.headers[HEADER.challenge]
    if (!isParley || typeof offered !== 'string') {
      return policy === 'offered' ? false : refused('Invalid PoR', statusHeader(STATUS.ERROR_INVALID_PROOF))
    }
    const answer = request.headers[HEADER.challengeAnswer]
    if (typeof answer !== 'string') {
      const challenge = toHex(this.#challenges.create(record.address))
      return { status: 401, body: 'sign the challenge', headers: { [HEADER.challenge]: challenge } }
    }
    const challenge = Buffer.from(offered, 'hex')
    const context = { peerPublicKey: peerKey.publicKeyHex, point: certificate.point, challenge }
    const isFresh = this.#challenges.isFresh(record.address, challenge)
    if (isFresh && verifyChallenge(record, context, answer)) return true
    return refused('Invalid PoR', statusHeader(STATUS.ERROR_INVALID_PROOF))
  }

  async #open(record: AgentRecord, remoteAddress: string, isParley: boolean, fresh: boolean): Promise<Answer> {
    const { handler, toldErrors = TOLD_ERRORS } = this.#options
    const session = new MailboxSession({
      token: toHex(randomBytes(TOKEN_LENGTH)),
      record,
      remoteAddress,
      isParley,
      answeredChallenge: fresh,
      toldErrors,
      onEnd: (ended) => {
        this.#sessions.remove(ended)
        handler.onDetached?.(ended)
      },
    })
    try {
      await handler.onRegister(session)
    } catch (error) {
      const { code, cause } = refusal(error)
      if (cause !== undefined) this.#options.onError?.(cause)
      return refused('registration refused', statusHeader(code))
    }
    const before = this.#sessions.ofAgent(record.address)
    if (before) {
      this.#sessions.supersede(before.token)
      await before.end()
    }
    this.#sessions.add(session)
    this.#registrations++
    session.open(handler.pending(session))
    return { status: 200, body: session.token, headers: isParley ? { [HEADER.parley]: '1' } : {} }
  }

  async #send(request: IncomingMessage): Promise<Answer> {
    const session = this.#sessionOf(request)
    if (!session) return INVALID_SESSION
    const body = await readBody(request, MAX_FRAME_LENGTH)
    if (!body) return TOO_LONG
    if (body.length === 0) return EMPTY_BODY
    const bytes = Uint8Array.from(body)
    const id = request.headers[HEADER.id]
    if (id !== undefined && !(typeof id === 'string' && isEnvelopeId(id))) return refused('invalid id header')
    let status: StatusBody
    try {
      const envelope = decodeEnvelope(bytes)
      const deadline = Date.now() + ANSWER_WITHIN
      status = await this.#options.handler.onEnvelope({ session, envelope, bytes, deadline, ...(id && { id }) })
    } catch (error) {
      if (error instanceof DecodeError) return refused('error on decoding envelope', statusHeader(STATUS.ERROR_DECODE))
      const { code, msgs, cause } = refusal(error)
      if (cause !== undefined) this.#options.onError?.(cause)
      status = { code, msgs }
    }
    const { code, msgs } = answerFor((code) => session.tellsError(code), status)
    return code === STATUS.SUCCESS ? { status: 200 } : refused(msgs.join('\n'), statusHeader(code))
  }

  async #get(request: IncomingMessage, response: ServerResponse): Promise<Answer> {
    const session = this.#sessionOf(request)
    if (!session) return INVALID_SESSION
    await acknowledge(request, session)
    const item = await session.next(waitSignal(request, response))
    if (!item) return { status: 200 }
    response.once('finish', () => {
      session.sent(item)
      this.#sentLast.set(request.socket, () => session.lost(item))
    })
    return itemAnswer(item, session.isParley)
  }

  async #unregister(request: IncomingMessage): Promise<Answer> {
    const session = this.#sessionOf(request)
    if (session) {
      await acknowledge(request, session)
      await session.leave()
    } else if (!this.#sessions.wasSuperseded(tokenOf(request))) return INVALID_SESSION
    return { status: 200 }
  }

  #sessionOf(request: IncomingMessage): MailboxSession | undefined {
    const session = this.#sessions.use(tokenOf(request))
    if (session) this.#counter.register(request.socket)
    return session
  }
}

const INVALID_METHOD = refused('invalid method')
const INVALID_SESSION = refused('invalid session_id header')
const EMPTY_BODY = refused('Empty body')

function tokenOf(request: IncomingMessage): string {
  const token = request.headers[HEADER.session]
  return typeof token === 'string' ? token : ''
}

/** A Parley client says what became of the item that it got. */
async function acknowledge(request: IncomingMessage, session: MailboxSession): Promise<void> {
  const ack = request.headers[HEADER.ack]
  if (typeof ack !== 'string') return
  const [id = '', code = '0'] = ack.split(' ', 2)
  await session.acknowledge(id, { code: Number.parseInt(code, 10) || STATUS.SUCCESS, msgs: [] })
}

function statusHeader(code: number): Record<string, string> {
  return { [HEADER.status]: String(code) }
}

function itemAnswer(item: PendingItem, isParley: boolean): Answer {
  const body = item.type === 'report' ? encodeReport(item.report) : item.bytes
  if (!isParley) return { status: 200, body }
  const kind = item.type === 'report' ? { [HEADER.kind]: 'report' } : item.isCarried ? { [HEADER.carried]: '1' } : {}
  return { status: 200, body, headers: { [HEADER.id]: item.id, ...kind } }
}

/** Aborts when the client no longer waits for an item; undefined when it does not wait at all. */
function waitSignal(request: IncomingMessage, response: ServerResponse): AbortSignal | undefined {
  const seconds = Number(request.headers[HEADER.wait] ?? 0)
  if (!(seconds > 0)) return undefined
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  return AbortSignal.any([gone.signal, AbortSignal.timeout(Math.min(seconds, MAX_WAIT) * 1000)])
}
