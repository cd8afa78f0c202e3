import { createHash } from 'node:crypto'
import type { AgentSession, DeliveryOutcome, PendingItem, PendingSource } from '../entrance.ts'
import { CARRIED, type StoredNotDelivered } from '../store/index.ts'
import { Bell } from './bell.ts'
import type { QueuedEnvelope } from './holding.ts'
import type { QueueReader } from './queue-reader.ts'
import type { ReportReader } from './report-reader.ts'

/** What an agent's source is made from. */
export interface AgentSourceOptions {
  readonly session: AgentSession
  readonly reader: QueueReader
  readonly reports: ReportReader
  readonly onSettled: (envelope: QueuedEnvelope, outcome: DeliveryOutcome) => Promise<void>
  /** The agent has a report. */
  readonly onReported: (report: StoredNotDelivered) => Promise<void>
  readonly onClosed: (source: AgentSource) => void
  /** Before this resolves it gives no envelopes: some that go first are on another way. */
  readonly ready?: Promise<void> | undefined
}

/** What waits for one agent, for one session of it; gives nothing while another session of the agent goes first. */
export class AgentSource implements PendingSource {
  readonly session: AgentSession
  readonly #options: AgentSourceOptions
  readonly #bell = new Bell()
  #isActive = false
  #isReady: boolean
  #isClosed = false

  constructor(options: AgentSourceOptions) {
    this.session = options.session
    this.#options = options
    this.#isReady = options.ready === undefined
    options.ready?.then(() => {
      this.#isReady = true
      this.#bell.ring()
    })
  }

  /** Whether this is the session that gets the agent's envelopes. */
  set isActive(isActive: boolean) {
    this.#isActive = isActive
    if (isActive) this.#bell.ring()
  }

  /** Takes the newest envelope; false when it has to be written at once. */
  offer(envelope: QueuedEnvelope): boolean {
    const isTaken = this.#isActive && this.#isReady && this.#options.reader.offer(envelope)
    if (isTaken) this.#bell.ring()
    else this.missed()
    // An agent that asks every two seconds, and answers when it asks again, would keep the sender waiting for nothing.
    return isTaken && !(this.session.kind === 'mailbox' && !this.session.isParley)
  }

  /** There may be one in the store that was not offered. */
  missed(): void {
    this.#options.reader.missed()
    this.#bell.ring()
  }

  /** A report was added. */
  reportAdded(): void {
    this.#options.reports.added()
    this.#bell.ring()
  }

  async poll(): Promise<PendingItem | undefined> {
    if (this.#isClosed || !this.#isActive) return undefined
    const report = this.session.isParley ? await this.#options.reports.next() : undefined
    if (report) return this.#reportItem(report)
    if (!this.#isReady) return undefined
    const envelope = await this.#options.reader.next()
    return envelope && this.#envelopeItem(envelope)
  }

  async next(signal: AbortSignal): Promise<PendingItem | undefined> {
    const onAbort = () => this.#bell.ring()
    signal.addEventListener('abort', onAbort)
    try {
      while (!this.#isClosed) {
        signal.throwIfAborted()
        // Before looking, so that nothing that comes meanwhile is missed.
        const { rings } = this.#bell
        const item = await this.poll()
        if (item) return item
        await this.#bell.wait(rings)
      }
      return undefined
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#bell.ring()
    this.#options.onClosed(this)
  }

  #envelopeItem(envelope: QueuedEnvelope): PendingItem {
    const { id, bytes, source } = envelope
    const isCarried = source === CARRIED
    return { type: 'envelope', id, bytes, isCarried, settle: (outcome) => this.#options.onSettled(envelope, outcome) }
  }

  /** What is not answered is read again by the next session's reader; its name is the same then. */
  #reportItem(stored: StoredNotDelivered): PendingItem {
    const { id: envelopeId, to, reason, at, status } = stored
    return {
      type: 'report',
      id: nameOf(stored),
      report: { envelopeId, to, reason, at, ...(status !== undefined && { status }) },
      settle: ({ type }) => (type === 'answered' ? this.#options.onReported(stored) : undefined),
    }
  }
}

function nameOf({ id, number, at }: StoredNotDelivered): string {
  return createHash('sha256').update(`${id}:${number}:${at}`).digest('hex').slice(0, 32)
}
