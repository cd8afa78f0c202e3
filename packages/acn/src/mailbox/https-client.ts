import type { IncomingHttpHeaders } from 'node:http'
import { Agent, request } from 'node:https'
import { connect } from 'node:tls'
import { toPem } from '@parley/core/certificates'
import { AcnConnectionError, connectionError } from '../entrance/connection-error.ts'
import { readBody } from './http-exchange.ts'

/** Where a mailbox is. */
export interface MailboxAddress {
  readonly host: string
  readonly port: number
}

/** What is asked of a mailbox. */
export interface MailboxRequest {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** For the whole exchange, ms. */
  readonly timeoutMs: number
}

/** What a mailbox answered. */
export interface MailboxAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Uint8Array
}

/**
 * The certificate (DER) that a mailbox shows, not judged.
 * @throws AcnConnectionError; the signal's reason when it aborts
 */
export function fetchCertificate(
  { host, port }: MailboxAddress,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  signal.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
  const socket = connect({ host, port, rejectUnauthorized: false, minVersion: 'TLSv1.2' })
  let isConnected = false
  const timer = setTimeout(() => socket.destroy(new AcnConnectionError('TIMEOUT', 'no TLS in time')), timeoutMs)
  const abort = () => socket.destroy(new Error('aborted'))
  signal.addEventListener('abort', abort, { once: true })
  const fail = (cause: unknown) => {
    reject(signal.aborted ? signal.reason : connectionError(isConnected ? 'TLS' : 'CONNECT', cause))
  }
  socket.once('connect', () => {
    isConnected = true
  })
  socket.on('error', fail)
  socket.once('close', () => fail(new Error('connection is closed')))
  socket.once('secureConnect', () => {
    resolve(Uint8Array.from(socket.getPeerX509Certificate()?.raw ?? []))
    socket.destroy()
  })
  return promise.finally(() => {
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
  })
}

/** Speaks HTTPS with one mailbox, whose certificate is known. */
export class HttpsClient {
  readonly #address: MailboxAddress
  readonly #agent: Agent
  readonly #maxLength: number

  /**
   * @param certificate DER; any other one is refused
   * @param maxLength longest body of an answer, in bytes
   */
  constructor(address: MailboxAddress, certificate: Uint8Array, maxLength: number) {
    this.#address = address
    this.#maxLength = maxLength
    this.#agent = new Agent({
      keepAlive: true,
      ca: toPem('CERTIFICATE', certificate),
      minVersion: 'TLSv1.2',
      // Each connection shows its certificate.
      maxCachedSessions: 0,
      checkServerIdentity: (_, { raw }) =>
        raw.equals(certificate) ? undefined : new AcnConnectionError('UNTRUSTED', 'another certificate'),
    })
  }

  /**
   * One request and its answer.
   * @throws AcnConnectionError; the signal's reason when it aborts
   */
  async exchange(asked: MailboxRequest, signal: AbortSignal): Promise<MailboxAnswer> {
    signal.throwIfAborted()
    const timeout = AbortSignal.timeout(asked.timeoutMs)
    try {
      return await this.#exchange(asked, AbortSignal.any([signal, timeout]))
    } catch (cause) {
      signal.throwIfAborted()
      if (timeout.aborted) throw new AcnConnectionError('TIMEOUT', 'no answer in time', { cause })
      throw connectionError('CLOSED', cause)
    }
  }

  /** Ends all connections. */
  close(): void {
    this.#agent.destroy()
  }

  async #exchange({ method, path, headers, body }: MailboxRequest, signal: AbortSignal): Promise<MailboxAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<MailboxAnswer>()
    const outgoing = request({
      ...this.#address,
      agent: this.#agent,
      method,
      path,
      signal,
      headers: { ...headers, ...(body && { 'Content-Length': String(body.length) }) },
    })
    outgoing.once('error', reject)
    outgoing.once('response', (incoming) => {
      readBody(incoming, this.#maxLength).then((bytes) => {
        if (bytes) {
          resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: bytes })
          return
        }
        incoming.destroy()
        reject(new AcnConnectionError('FRAME', 'answer is too long'))
      }, reject)
    })
    outgoing.end(body)
    return promise
  }
}
