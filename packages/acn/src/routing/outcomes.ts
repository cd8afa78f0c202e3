import type { DeliveryOutcome } from '../entrance.ts'
import { type AcnStore, CARRIED, type EnvelopeId, type NewEnvelope, type NotDeliveredReason } from '../store/index.ts'
import { refusedWith } from './carried.ts'
import { type CarriedEnd, type CarriedInVain, carriedScope } from './carrier.ts'
import type { Holding, QueuedEnvelope } from './holding.ts'
import type { LocalAgents } from './local-agents.ts'
import type { RoutingObserver } from './observer.ts'
import { actionForAgentStatus, MAX_DELIVERIES, MAX_INTERRUPTIONS } from './policy.ts'
import type { QueueAdmission } from './queue-admission.ts'

/** What outcomes are noted with. */
export interface OutcomesOptions {
  readonly store: AcnStore
  readonly agents: LocalAgents
  readonly admission: QueueAdmission
  readonly holding: Holding
  readonly observer: RoutingObserver
  /** Told when an envelope has come to its end. */
  readonly onSettled: (to: string, sender: string, id: EnvelopeId, end: CarriedEnd) => void
}

/** What becomes of envelopes: noted on disk, in the trace and the metrics, and told to those whom it concerns. */
export class Outcomes {
  readonly #options: OutcomesOptions
  /** Ends of the routing of envelopes that are under way, for the metrics. */
  readonly #routing = new Map<string, (outcome: 'delivered' | 'not-delivered') => void>()

  constructor(options: OutcomesOptions) {
    this.#options = options
  }

  /** Routing of an envelope begins, which is measured; false for one that was sent again and is under way already. */
  beginRouting(id: string): boolean {
    if (this.#routing.has(id)) return false
    this.#routing.set(id, this.#options.observer.routing())
    return true
  }

  endRouting(id: string, outcome: 'delivered' | 'not-delivered'): void {
    this.#routing.get(id)?.(outcome)
    this.#routing.delete(id)
  }

  /** Giving an envelope to an agent ended. */
  async settled(envelope: QueuedEnvelope, outcome: DeliveryOutcome): Promise<void> {
    switch (outcome.type) {
      case 'answered': {
        const action = actionForAgentStatus(outcome.status)
        if (action.type === 'give-up') return this.giveUp(envelope, action.reason, action.status)
        return this.delivered(envelope, 'agent')
      }
      case 'unanswered':
        return this.#deliveredInVain(envelope, MAX_DELIVERIES)
      case 'interrupted':
        return this.#deliveredInVain(envelope, MAX_INTERRUPTIONS)
      case 'unsent':
        return
    }
  }

  /** @param by `agent` or `peer` */
  async delivered(envelope: QueuedEnvelope, by: string): Promise<void> {
    await this.#options.holding.delivered(envelope)
    this.#trace(envelope, 'delivered', by)
    this.#leave(envelope, 'delivered')
    this.#options.onSettled(envelope.to, envelope.sender, envelope.id, { type: 'taken' })
  }

  /** The carrier has the envelope, and tells later what became of it. */
  async carried(envelope: QueuedEnvelope): Promise<void> {
    await this.#options.holding.delivered(envelope)
    this.#trace(envelope, 'handed over', CARRIED)
    this.#options.observer.carried()
    this.#leave(envelope, 'delivered')
  }

  /** It came by the carrier for an agent that has gone elsewhere: those who carried it send it there, or here again. */
  async gone(envelope: QueuedEnvelope): Promise<void> {
    const { holding, store } = this.#options
    const { id, to, sender } = envelope
    const number = await holding.numberOf(envelope)
    // First, so that it is not lost when it comes again.
    await store.forgetSeen(carriedScope(sender), id)
    if (number !== undefined) await store.delivered([number])
    this.#trace(envelope, 'agent has gone', CARRIED)
    this.#leave(envelope, 'not-delivered')
    this.#options.onSettled(to, sender, id, { type: 'gone' })
  }

  /** The carrier has given an envelope up: its sender, who has heard SUCCESS, is told. */
  async carriedInVain({ id, to, sender, reason, status }: CarriedInVain): Promise<void> {
    const { store } = this.#options
    const at = Date.now()
    const given = { reason, at, ...(status !== undefined && { status }) }
    const [first] = await store.trace(id)
    // How large it was is not kept for one that somebody else has.
    const entry = { id, to, sender, attempts: 1, size: 0, receivedAt: first?.at ?? at, ...given }
    await store.addNotDelivered(entry, { toReport: true })
    this.#report(entry, given)
  }

  async giveUp(envelope: QueuedEnvelope, reason: NotDeliveredReason, status: number | undefined): Promise<void> {
    const { holding, store } = this.#options
    const at = Date.now()
    const given = { reason, at, ...(status !== undefined && { status }) }
    const number = await holding.numberOf(envelope)
    if (number === undefined || !(await store.giveUp(number, given))) return
    this.#leave(envelope, 'not-delivered')
    this.#report(envelope, given)
    const { to, sender, id } = envelope
    this.#options.onSettled(to, sender, id, refusedWith(status))
  }

  /** Keeps a record of an envelope that was refused before it was queued. */
  async refused(
    { id, to, sender, bytes, receivedAt }: Pick<NewEnvelope, 'id' | 'to' | 'sender' | 'bytes' | 'receivedAt'>,
    reason: NotDeliveredReason,
    status: number,
  ): Promise<void> {
    const at = Date.now()
    const entry = { id, to: to.slice(0, 256), sender, reason, status, attempts: 0, size: bytes.length, receivedAt, at }
    await this.#options.store.addNotDelivered(entry)
    this.#report(entry, { reason, at, status })
  }

  /** Gives up envelopes whose time is over, until the signal. */
  async expire(now: number, signal: AbortSignal): Promise<void> {
    const { store, admission } = this.#options
    for (let more = true; more && !signal.aborted; ) {
      const expired = await store.expire(now, 1000)
      for (const { id, to, sender, size, at, status } of expired) {
        this.endRouting(id, 'not-delivered')
        admission.leave({ to, sender, size })
        this.#report({ id, sender }, { reason: 'expired', at, status })
        this.#options.onSettled(to, sender, id, refusedWith(status))
      }
      more = expired.length === 1000
    }
  }

  /** One that was never written has no step before this one, which tells from whom for whom it is then. */
  #trace({ id, number, sender, to, source, receivedAt }: QueuedEnvelope, event: string, detail: string): void {
    const { store } = this.#options
    const names = number > 0 ? {} : { sender, to }
    // That it came in private would be told by nothing else.
    const isFirst = number === 0 && source === CARRIED
    if (isFirst) store.addTrace({ id, at: receivedAt, event: 'received', detail: source, ...names })
    store.addTrace({ id, at: Date.now(), event, detail, ...(!isFirst && names) })
  }

  async #deliveredInVain(envelope: QueuedEnvelope, limit: number): Promise<void> {
    const { holding, store } = this.#options
    const attempts = envelope.attempts + 1
    if (attempts >= limit) return this.giveUp(envelope, 'unanswered', undefined)
    store.addTrace({ id: envelope.id, at: Date.now(), event: 'unanswered' })
    const number = await holding.numberOf(envelope)
    if (number === undefined) return
    await store.setDeliveryState(number, { attempts, inFlight: false, nextAttemptAt: 0 })
  }

  #leave({ id, to, sender, bytes }: QueuedEnvelope, outcome: 'delivered' | 'not-delivered'): void {
    this.#options.admission.leave({ to, sender, size: bytes.length })
    this.endRouting(id, outcome)
  }

  /** Tells everybody whom it concerns that an envelope was given up. */
  #report(
    { id, sender }: Pick<QueuedEnvelope, 'id' | 'sender'>,
    { reason, at, status }: { reason: NotDeliveredReason; at: number; status?: number | undefined },
  ): void {
    const { observer, store, agents } = this.#options
    observer.notDelivered(reason)
    const detail = status === undefined ? reason : `${reason}, status ${status}`
    observer.log('warning', `envelope ${id} was not delivered: ${detail}`)
    store.addTrace({ id, at, event: 'not-delivered', detail })
    for (const source of agents.get(sender)?.sources ?? []) source.reportAdded()
  }
}
