import { DecodeError } from '@parley/core/encoding'
import {
  type AcnMessage,
  AcnStatusError,
  type AgentRecord,
  encodeAcnMessage,
  STATUS,
  type StatusBody,
  statusOf,
} from '../protocol/index.ts'
import type { EnvelopeId } from '../store/index.ts'
import { AcnConnectionError } from './connection-error.ts'
import { decodeExtended, type Extension, encodeExtended, type WireReport } from './extension.ts'
import type { FrameConnection } from './frame-connection.ts'

/** Items of ours that may be without an answer at a time: more would be a fault of the caller. */
const MAX_UNANSWERED = 256
/** Bytes of envelopes that are being handled before nothing more is read. */
const MAX_HANDLED_BYTES = 8 * 1024 * 1024

/** What is given to the other end. Reports are for Parley ends only. */
export type LinkItem =
  | {
      readonly type: 'envelope'
      readonly id: EnvelopeId | undefined
      readonly bytes: Uint8Array
      /** It came by the node's carrier; said to Parley agents. */
      readonly isCarried?: boolean
    }
  | { readonly type: 'report'; readonly id: EnvelopeId; readonly report: WireReport }
  | { readonly type: 'register'; readonly record: AgentRecord | undefined; readonly extension: Extension }

/** A status and what came with it. */
export interface LinkAnswer extends StatusBody {
  readonly extension?: Extension | undefined
}

/** What is done with what comes. */
export interface LinkOptions {
  /** Whether both ends speak the extension: envelopes and statuses carry ids. */
  readonly isParley: boolean
  /**
   * An envelope, in order, without waiting for earlier ones; answers go out in order too. A {@link ViolationError} that
   * it rejects with is treated as one of the frame.
   */
  onEnvelope(bytes: Uint8Array, id: EnvelopeId | undefined, isCarried: boolean): Promise<StatusBody>
  /** A report of a Parley node; taken when it resolves. Absent where none may come. */
  onReport?(report: WireReport, id: EnvelopeId): Promise<void>
  /**
   * A Register on a connection whose ends know each other, by which the agent of a pipe says what it can; gives the
   * extension of the answer. Absent where it is a violation.
   */
  onRegister?(extension: Extension | undefined): Extension | undefined
  /** Whether a message that does not belong here ends the connection, after the status that says so. */
  readonly closesOnViolation: boolean
  /** Envelopes that may be in handling before nothing more is read. */
  readonly maxHandled: number
}

/** What came does not belong here: its status is the answer, and the end of a connection that closes on violations. */
export class ViolationError extends AcnStatusError {
  constructor(code: typeof STATUS.ERROR_DECODE | typeof STATUS.ERROR_UNEXPECTED_PAYLOAD, text: string) {
    super(code, text)
    this.name = 'ViolationError'
  }
}

/** A place among the answers, which go out in the order in which the questions came. */
interface AnswerSlot {
  readonly bytes: number
  readonly id: EnvelopeId | undefined
  status: StatusBody | undefined
  extension: Extension | undefined
  /** Whether the connection ends after it. */
  isLast: boolean
}

interface Waiter {
  resolve(status: LinkAnswer): void
  reject(reason: unknown): void
}

/**
 * Envelopes and their statuses in both directions over a connection whose ends know each other. The same for both ends.
 *
 * A status answers the item that it names, or, as those of other programs do not, the oldest one that has no answer. A
 * status that answers nothing is ignored.
 */
export class EnvelopeLink {
  readonly connection: FrameConnection
  readonly #options: LinkOptions
  #isParley: boolean
  /** In order of sending; keys are ids, or numbers where there are none. */
  readonly #unanswered = new Map<EnvelopeId | number, Waiter>()
  #sent = 0
  readonly #answers: AnswerSlot[] = []
  #handledBytes = 0

  /** Takes over the connection: sets its `onFrame`. Reads nothing before {@link start}. */
  constructor(connection: FrameConnection, options: LinkOptions) {
    this.connection = connection
    this.#options = options
    this.#isParley = options.isParley
    connection.onFrame = (body) => this.#receive(body)
    void connection.closed.then(() => this.#rejectAll())
  }

  /** Whether both ends speak the extension. */
  get isParley(): boolean {
    return this.#isParley
  }

  /** The other end has shown that it speaks the extension. */
  becomeParley(): void {
    this.#isParley = true
  }

  /** Begins to read. */
  start(): void {
    this.connection.resume()
  }

  /**
   * Sends an item. Resolves with the status that answers it.
   * @throws AcnConnectionError when the connection ends before; RangeError when far too many have no answer
   */
  send(item: LinkItem): Promise<LinkAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<LinkAnswer>()
    if (!this.connection.isOpen) reject(this.#closedError())
    else if (this.#unanswered.size >= MAX_UNANSWERED) reject(new RangeError('too many items without an answer'))
    else {
      this.#unanswered.set(this.#keyOf(item), { resolve, reject })
      this.connection.write(this.#encode(item))
    }
    return promise
  }

  #keyOf(item: LinkItem): EnvelopeId | number {
    const id = this.#isParley && item.type !== 'register' ? item.id : undefined
    return id ?? ++this.#sent
  }

  #encode(item: LinkItem): Uint8Array {
    switch (item.type) {
      case 'report':
        return encodeExtended({ type: 'empty' }, { id: item.id, report: item.report })
      case 'register':
        return encodeExtended({ type: 'register', ...(item.record && { record: item.record }) }, item.extension)
      case 'envelope': {
        const message: AcnMessage = { type: 'aeaEnvelope', envelope: item.bytes }
        const { id, isCarried = false } = item
        if (!this.#isParley || id === undefined) return encodeAcnMessage(message)
        return encodeExtended(message, { id, ...(isCarried && { carried: true }) })
      }
    }
  }

  #receive(body: Uint8Array): void {
    try {
      const { message, extension } = decodeExtended(body)
      // While this end closes only answers count: whoever sends anything else could not be told what became of it.
      if (this.connection.isOpen || message.type === 'status') this.#take(message, extension, body.length)
    } catch (error) {
      if (!this.connection.isOpen) return
      this.#refuse(this.#openSlot(), error instanceof DecodeError ? UNREADABLE : error)
    }
  }

  #take(message: AcnMessage, extension: Extension | undefined, length: number): void {
    const { onRegister, onReport } = this.#options
    switch (message.type) {
      case 'aeaEnvelope': {
        const { id, carried = false } = extension ?? {}
        this.#answerWhen(this.#options.onEnvelope(message.envelope, id, carried), this.#openSlot(length, id))
        return
      }
      case 'status':
        this.#settle(statusOf(message), extension)
        return
      case 'register': {
        if (!onRegister) break
        const answer = onRegister.call(this.#options, extension)
        const slot = this.#openSlot()
        slot.extension = answer
        this.#answer(slot, SUCCESS)
        return
      }
      case 'empty': {
        const { id, report } = extension ?? {}
        if (!onReport || !report || id === undefined) break
        const taken = onReport.call(this.#options, report, id).then(() => SUCCESS)
        this.#answerWhen(taken, this.#openSlot(length, id))
        return
      }
    }
    throw new ViolationError(STATUS.ERROR_UNEXPECTED_PAYLOAD, 'unexpected payload')
  }

  #openSlot(bytes = 0, id?: EnvelopeId): AnswerSlot {
    const slot: AnswerSlot = { bytes, id, status: undefined, extension: undefined, isLast: false }
    this.#answers.push(slot)
    this.#handledBytes += bytes
    if (this.#isFull()) this.connection.pause()
    return slot
  }

  #isFull(): boolean {
    return this.#answers.length > this.#options.maxHandled || this.#handledBytes > MAX_HANDLED_BYTES
  }

  #answerWhen(status: Promise<StatusBody>, slot: AnswerSlot): void {
    status.then(
      (status) => this.#answer(slot, status),
      (error: unknown) => this.#refuse(slot, error),
    )
  }

  #answer(slot: AnswerSlot, status: StatusBody): void {
    slot.status = status
    this.#writeAnswers()
  }

  /** Of a failure of ours the other end hears nothing but that it was one. */
  #refuse(slot: AnswerSlot, error: unknown): void {
    if (error instanceof ViolationError && this.#options.closesOnViolation) {
      slot.isLast = true
      this.connection.pause()
    }
    const { code, msgs } = error instanceof AcnStatusError ? error : INTERNAL
    this.#answer(slot, { code, msgs })
  }

  #writeAnswers(): void {
    const wasFull = this.#isFull()
    for (let slot = this.#answers[0]; slot?.status; slot = this.#answers[0]) {
      this.#answers.shift()
      this.#handledBytes -= slot.bytes
      const message: AcnMessage = { type: 'status', body: slot.status }
      const extension = slot.extension ?? (slot.id === undefined ? undefined : { id: slot.id })
      this.connection.write(extension ? encodeExtended(message, extension) : encodeAcnMessage(message))
      if (slot.isLast) {
        this.connection.close()
        return
      }
    }
    if (wasFull && !this.#isFull()) this.connection.resume()
  }

  #settle(status: StatusBody, extension: Extension | undefined): void {
    const key = extension?.id ?? this.#unanswered.keys().next().value
    const waiter = key === undefined ? undefined : this.#unanswered.get(key)
    if (key === undefined || !waiter) return
    this.#unanswered.delete(key)
    waiter.resolve({ ...status, extension })
  }

  #rejectAll(): void {
    const waiters = [...this.#unanswered.values()]
    this.#unanswered.clear()
    for (const waiter of waiters) waiter.reject(this.#closedError())
  }

  #closedError(): Error {
    return this.connection.error ?? new AcnConnectionError('CLOSED', 'connection is closed')
  }
}

const SUCCESS: StatusBody = { code: STATUS.SUCCESS, msgs: [] }
const INTERNAL: StatusBody = { code: STATUS.ERROR_GENERIC, msgs: ['internal error'] }
const UNREADABLE = new ViolationError(STATUS.ERROR_DECODE, 'message cannot be decoded')
