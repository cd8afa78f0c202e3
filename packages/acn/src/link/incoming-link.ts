import { DecodeError } from '@parley/core/encoding'
import type { AcnHost, FrameChannel, RemotePeer } from '../peer/index.ts'
import {
  AcnStatusError,
  type AgentRecord,
  decodeEnvelope,
  type Envelope,
  STATUS,
  type StatusBody,
  SUCCESS_MESSAGE,
} from '../protocol/index.ts'
import { type ProofCache, type SignedRegistration, verifyRepresentation } from '../record/index.ts'
import {
  decodeLinkRequest,
  encodeLinkAnswer,
  LINK_PROTOCOL,
  LINK_WINDOW,
  LINK_WINDOW_BYTES,
  type LinkAnswer,
  type LinkEnvelope,
  type LinkRequest,
} from './link-frames.ts'

/** An envelope that came over a link, its record proven for the sending peer. */
export interface ReceivedByLink extends Omit<LinkEnvelope, 'position'> {
  readonly envelope: Envelope
  /** To be called when its place in the queue is sure: the next one of the pair is taken then. */
  readonly onQueued: () => void
}

/** What is done with what comes over links. */
export interface LinkHandlers {
  /**
   * Takes an envelope; success is answered when it resolves.
   * @throws AcnStatusError to refuse it
   */
  receive(received: ReceivedByLink, from: RemotePeer): Promise<void>
  /**
   * Takes a registration, which is not checked.
   * @returns a newer one of the agent that is known, for the other peer
   * @throws AcnStatusError to refuse it
   */
  register(registration: SignedRegistration, from: RemotePeer): Promise<SignedRegistration | undefined>
  /**
   * Resolves when nothing from one agent waits for another any more.
   * @throws AcnStatusError when that takes too long
   */
  drained(to: string, sender: string): Promise<void>
}

/** Serves the links of other Parley peers. */
export async function serveLinks(host: AcnHost, handlers: LinkHandlers): Promise<void> {
  await host.serveChannels(LINK_PROTOCOL, (channel, from) =>
    new IncomingLink(channel, from, host.proofs, handlers).run(),
  )
}

const NOT_IN_TURN: StatusBody = { code: STATUS.ERROR_AGENT_NOT_READY, msgs: ['one before it was not taken'] }
const SUCCESS: StatusBody = SUCCESS_MESSAGE.body ?? { code: STATUS.SUCCESS, msgs: [] }

/** A run of envelopes of one pair: those from position 0 on. */
interface Run {
  /** The position that is taken next; -1 when one was not taken. */
  expected: number
  underWay: number
  /** Resolves when the newest has its place. */
  turn: Promise<void>
}

/** The receiving side of a link. */
class IncomingLink {
  readonly #channel: FrameChannel
  readonly #from: RemotePeer
  readonly #proofs: ProofCache
  readonly #handlers: LinkHandlers
  /** Runs that have something under way, or may be continued; in order of their last envelope. */
  readonly #runs = new Map<string, Run>()
  #unanswered = 0
  #size = 0
  #onRoom: (() => void) | undefined

  constructor(channel: FrameChannel, from: RemotePeer, proofs: ProofCache, handlers: LinkHandlers) {
    this.#channel = channel
    this.#from = from
    this.#proofs = proofs
    this.#handlers = handlers
  }

  /** @throws DecodeError, LinkError when the peer does not keep to the protocol: the stream is reset */
  async run(): Promise<void> {
    for (let body = await this.#channel.read(); body; body = await this.#channel.read()) {
      const request = decodeLinkRequest(body)
      this.#unanswered++
      this.#size += body.length
      void this.#answer(request, body.length)
      // A peer that keeps to the window never makes this wait.
      while (this.#unanswered > LINK_WINDOW || this.#size > 2 * LINK_WINDOW_BYTES) await this.#room()
    }
  }

  async #answer(request: LinkRequest, size: number): Promise<void> {
    const answer = await this.#serve(request)
    this.#unanswered--
    this.#size -= size
    this.#onRoom?.()
    // When it cannot be sent the peer asks again, by the same id.
    await this.#channel.write(encodeLinkAnswer({ id: request.id, ...answer })).catch(() => {})
  }

  #serve(request: LinkRequest): Promise<Omit<LinkAnswer, 'id'>> {
    switch (request.type) {
      case 'envelope':
        return this.#take(request)
      case 'registration':
        return this.#register(request)
      case 'drained':
        return this.#drained(request)
    }
  }

  async #drained({ to, record }: LinkRequest & { type: 'drained' }): Promise<Omit<LinkAnswer, 'id'>> {
    try {
      this.#verifySender(record)
      await this.#handlers.drained(to, record.address)
      return { status: SUCCESS }
    } catch (error) {
      return { status: statusOfError(error) }
    }
  }

  async #register({ registration }: LinkRequest & { type: 'registration' }): Promise<Omit<LinkAnswer, 'id'>> {
    try {
      const newer = await this.#handlers.register(registration, this.#from)
      return { status: SUCCESS, ...(newer && { newer }) }
    } catch (error) {
      return { status: statusOfError(error) }
    }
  }

  async #take({ type: _, ...sent }: LinkRequest & { type: 'envelope' }): Promise<Omit<LinkAnswer, 'id'>> {
    try {
      const envelope = decodeEnvelope(sent.bytes)
      this.#verifySender(sent.record)
      return { status: await this.#takeInTurn(sent, envelope) }
    } catch (error) {
      return { status: statusOfError(error) }
    }
  }

  /** The peer at the other end represents the agent. */
  #verifySender(record: AgentRecord): void {
    const expectation = { expectedAddress: record.address, representativePublicKey: this.#from.publicKey }
    verifyRepresentation(record, expectation, { cache: this.#proofs })
  }

  async #takeInTurn({ position, ...sent }: LinkEnvelope, envelope: Envelope): Promise<StatusBody> {
    const run = this.#runOf(envelope, position)
    if (run?.expected !== position) return NOT_IN_TURN
    run.expected = position + 1
    run.underWay++
    const { turn: before } = run
    const turn = Promise.withResolvers<void>()
    run.turn = turn.promise
    try {
      await before
      if (run.expected === -1) return NOT_IN_TURN
      await this.#handlers.receive({ ...sent, envelope, onQueued: turn.resolve }, this.#from)
      return SUCCESS
    } catch (error) {
      run.expected = -1
      return statusOfError(error)
    } finally {
      run.underWay--
      turn.resolve()
    }
  }

  #runOf({ to, sender }: Envelope, position: number): Run | undefined {
    const key = `${to.length}:${to}${sender}`
    const known = this.#runs.get(key)
    if (position > 0) return known
    const run: Run = { expected: 0, underWay: 0, turn: known?.turn ?? Promise.resolve() }
    this.#runs.delete(key)
    this.#runs.set(key, run)
    for (const [oldest, { underWay }] of this.#runs) {
      if (this.#runs.size <= 2 * LINK_WINDOW) break
      if (underWay === 0) this.#runs.delete(oldest)
    }
    return run
  }

  #room(): Promise<void> {
    return new Promise((resolve) => {
      this.#onRoom = resolve
    })
  }
}

/** Faults of our own are not described to others. */
function statusOfError(error: unknown): StatusBody {
  if (error instanceof AcnStatusError) return { code: error.code, msgs: [error.message] }
  if (error instanceof DecodeError) return { code: STATUS.ERROR_DECODE, msgs: ['envelope cannot be decoded'] }
  return { code: STATUS.ERROR_GENERIC, msgs: ['internal error'] }
}
