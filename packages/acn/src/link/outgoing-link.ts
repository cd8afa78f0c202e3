import type { FrameChannel } from '../peer/index.ts'
import type { StatusBody } from '../protocol/index.ts'
import type { EnvelopeId } from '../store/index.ts'
import { LinkError } from './link-error.ts'
import {
  decodeLinkStatus,
  encodeLinkEnvelope,
  LINK_WINDOW,
  LINK_WINDOW_BYTES,
  type LinkEnvelope,
} from './link-frames.ts'

interface Unanswered {
  readonly size: number
  readonly answer: PromiseWithResolvers<StatusBody>
  readonly timer: NodeJS.Timeout
}

/** How long an answer is waited for, ms: longer than a peer waits for a place in its queues. */
const ANSWER_TIME = 20_000

/** The sending side of a stream that carries many envelopes to one peer, each answered by its id. */
export class OutgoingLink {
  readonly #channel: FrameChannel
  readonly #unanswered = new Map<EnvelopeId, Unanswered>()
  readonly #waiting: (() => void)[] = []
  #size = 0
  #error: Error | undefined

  constructor(channel: FrameChannel) {
    this.#channel = channel
    this.#read().catch(() => {})
  }

  /** Whether envelopes can be sent. */
  get isOpen(): boolean {
    return this.#error === undefined && this.#channel.isOpen
  }

  /**
   * Sends an envelope, after those sent before, once there is room for it.
   * @returns the peer's status
   * @throws LinkError; the signal's reason
   */
  async send(envelope: LinkEnvelope, signal: AbortSignal): Promise<StatusBody> {
    while (this.isOpen && !this.#hasRoom(envelope)) await this.#change()
    signal.throwIfAborted()
    if (!this.isOpen) throw this.#error ?? new LinkError('CLOSED', 'link is closed')
    const { id } = envelope
    const answer = Promise.withResolvers<StatusBody>()
    const timer = setTimeout(() => this.#settle(id, new LinkError('TIMEOUT', 'no answer in time')), ANSWER_TIME)
    this.#unanswered.set(id, { size: envelope.bytes.length, answer, timer })
    this.#size += envelope.bytes.length
    const onAbort = () => this.#settle(id, signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    this.#channel.write(encodeLinkEnvelope(envelope), signal).catch((error: unknown) => this.#settle(id, error))
    try {
      return await answer.promise
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** Ends the link; what has no answer fails. */
  close(): void {
    this.#fail(new LinkError('CLOSED', 'link is closed'))
  }

  async #read(): Promise<void> {
    try {
      for (let body = await this.#channel.read(); body; body = await this.#channel.read()) {
        const { id, status } = decodeLinkStatus(body)
        this.#settle(id, undefined, status)
      }
      this.#fail(new LinkError('CLOSED', 'the peer has closed the link'))
    } catch (cause) {
      this.#fail(cause instanceof LinkError ? cause : new LinkError('CLOSED', 'link broke', { cause }))
    }
  }

  #fail(error: Error): void {
    this.#error ??= error
    this.#channel.abort(error)
    for (const id of [...this.#unanswered.keys()]) this.#settle(id, error)
    this.#changed()
  }

  #settle(id: EnvelopeId, error: unknown, status?: StatusBody): void {
    const unanswered = this.#unanswered.get(id)
    // An answer that comes too late.
    if (!unanswered) return
    this.#unanswered.delete(id)
    clearTimeout(unanswered.timer)
    this.#size -= unanswered.size
    if (status) unanswered.answer.resolve(status)
    else unanswered.answer.reject(error)
    this.#changed()
  }

  #hasRoom({ id, bytes }: LinkEnvelope): boolean {
    const { size } = this.#unanswered
    if (size === 0) return true
    return size < LINK_WINDOW && this.#size + bytes.length <= LINK_WINDOW_BYTES && !this.#unanswered.has(id)
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
    })
  }

  #changed(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}
