import { isTold, type ToldErrors } from '../entrance/told-errors.ts'
import type { AgentSession, DeliveryOutcome, DetachReason, PendingItem, PendingSource } from '../entrance.ts'
import { type AgentRecord, STATUS, type StatusBody } from '../protocol/index.ts'

const SUCCESS: StatusBody = { code: STATUS.SUCCESS, msgs: [] }

/** What a session is made from. */
export interface MailboxSessionOptions {
  /** What the agent shows in each request: 32 hexadecimal digits. */
  readonly token: string
  readonly record: AgentRecord
  /** Address from which the agent registered. */
  readonly remoteAddress: string
  readonly isParley: boolean
  readonly answeredChallenge: boolean
  readonly toldErrors: ToldErrors
  /** Called once, when the session ends. */
  onEnd(session: MailboxSession): void
}

/**
 * An agent that asks for its envelopes. The item of the last answer is the agent's when it says so or, as other programs
 * cannot, when it asks for the next one after the whole answer was sent; until then it is the answer again.
 */
export class MailboxSession implements AgentSession {
  readonly kind = 'mailbox'
  readonly token: string
  readonly address: string
  readonly record: AgentRecord
  readonly source: string
  readonly remoteAddress: string
  readonly registeredAt: number = Date.now()
  readonly isParley: boolean
  readonly answeredChallenge: boolean
  /** Milliseconds since 1970 of the last request. */
  lastUsed: number = Date.now()
  readonly #options: MailboxSessionOptions
  #source: PendingSource | undefined
  /** The item that the agent may have, and whether it was sent whole. */
  #out: { readonly item: PendingItem; isSent: boolean } | undefined
  /** One request for items at a time. */
  #turn: Promise<unknown> = Promise.resolve()
  readonly #end = new AbortController()

  constructor(options: MailboxSessionOptions) {
    this.#options = options
    this.token = options.token
    this.record = options.record
    this.address = options.record.address
    this.remoteAddress = options.remoteAddress
    this.source = `mailbox ${options.remoteAddress}`
    this.isParley = options.isParley
    this.answeredChallenge = options.answeredChallenge
  }

  get hasEnded(): boolean {
    return this.#end.signal.aborted
  }

  tellsError(code: number): boolean {
    return isTold('mailbox', this.isParley, code, this.#options.toldErrors)
  }

  /** Where the items come from. */
  open(source: PendingSource): void {
    if (this.hasEnded) source.close()
    else this.#source = source
  }

  detach(_reason: DetachReason): void {
    void this.end()
  }

  /** Ends the session: settles what is out and closes the source. Never rejects. */
  end(): Promise<void> {
    return this.#finish({ type: 'interrupted' })
  }

  /** The agent ends the session: what was sent whole it has. */
  leave(): Promise<void> {
    const hasItem = this.#out?.isSent === true && !this.isParley
    return this.#finish(hasItem ? { type: 'answered', status: SUCCESS } : { type: 'interrupted' })
  }

  async #finish(outcome: DeliveryOutcome): Promise<void> {
    if (this.hasEnded) return
    this.#end.abort(new Error('session has ended'))
    await this.#turn.catch(() => {})
    await this.#settle(outcome).catch(() => {})
    this.#source?.close()
    this.#options.onEnd(this)
  }

  /**
   * The agent has this item.
   * @param status its answer
   */
  acknowledge(id: string, status: StatusBody = SUCCESS): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#out?.item.id === id) await this.#settle({ type: 'answered', status })
    })
  }

  /**
   * The item to answer with.
   * @param signal aborts when the agent no longer waits
   * @returns undefined when there is none, or was none in time
   */
  next(signal: AbortSignal | undefined): Promise<PendingItem | undefined> {
    return this.#inTurn(async () => {
      if (this.#out?.isSent && !this.isParley) await this.#settle({ type: 'answered', status: SUCCESS })
      if (this.#out) return this.#out.item
      if (this.hasEnded) return undefined
      const item = (await this.#source?.poll()) ?? (signal && (await this.#wait(signal)))
      if (item) this.#out = { item, isSent: false }
      return item
    })
  }

  /** The answer with this item was sent whole. */
  sent(item: PendingItem): void {
    if (this.#out?.item === item) this.#out.isSent = true
  }

  /** The answer with this item was sent, and the connection broke before it was read. */
  lost(item: PendingItem): void {
    if (this.#out?.item === item) this.#out.isSent = false
  }

  async #wait(signal: AbortSignal): Promise<PendingItem | undefined> {
    const either = AbortSignal.any([signal, this.#end.signal])
    try {
      return await this.#source?.next(either)
    } catch (error) {
      if (either.aborted) return undefined
      throw error
    }
  }

  async #settle(outcome: DeliveryOutcome): Promise<void> {
    const out = this.#out
    this.#out = undefined
    await out?.item.settle(outcome)
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(action, action)
    this.#turn = result
    result.catch(() => {})
    return result
  }
}
