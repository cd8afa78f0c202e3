import { randomBytes } from 'node:crypto'
import { decodeEnvelope, STATUS, type StatusBody, SUCCESS_MESSAGE } from '../protocol/index.ts'
import {
  type AcnStore,
  CARRIED,
  type EnqueueOutcome,
  type EnvelopeId,
  type NewEnvelope,
  type SeenAs,
} from '../store/index.ts'
import type { CarriedInVain, FromCarrier } from './carrier.ts'
import type { LocalAgents } from './local-agents.ts'
import type { Outcomes } from './outcomes.ts'
import type { QueueAdmission } from './queue-admission.ts'

/** What carried envelopes are handled with. */
export interface CarriedOptions {
  readonly store: AcnStore
  readonly agents: LocalAgents
  readonly admission: QueueAdmission
  readonly outcomes: Outcomes
  enqueue(envelope: NewEnvelope, deadline: number, seen: SeenAs): Promise<EnqueueOutcome>
}

const SUCCESS: StatusBody = SUCCESS_MESSAGE.body ?? { code: STATUS.SUCCESS, msgs: [] }
const GONE: StatusBody = { code: STATUS.ERROR_UNKNOWN_AGENT_ADDRESS, msgs: ['the agent is not here'] }
const FULL: StatusBody = { code: STATUS.ERROR_AGENT_NOT_READY, msgs: ['nothing more can be stored for the agent'] }
/** How long a carried envelope waits for a place before its carrier is asked to come again, ms. */
const PATIENCE = 60_000

/** Envelopes that come and go by the carrier: those that come are given to their agents as all others are. */
export class Carried {
  readonly #options: CarriedOptions
  /** Those who wait to hear what became of an envelope for an agent of this node. */
  readonly #waiting = new Map<string, PromiseWithResolvers<StatusBody>>()

  constructor(options: CarriedOptions) {
    this.#options = options
  }

  /**
   * Takes an envelope for an agent of this node, once, and waits for what becomes of it.
   * @returns the agent's status; ERROR_UNKNOWN_AGENT_ADDRESS when it has gone elsewhere without the envelope;
   *   ERROR_AGENT_NOT_READY when there is no room for it
   */
  async receive({ id, to, sender, bytes }: FromCarrier): Promise<StatusBody> {
    const { agents, enqueue } = this.#options
    if (!agents.get(to)) return GONE
    const name = nameOf(to, sender, id)
    const known = this.#waiting.get(name)
    if (known) return known.promise
    const settled = Promise.withResolvers<StatusBody>()
    this.#waiting.set(name, settled)
    const receivedAt = Date.now()
    const envelope = { id, to, sender, bytes, source: CARRIED, receivedAt }
    const outcome = await enqueue(envelope, receivedAt + PATIENCE, { scope: `${CARRIED} ${sender}`, id })
    if (!outcome.accepted) {
      const isWaiting = outcome.reason === 'duplicate' && (await this.#isStored(to, sender, id))
      if (!isWaiting) this.#settle(name, outcome.reason === 'duplicate' ? SUCCESS : FULL)
    }
    return settled.promise
  }

  /** An envelope for an agent of this node was delivered, or given up with a status. */
  settled(to: string, sender: string, id: EnvelopeId, status?: StatusBody): void {
    this.#settle(nameOf(to, sender, id), status ?? SUCCESS)
  }

  /** An agent has gone elsewhere: what it has not taken is not kept here, those who carried it send it there. */
  async drop(to: string): Promise<void> {
    const { store, admission } = this.#options
    for (let after = 0; ; ) {
      const page = await store.pending(to, { after, limit: 1000 })
      const carried = page.filter(({ source }) => source === CARRIED)
      await store.delivered(carried.map(({ number }) => number))
      for (const { sender, id, bytes } of carried) {
        admission.leave({ to, sender, size: bytes.length })
        this.#settle(nameOf(to, sender, id), GONE)
      }
      const last = page.at(-1)
      if (!last) return
      after = last.number
    }
  }

  /**
   * Sends an envelope in the name of an agent of this node, by the network's own way or another.
   * @throws DecodeError when the bytes are none
   */
  async send(bytes: Uint8Array): Promise<void> {
    const { to, sender } = decodeEnvelope(bytes)
    const agent = this.#options.agents.get(sender)
    if (!agent) return
    const receivedAt = Date.now()
    const id = randomBytes(16).toString('hex')
    const { record } = agent
    const envelope = { id, to, sender, bytes, record, source: 'this node', receivedAt }
    await this.#options.enqueue(envelope, receivedAt, { scope: CARRIED, id })
  }

  /** An envelope of an agent of this node that the carrier had has arrived. */
  arrived(id: EnvelopeId): void {
    this.#options.store.addTrace({ id, at: Date.now(), event: 'delivered', detail: CARRIED })
  }

  /** An envelope of an agent of this node that the carrier had was given up: its sender is told. */
  inVain(given: CarriedInVain): Promise<void> {
    return this.#options.outcomes.carriedInVain(given)
  }

  async #isStored(to: string, sender: string, id: EnvelopeId): Promise<boolean> {
    for (let after = 0; ; ) {
      const page = await this.#options.store.pendingOfPair(to, sender, { after, limit: 1000 })
      if (page.some((envelope) => envelope.id === id)) return true
      const last = page.at(-1)
      if (!last) return false
      after = last.number
    }
  }

  #settle(name: string, status: StatusBody): void {
    this.#waiting.get(name)?.resolve(status)
    this.#waiting.delete(name)
  }
}

function nameOf(to: string, sender: string, id: EnvelopeId): string {
  return `${to.length}:${to}${sender} ${id}`
}
