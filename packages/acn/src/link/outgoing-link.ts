import type { FrameChannel } from '../peer/index.ts'
import type { StatusBody } from '../protocol/index.ts'
import type { SignedRegistration } from '../record/index.ts'
import { type EnvelopeId, newEnvelopeId } from '../store/index.ts'
import { LinkError } from './link-error.ts'
import {
  type DrainedQuestion,
  decodeLinkAnswer,
  encodeLinkEnvelope,
  encodeLinkQuestion,
  encodeLinkRegistration,
  LINK_WINDOW,
  LINK_WINDOW_BYTES,
  type LinkAnswer,
  type LinkEnvelope,
} from './link-frames.ts'

interface Unanswered {
  readonly size: number
  readonly signal: AbortSignal
  readonly answer: PromiseWithResolvers<LinkAnswer>
  readonly timer: NodeJS.Timeout
}

/** How long an answer is waited for, ms: longer than a peer waits for a place in its queues. */
const ANSWER_TIME = 20_000

/** The sending side of a stream that carries many envelopes to one peer, each answered by its id. */
export class OutgoingLink {
  readonly #channel: FrameChannel
  readonly #unanswered = new Map<EnvelopeId, Unanswered>()
  readonly #waiting: (() => void)[] = []
  /** Those who may give up, with one listener each however many envelopes they wait for. */
  readonly #signals = new Map<AbortSignal, { count: number; readonly onAbort: () => void }>()
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
    return (await this.#ask(envelope.id, encodeLinkEnvelope(envelope), signal)).status
  }

  /**
   * Tells of a registration.
   * @returns a newer one that the peer knows
   * @throws LinkError; the signal's reason
   */
  async tell(registration: SignedRegistration, signal: AbortSignal): Promise<SignedRegistration | undefined> {
    const id = newEnvelopeId()
    return (await this.#ask(id, encodeLinkRegistration(id, registration), signal)).newer
  }

  /**
   * Waits until nothing of a pair waits at the peer any more.
   * @returns the peer's status: SUCCESS, or that something still waits
   * @throws LinkError; the signal's reason
   */
  async drained(question: DrainedQuestion, signal: AbortSignal): Promise<StatusBody> {
    const id = newEnvelopeId()
    return (await this.#ask(id, encodeLinkQuestion(id, question), signal)).status
  }

  async #ask(id: EnvelopeId, body: Uint8Array, signal: AbortSignal): Promise<LinkAnswer> {
    const size = body.length
    while (this.isOpen && !this.#hasRoom(id, size)) await this.#change()
    signal.throwIfAborted()
    if (!this.isOpen) throw this.#error ?? new LinkError('CLOSED', 'link is closed')
    const answer = Promise.withResolvers<LinkAnswer>()
    const timer = setTimeout(() => this.#settle(id, new LinkError('TIMEOUT', 'no answer in time')), ANSWER_TIME)
    this.#unanswered.set(id, { size, signal, answer, timer })
    this.#size += size
    this.#listen(signal)
    this.#channel.write(body, signal).catch((error: unknown) => this.#settle(id, error))
    return answer.promise
  }

  #listen(signal: AbortSignal): void {
    const known = this.#signals.get(signal)
    if (known) {
      known.count++
      return
    }
    const onAbort = () => {
      for (const [id, unanswered] of [...this.#unanswered]) {
        if (unanswered.signal === signal) this.#settle(id, signal.reason)
      }
    }
    this.#signals.set(signal, { count: 1, onAbort })
    signal.addEventListener('abort', onAbort)
  }

  #forget(signal: AbortSignal): void {
    const known = this.#signals.get(signal)
    if (!known || --known.count > 0) return
    this.#signals.delete(signal)
    signal.removeEventListener('abort', known.onAbort)
  }

  /** Ends the link; what has no answer fails. */
  close(): void {
    this.#fail(new LinkError('CLOSED', 'link is closed'))
  }

  async #read(): Promise<void> {
    try {
      for (let body = await this.#channel.read(); body; body = await this.#channel.read()) {
        const answer = decodeLinkAnswer(body)
        this.#settle(answer.id, undefined, answer)
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

  #settle(id: EnvelopeId, error: unknown, answer?: LinkAnswer): void {
    const unanswered = this.#unanswered.get(id)
    // An answer that comes too late.
    if (!unanswered) return
    this.#unanswered.delete(id)
    clearTimeout(unanswered.timer)
    this.#forget(unanswered.signal)
    this.#size -= unanswered.size
    if (answer) unanswered.answer.resolve(answer)
    else unanswered.answer.reject(error)
    this.#changed()
  }

  #hasRoom(id: EnvelopeId, size: number): boolean {
    const { size: count } = this.#unanswered
    if (count === 0) return true
    return count < LINK_WINDOW && this.#size + size <= LINK_WINDOW_BYTES && !this.#unanswered.has(id)
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
