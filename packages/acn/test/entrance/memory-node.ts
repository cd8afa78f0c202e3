import { randomBytes } from 'node:crypto'
import type {
  AgentSession,
  DeliveryOutcome,
  DeliveryReport,
  EntranceHandler,
  PendingItem,
  PendingSource,
  Submission,
} from '@parley/acn/entrance'
import { AcnStatusError, STATUS, type StatusBody } from '@parley/acn/protocol'
import { BoundedQueue } from '@parley/core/queue'

const SUCCESS: StatusBody = { code: STATUS.SUCCESS, msgs: [] }

interface Waiting {
  readonly id: string
  readonly bytes?: Uint8Array
  readonly report?: DeliveryReport
  isOut: boolean
}

/** What waits for one agent, in order; an item leaves when it is answered. */
export class MemoryQueue {
  readonly waiting: Waiting[] = []
  #changed: () => void = () => {}

  add(item: Waiting): void {
    this.waiting.push(item)
    this.#changed()
  }

  source(node: MemoryNode): PendingSource {
    let isClosed = false
    const given = new Set<Waiting>()
    const take = (): PendingItem | undefined => {
      const entry = this.waiting.find((one) => !one.isOut && !given.has(one))
      if (!entry) return undefined
      entry.isOut = true
      given.add(entry)
      const settle = (outcome: DeliveryOutcome) => {
        node.outcomes.push(outcome)
        entry.isOut = false
        if (outcome.type === 'answered') this.waiting.splice(this.waiting.indexOf(entry), 1)
        this.#changed()
      }
      const { id, bytes, report } = entry
      if (report) return { type: 'report', id, report, settle }
      return { type: 'envelope', id, bytes: bytes ?? new Uint8Array(), settle }
    }
    return {
      poll: async () => take(),
      next: async (signal) => {
        for (;;) {
          const item = take()
          if (item) return item
          if (isClosed) return undefined
          const { promise, resolve, reject } = Promise.withResolvers<void>()
          const abort = () => reject(signal.reason)
          signal.throwIfAborted()
          signal.addEventListener('abort', abort, { once: true })
          this.#changed = resolve
          await promise.finally(() => signal.removeEventListener('abort', abort))
        }
      },
      close: () => {
        isClosed = true
        this.#changed()
        node.closedSources++
      },
    }
  }
}

/** Routing between the agents of one node, in memory: what stands behind the entrances under test. */
export class MemoryNode implements EntranceHandler {
  readonly queues = new Map<string, MemoryQueue>()
  readonly submissions: Submission[] = []
  readonly sessions: AgentSession[] = []
  readonly outcomes: DeliveryOutcome[] = []
  /** Addresses of agents whose session ended, in order. */
  readonly detached = new BoundedQueue<AgentSession>(1000)
  readonly registered = new BoundedQueue<AgentSession>(1000)
  closedSources = 0
  /** Replaces what is said of an envelope. */
  answer: ((submission: Submission) => Promise<StatusBody>) | undefined
  refuse: AcnStatusError | undefined
  readonly #seen = new Set<string>()

  async onRegister(session: AgentSession): Promise<void> {
    if (this.refuse) throw this.refuse
    this.sessions.push(session)
    this.queue(session.address)
    this.registered.tryPut(session)
  }

  async onEnvelope(submission: Submission): Promise<StatusBody> {
    this.submissions.push(submission)
    if (this.answer) return this.answer(submission)
    const { envelope, session, id, bytes } = submission
    if (envelope.sender !== session.address) {
      throw new AcnStatusError(STATUS.ERROR_WRONG_AGENT_ADDRESS, 'sender is not the agent')
    }
    const queue = this.queues.get(envelope.to)
    if (!queue) throw new AcnStatusError(STATUS.ERROR_UNKNOWN_AGENT_ADDRESS, 'unknown agent address')
    if (id === undefined || !this.#seen.has(id)) queue.add({ id: id ?? this.newId(), bytes, isOut: false })
    if (id !== undefined) this.#seen.add(id)
    return SUCCESS
  }

  pending(session: AgentSession): PendingSource {
    return this.queue(session.address).source(this)
  }

  onDetached(session: AgentSession): void {
    this.detached.tryPut(session)
  }

  /** The queue of an agent, made when there is none. */
  queue(address: string): MemoryQueue {
    const queue = this.queues.get(address) ?? new MemoryQueue()
    this.queues.set(address, queue)
    return queue
  }

  /** Lets an envelope wait for an agent. */
  deliver(address: string, bytes: Uint8Array, id: string = this.newId()): string {
    this.queue(address).add({ id, bytes, isOut: false })
    return id
  }

  newId(): string {
    return randomBytes(16).toString('hex')
  }
}
