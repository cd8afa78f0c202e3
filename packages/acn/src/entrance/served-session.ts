import { DecodeError } from '@parley/core/encoding'
import type { AgentSession, DetachReason, EntranceHandler, EntranceKind } from '../entrance.ts'
import { type AgentRecord, decodeEnvelope, type Envelope, STATUS, type StatusBody } from '../protocol/index.ts'
import type { EnvelopeId } from '../store/index.ts'
import { DeliveryPump, PUMP_DEFAULTS, type PumpOptions } from './delivery-pump.ts'
import { EnvelopeLink, ViolationError } from './envelope-link.ts'
import { CAPABILITY, type Extension } from './extension.ts'
import type { FrameConnection } from './frame-connection.ts'
import { refusal } from './registration.ts'
import { answerFor, isTold, TOLD_ERRORS, type ToldErrors } from './told-errors.ts'

/** Envelopes that a Parley agent may send before the first is answered; the rest of its own are not read further. */
const SUBMISSION_WINDOW = 32

/** How long agents wait for the answer to an envelope, ms, less what the answer needs for its way. */
const ANSWER_WITHIN = 4_500
/** A Parley agent waits as long as the connection lasts, so that back-pressure reaches it. */
const ANSWER_WITHIN_PARLEY = 30_000

/**
 * How long an agent has to close its end when the node stops, ms. Python agents never do, and the program of one that runs a
 * node waits for the node to end, in some places for two seconds.
 */
const STOP_TIMEOUT = 250

/** What sessions of one entrance have in common. */
export interface SessionServing {
  readonly handler: EntranceHandler
  readonly toldErrors?: ToldErrors | undefined
  readonly pump?: Partial<PumpOptions> | undefined
  /** Told of what went wrong inside: failures of the handler. For counting and logs. */
  readonly onError?: ((error: unknown) => void) | undefined
}

/** A session of an agent that is registered. */
export interface SessionOptions extends SessionServing {
  readonly kind: EntranceKind
  readonly record: AgentRecord
  readonly connection: FrameConnection
  readonly isParley: boolean
  readonly answeredChallenge: boolean
  /** Whether the agent says in its first message what it can: pipes, which have no registration. */
  readonly registersLater: boolean
  readonly closesOnViolation: boolean
}

/** The node's side of a connection over which an agent is attached: both directions, and what the agent gets to hear. */
export class ServedSession implements AgentSession {
  readonly kind: EntranceKind
  readonly address: string
  readonly record: AgentRecord
  readonly source: string
  readonly registeredAt: number = Date.now()
  readonly answeredChallenge: boolean
  readonly #connection: FrameConnection
  readonly #link: EnvelopeLink
  readonly #serving: SessionServing
  readonly #learned = Promise.withResolvers<void>()
  #detachReason: DetachReason | undefined

  constructor(options: SessionOptions) {
    const { kind, record, connection } = options
    this.kind = kind
    this.address = record.address
    this.record = record
    this.source = `${kind} ${connection.remote}`
    this.answeredChallenge = options.answeredChallenge
    this.#connection = connection
    this.#serving = options
    this.#link = new EnvelopeLink(connection, {
      isParley: options.isParley,
      closesOnViolation: options.closesOnViolation,
      maxHandled: SUBMISSION_WINDOW,
      onEnvelope: (bytes, id) => this.#submit(bytes, id),
      ...(options.registersLater && { onRegister: (extension: Extension | undefined) => this.#learn(extension) }),
    })
  }

  get isParley(): boolean {
    return this.#link.isParley
  }

  /** Why the node ended it; undefined while it did not. */
  get detachReason(): DetachReason | undefined {
    return this.#detachReason
  }

  tellsError(code: number): boolean {
    return isTold(this.kind, this.isParley, code, this.#serving.toldErrors ?? TOLD_ERRORS)
  }

  detach(reason: DetachReason): void {
    this.#detachReason ??= reason
    // An answer that is on its way counts: without it the agent would get the envelope again from the next start on.
    if (reason === 'stopping') this.#connection.finish(STOP_TIMEOUT)
    // What a superseded agent still says is not waited for: the new session wants its items.
    else this.#connection.destroy()
  }

  /** Begins to take envelopes. */
  start(): void {
    this.#link.start()
  }

  /** Waits until the agent has said that it is Parley, or has had the time to. */
  async hello(withinMs: number): Promise<void> {
    const timer = setTimeout(this.#learned.resolve, withinMs)
    await Promise.race([this.#learned.promise, this.#connection.closed])
    clearTimeout(timer)
  }

  /** Gives the agent what waits for it, until the session has ended; then its handler knows. Never rejects. */
  async run(): Promise<void> {
    const { handler, pump, onError } = this.#serving
    try {
      const options = { ...PUMP_DEFAULTS, ...pump }
      const source = handler.pending(this)
      await new DeliveryPump(this.#link, source, options, () => this.detach('unanswered')).run()
    } catch (error) {
      this.#connection.destroy()
      onError?.(error)
    }
    await this.#connection.closed
    handler.onDetached?.(this)
  }

  async #submit(bytes: Uint8Array, id: EnvelopeId | undefined): Promise<StatusBody> {
    const envelope = readEnvelope(bytes)
    const deadline = Date.now() + (this.isParley ? ANSWER_WITHIN_PARLEY : ANSWER_WITHIN)
    const { handler } = this.#serving
    let status: StatusBody
    try {
      status = await handler.onEnvelope({ session: this, envelope, bytes, deadline, ...(id !== undefined && { id }) })
    } catch (error) {
      const { code, msgs, cause } = refusal(error)
      if (cause !== undefined) this.#serving.onError?.(cause)
      status = { code, msgs }
    }
    return answerFor((code) => this.tellsError(code), status)
  }

  /** The agent of a pipe says that it is Parley. */
  #learn(extension: Extension | undefined): Extension | undefined {
    if (((extension?.capabilities ?? 0) & CAPABILITY.ids) === 0) {
      throw new ViolationError(STATUS.ERROR_UNEXPECTED_PAYLOAD, 'unexpected payload')
    }
    this.#link.becomeParley()
    this.#learned.resolve()
    return NODE_EXTENSION
  }
}

/** What a node says of itself in the status that answers a Register. */
export const NODE_EXTENSION: Extension = {
  capabilities: CAPABILITY.ids | CAPABILITY.reports,
  window: SUBMISSION_WINDOW,
}

/**
 * The envelope in a message of an agent.
 * @throws ViolationError
 */
function readEnvelope(bytes: Uint8Array): Envelope {
  try {
    return decodeEnvelope(bytes)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw new ViolationError(STATUS.ERROR_DECODE, 'error on decoding envelope')
  }
}
