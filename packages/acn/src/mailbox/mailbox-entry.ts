import { setTimeout as delay } from 'node:timers/promises'
import { challengeMessage } from '../entrance/challenge.ts'
import { AcnConnectionError, connectionError } from '../entrance/connection-error.ts'
import { type Entry, type EntryConnection, type EntryHandler, MAX_ENVELOPE_LENGTH } from '../entrance/entry.ts'
import { decodeReport, isEnvelopeId } from '../entrance/extension.ts'
import type { AgentIdentity } from '../entrance/identity.ts'
import {
  AcnStatusError,
  encodeAgentRecord,
  MAX_FRAME_LENGTH,
  peerPublicKeyFromHex,
  STATUS,
  type StatusBody,
} from '../protocol/index.ts'
import { sessionPoint, verifySessionCertificate } from '../record/index.ts'
import type { EnvelopeId } from '../store/index.ts'
import { fetchCertificate, HttpsClient, type MailboxAnswer, type MailboxRequest } from './https-client.ts'
import { HEADER, MAX_WAIT, PATH } from './mailbox-headers.ts'

const OK = 200
const CHALLENGED = 401
/** For TLS, and for each answer that does not wait for anything, ms. */
const ANSWER_TIMEOUT = 10_000
/** For the answer to an envelope, which a node may keep back, ms. */
const SEND_TIMEOUT = 40_000
/** Between two requests at a mailbox that cannot wait, ms: `spec/acn.md §8`. */
const POLL_WAIT = 2_000
/** For leaving, ms. */
const CLOSE_TIMEOUT = 2_000
const TOKEN = /^[0-9a-f]{32}$/i

/** The mailbox of a node. */
export interface MailboxEntryOptions {
  readonly host: string
  readonly port: number
  /** The peer that the node must prove to be: lower-case hexadecimal of 33 bytes. */
  readonly peerPublicKey: string
  readonly identity: AgentIdentity
  /** Between two requests at a mailbox that is not Parley, ms. */
  readonly pollMs?: number
}

/** Attaches an agent to a node's mailbox. */
export class MailboxEntry implements Entry {
  readonly name: string
  readonly #options: MailboxEntryOptions

  constructor(options: MailboxEntryOptions) {
    this.#options = options
    this.name = `mailbox ${options.host}:${options.port}`
  }

  async connect(handler: EntryHandler, signal: AbortSignal): Promise<EntryConnection> {
    const { peerPublicKey } = this.#options
    const certificate = await fetchCertificate(this.#options, ANSWER_TIMEOUT, signal)
    const client = new HttpsClient(this.#options, certificate, MAX_FRAME_LENGTH)
    try {
      const { body } = await client.exchange(request('GET', PATH.signature), signal)
      if (!verifySessionCertificate(peerPublicKeyFromHex(peerPublicKey), certificate, body)) {
        throw new AcnConnectionError('UNTRUSTED', 'the node is not the configured peer')
      }
      const answer = await this.#register(client, certificate, signal)
      const session: Session = {
        token: Buffer.from(answer.body).toString('latin1'),
        isParley: answer.headers[HEADER.parley] !== undefined,
      }
      return new MailboxConnection(client, session, handler, this.#options.pollMs ?? POLL_WAIT)
    } catch (error) {
      client.close()
      throw error
    }
  }

  async #register(client: HttpsClient, certificate: Uint8Array, signal: AbortSignal): Promise<MailboxAnswer> {
    const { identity, peerPublicKey } = this.#options
    const body = encodeAgentRecord(await identity.recordFor(peerPublicKey))
    const headers = { [HEADER.parley]: '1', ...(identity.sign && { [HEADER.challenge]: 'offered' }) }
    let answer = await client.exchange({ ...request('POST', PATH.register, headers), body }, signal)
    const challenge = answer.headers[HEADER.challenge]
    if (identity.sign && answer.status === CHALLENGED && typeof challenge === 'string') {
      const context = { peerPublicKey, point: sessionPoint(certificate), challenge: Buffer.from(challenge, 'hex') }
      const signed = await identity.sign(challengeMessage(context))
      const repeated = { ...headers, [HEADER.challenge]: challenge, [HEADER.challengeAnswer]: signed }
      answer = await client.exchange({ ...request('POST', PATH.register, repeated), body }, signal)
    }
    if (answer.status === OK && TOKEN.test(Buffer.from(answer.body).toString('latin1'))) return answer
    const cause = new AcnStatusError(statusCode(answer), 'registration refused')
    throw new AcnConnectionError('REFUSED', `registration refused with status ${cause.code}`, { cause })
  }
}

interface Session {
  readonly token: string
  readonly isParley: boolean
}

/** An agent's session at a mailbox. */
class MailboxConnection implements EntryConnection {
  readonly isParley: boolean
  /** Requests go one after the other. */
  readonly window = 1
  readonly maxEnvelopeLength: number = MAX_ENVELOPE_LENGTH
  readonly closed: Promise<void>
  readonly #client: HttpsClient
  readonly #token: string
  readonly #handler: EntryHandler
  readonly #pollMs: number
  readonly #stop = new AbortController()
  readonly #resolveClosed: () => void
  #error: Error | undefined
  #isClosing = false
  /** What the next request says of the item that came last. */
  #ack: string | undefined

  constructor(client: HttpsClient, { token, isParley }: Session, handler: EntryHandler, pollMs: number) {
    this.#client = client
    this.#token = token
    this.isParley = isParley
    this.#handler = handler
    this.#pollMs = pollMs
    const { promise, resolve } = Promise.withResolvers<void>()
    this.closed = promise
    this.#resolveClosed = resolve
    void this.#receive()
  }

  get error(): Error | undefined {
    return this.#error
  }

  async send(bytes: Uint8Array, id: EnvelopeId): Promise<StatusBody> {
    const headers = this.isParley ? { [HEADER.id]: id } : {}
    const asked = { ...this.#request('POST', PATH.send, headers), body: bytes, timeoutMs: SEND_TIMEOUT }
    const answer = await this.#exchange(asked)
    if (answer.status === OK) return { code: STATUS.SUCCESS, msgs: [] }
    const text = Buffer.from(answer.body).toString('utf8')
    if (text.includes('session_id')) throw this.#fail(new AcnConnectionError('CLOSED', 'session has ended'))
    return { code: statusCode(answer), msgs: [text] }
  }

  async close(): Promise<void> {
    if (!this.#isClosing) {
      this.#isClosing = true
      this.#stop.abort(new AcnConnectionError('CLOSED', 'connection is closed'))
      const asked = { ...this.#request('GET', PATH.unregister, this.#ackHeader()), timeoutMs: CLOSE_TIMEOUT }
      // A session that nobody ends ends by itself.
      await this.#client.exchange(asked, new AbortController().signal).catch(() => {})
      this.#finish()
    }
    await this.closed
  }

  /** Asks for items until the connection ends. Never rejects. */
  async #receive(): Promise<void> {
    const { signal } = this.#stop
    try {
      while (!signal.aborted) {
        const wait = this.isParley ? { [HEADER.wait]: String(MAX_WAIT) } : {}
        const asked = this.#request('GET', PATH.get, { ...wait, ...this.#ackHeader() })
        const answer = await this.#exchange({ ...asked, timeoutMs: ANSWER_TIMEOUT + MAX_WAIT * 1000 })
        if (answer.status !== OK) throw new AcnConnectionError('CLOSED', 'session has ended')
        this.#ack = undefined
        if (answer.body.length > 0) await this.#take(answer)
        else if (!this.isParley) await delay(this.#pollMs, undefined, { signal })
      }
    } catch (error) {
      if (!signal.aborted) this.#fail(error)
    }
  }

  async #take({ headers, body }: MailboxAnswer): Promise<void> {
    const id = headers[HEADER.id]
    if (typeof id !== 'string' || !isEnvelopeId(id)) {
      await this.#handler.onEnvelope(body, undefined).catch(refusedBy)
      return
    }
    if (headers[HEADER.kind] === 'report') {
      await this.#handler.onReport(decodeReport(body), id)
      this.#ack = `${id} ${STATUS.SUCCESS}`
      return
    }
    const { code } = await this.#handler.onEnvelope(body, id, headers[HEADER.carried] === '1').catch(refusedBy)
    this.#ack = `${id} ${code}`
  }

  #ackHeader(): Record<string, string> {
    return this.#ack === undefined ? {} : { [HEADER.ack]: this.#ack }
  }

  #request(method: 'GET' | 'POST', path: string, headers: Record<string, string>): MailboxRequest {
    return request(method, path, { ...headers, [HEADER.session]: this.#token })
  }

  async #exchange(asked: MailboxRequest): Promise<MailboxAnswer> {
    try {
      return await this.#client.exchange(asked, this.#stop.signal)
    } catch (error) {
      throw this.#fail(error)
    }
  }

  /** The connection ends because of this; gives why it ended. */
  #fail(reason: unknown): Error {
    if (!this.#isClosing) {
      this.#isClosing = true
      this.#error = connectionError('CLOSED', reason)
      this.#stop.abort(this.#error)
      this.#finish()
    }
    return this.#error ?? new AcnConnectionError('CLOSED', 'connection is closed')
  }

  #finish(): void {
    this.#client.close()
    this.#resolveClosed()
  }
}

function request(method: 'GET' | 'POST', path: string, headers: Record<string, string> = {}): MailboxRequest {
  return { method, path, headers, timeoutMs: ANSWER_TIMEOUT }
}

/** The status code of a refusal; other programs give none. */
function statusCode({ headers }: MailboxAnswer): number {
  const code = headers[HEADER.status]
  return typeof code === 'string' ? Number.parseInt(code, 10) || STATUS.ERROR_GENERIC : STATUS.ERROR_GENERIC
}

/** The status that an agent's refusal is; anything else ends the connection. */
function refusedBy(error: unknown): StatusBody {
  if (error instanceof AcnStatusError) return { code: error.code, msgs: error.msgs }
  throw error
}
