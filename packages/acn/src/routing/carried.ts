import { decodeEnvelope, STATUS } from '../protocol/index.ts'
import {
  type AcnStore,
  CARRIED,
  type EnqueueOutcome,
  type EnvelopeId,
  type NewEnvelope,
  newEnvelopeId,
  type SeenAs,
} from '../store/index.ts'
import { type CarriedEnd, type CarriedInVain, carriedScope, type FromCarrier, refusedWith } from './carrier.ts'
import type { LocalAgents } from './local-agents.ts'
import type { Outcomes } from './outcomes.ts'
import { envelopeKey } from './pair-key.ts'

/** What carried envelopes are handled with. */
export interface CarriedOptions {
  readonly store: AcnStore
  readonly agents: LocalAgents
  readonly outcomes: Outcomes
  enqueue(envelope: NewEnvelope, deadline: number, seen: SeenAs): Promise<EnqueueOutcome>
}

/** An envelope waits for a place for as long as it takes, ms: those behind it must not go first. Timers hold no more. */
const PATIENCE = 2 ** 31 - 1

/** Envelopes that come and go by the carrier: those that come are given to their agents as all others are. */
export class Carried {
  readonly #options: CarriedOptions
  /** Those who wait to hear what became of an envelope for an agent of this node. */
  readonly #waiting = new Map<string, PromiseWithResolvers<CarriedEnd>>()

  constructor(options: CarriedOptions) {
    this.#options = options
  }

  /**
   * Takes an envelope for an agent of this node, once, and waits for what becomes of it. Called in the order of a pair,
   * without waiting for those before.
   * @throws StoreError
   */
  async receive({ id, to, sender, bytes }: FromCarrier): Promise<CarriedEnd> {
    if (!this.#options.agents.isHere(to)) return { type: 'gone' }
    const name = envelopeKey(to, sender, id)
    const known = this.#waiting.get(name)
    if (known) return known.promise
    const settled = Promise.withResolvers<CarriedEnd>()
    this.#waiting.set(name, settled)
    const receivedAt = Date.now()
    const envelope = { id, to, sender, bytes, source: CARRIED, receivedAt }
    try {
      const outcome = await this.#options.enqueue(envelope, receivedAt + PATIENCE, { scope: carriedScope(sender), id })
      const end = outcome.accepted ? undefined : await this.#endOf(envelope, outcome.reason)
      if (end) this.settled(to, sender, id, end)
    } catch (error) {
      this.#waiting.delete(name)
      settled.reject(error)
    }
    return settled.promise
  }

  /** An envelope for an agent of this node has come to its end. */
  settled(to: string, sender: string, id: EnvelopeId, end: CarriedEnd): void {
    const name = envelopeKey(to, sender, id)
    this.#waiting.get(name)?.resolve(end)
    this.#waiting.delete(name)
  }

  /**
   * Sends an envelope in the name of an agent of this node, by the network's own way or another; nothing when the agent
   * is not here, or there is no room.
   * @throws DecodeError when the bytes are none; StoreError
   */
  async send(bytes: Uint8Array): Promise<void> {
    const { to, sender } = decodeEnvelope(bytes)
    const agent = this.#options.agents.get(sender)
    if (!agent) return
    const receivedAt = Date.now()
    const id = newEnvelopeId()
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

  /** What one that was not queued has come to; undefined when it waits already. */
  async #endOf(
    { id, to, sender }: Pick<NewEnvelope, 'id' | 'to' | 'sender'>,
    reason: (EnqueueOutcome & { accepted: false })['reason'],
  ): Promise<CarriedEnd | undefined> {
    if (reason === 'invalid') return { type: 'refused', code: STATUS.ERROR_DECODE }
    if (reason !== 'duplicate') return { type: 'later' }
    if (await this.#isStored(to, sender, id)) return undefined
    // It came before: whoever carries it had not noted how that ended.
    const given = await this.#options.store.listNotDelivered({ id })
    const refused = given.find((record) => record.to === to && record.sender === sender)
    return refused ? refusedWith(refused.status) : { type: 'taken' }
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
}
