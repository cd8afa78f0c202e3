import { randomBytes } from 'node:crypto'
import type { AgentSession, DeliveryOutcome, DeliveryReport, PendingItem, PendingSource } from '../entrance.ts'
import { Bell } from './bell.ts'
import type { QueuedEnvelope } from './holding.ts'
import type { QueueReader } from './queue-reader.ts'

/** Delivery reports that wait for one agent; beyond it the oldest goes: it stays as a not-delivered record. */
const MAX_REPORTS = 1000

/** What an agent's source is made from. */
export interface AgentSourceOptions {
  readonly session: AgentSession
  readonly reader: QueueReader
  /** Reports for the agent, shared by its sessions. */
  readonly reports: DeliveryReport[]
  readonly onSettled: (envelope: QueuedEnvelope, outcome: DeliveryOutcome) => Promise<void>
  readonly onClosed: (source: AgentSource) => void
}

/** What waits for one agent, for one session of it; gives nothing while another session of the agent goes first. */
export class AgentSource implements PendingSource {
  readonly session: AgentSession
  readonly #options: AgentSourceOptions
  readonly #bell = new Bell()
  #isActive = false
  #isClosed = false

  constructor(options: AgentSourceOptions) {
    this.session = options.session
    this.#options = options
  }

  /** Whether this is the session that gets the agent's envelopes. */
  set isActive(isActive: boolean) {
    this.#isActive = isActive
    if (isActive) this.#bell.ring()
  }

  /** Takes the newest envelope; false when it has to be written first. */
  offer(envelope: QueuedEnvelope): boolean {
    const isTaken = this.#isActive && this.#options.reader.offer(envelope)
    if (!isTaken) this.#options.reader.missed()
    this.#bell.ring()
    return isTaken
  }

  /** Reports were added. */
  wake(): void {
    this.#bell.ring()
  }

  async poll(): Promise<PendingItem | undefined> {
    if (this.#isClosed || !this.#isActive) return undefined
    const report = this.session.isParley ? this.#options.reports.shift() : undefined
    if (report) return this.#reportItem(report)
    const envelope = await this.#options.reader.next()
    return envelope && this.#envelopeItem(envelope)
  }

  async next(signal: AbortSignal): Promise<PendingItem | undefined> {
    while (!this.#isClosed) {
      signal.throwIfAborted()
      // Made before looking, so that nothing that comes meanwhile is missed.
      const change = new AbortController()
      const changed = this.#bell.wait(AbortSignal.any([signal, change.signal]))
      changed.catch(() => {})
      let item: PendingItem | undefined
      try {
        item = await this.poll()
        if (item) return item
      } finally {
        if (item) change.abort()
      }
      await changed
    }
    return undefined
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#bell.ring()
    this.#options.onClosed(this)
  }

  #envelopeItem(envelope: QueuedEnvelope): PendingItem {
    const { id, bytes } = envelope
    return { type: 'envelope', id, bytes, settle: (outcome) => this.#options.onSettled(envelope, outcome) }
  }

  #reportItem(report: DeliveryReport): PendingItem {
    const settle = ({ type }: DeliveryOutcome) => {
      if (type !== 'answered') addReport(this.#options.reports, report)
    }
    return { type: 'report', id: randomBytes(16).toString('hex'), report, settle }
  }
}

/** Adds a report to those that wait for an agent. */
export function addReport(reports: DeliveryReport[], report: DeliveryReport): void {
  reports.push(report)
  if (reports.length > MAX_REPORTS) reports.shift()
}
