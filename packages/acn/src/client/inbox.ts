import { DecodeError } from '@parley/core/encoding'
import { type BoundedQueue, QueueClosedError } from '@parley/core/queue'
import type { EntryHandler } from '../entrance/entry.ts'
import type { WireReport } from '../entrance/extension.ts'
import { AcnStatusError, decodeEnvelope, STATUS, type StatusBody } from '../protocol/index.ts'
import type { EnvelopeId } from '../store/index.ts'
import type { AcnClientEvent, EnvelopeEvent } from './acn-client-events.ts'

/** Ids of items that are remembered: far more than a node may have under way at once. */
const REMEMBERED = 10_000

const SUCCESS: StatusBody = { code: STATUS.SUCCESS, msgs: [] }

/** When the node hears that the agent has an envelope: when it is here, or when the agent says so. */
export type Acknowledgement = 'arrival' | 'manual'

/**
 * What nodes give an agent: each item once, whatever is repeated over however many connections, in a queue that makes
 * the nodes wait when it is full.
 */
export class Inbox implements EntryHandler {
  readonly #events: BoundedQueue<AcnClientEvent>
  readonly #acknowledgement: Acknowledgement
  /** Answers to what had an id, in order of arrival. */
  readonly #answers = new Map<EnvelopeId, Promise<StatusBody>>()

  constructor(events: BoundedQueue<AcnClientEvent>, acknowledgement: Acknowledgement) {
    this.#events = events
    this.#acknowledgement = acknowledgement
  }

  onEnvelope(bytes: Uint8Array, id: EnvelopeId | undefined, isCarried = false): Promise<StatusBody> {
    const accept = () => this.#accept(bytes, id, isCarried)
    return id === undefined ? accept() : this.#once(id, accept)
  }

  async onReport(report: WireReport, id: EnvelopeId): Promise<void> {
    await this.#once(id, async () => {
      await this.#events.put({ type: 'notDelivered', ...report })
      return SUCCESS
    })
  }

  /** The answer to an item that is here for the first time, or the one that it had. */
  #once(id: EnvelopeId, take: () => Promise<StatusBody>): Promise<StatusBody> {
    const known = this.#answers.get(id)
    if (known) return known
    const answer = take()
    this.#answers.set(id, answer)
    // What could not be taken is not here.
    answer.catch(() => this.#answers.delete(id))
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= REMEMBERED) break
      this.#answers.delete(oldest)
    }
    return answer
  }

  async #accept(bytes: Uint8Array, id: EnvelopeId | undefined, isCarried: boolean): Promise<StatusBody> {
    const { promise, resolve } = Promise.withResolvers<StatusBody>()
    const event: EnvelopeEvent = {
      type: 'envelope',
      envelope: readEnvelope(bytes),
      ...(id !== undefined && { id }),
      ...(isCarried && { isCarried }),
      acknowledge: () => resolve(SUCCESS),
      refuse: (code, text) => resolve({ code, msgs: [text] }),
    }
    try {
      await this.#events.put(event)
    } catch (error) {
      if (error instanceof QueueClosedError) throw new AcnStatusError(STATUS.ERROR_AGENT_NOT_READY, 'agent has stopped')
      throw error
    }
    return this.#acknowledgement === 'manual' ? promise : SUCCESS
  }
}

function readEnvelope(bytes: Uint8Array) {
  try {
    return decodeEnvelope(bytes)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw new AcnStatusError(STATUS.ERROR_DECODE, 'envelope cannot be decoded')
  }
}
