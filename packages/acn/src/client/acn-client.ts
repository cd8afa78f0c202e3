import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { toHex } from '@parley/core/encoding'
import { BoundedQueue } from '@parley/core/queue'
import { AcnConnectionError } from '../entrance/connection-error.ts'
import type { Entry, EntryConnection } from '../entrance/entry.ts'
import { isEnvelopeId } from '../entrance/extension.ts'
import { type Envelope, encodeEnvelope } from '../protocol/index.ts'
import type { EnvelopeId } from '../store/index.ts'
import type { AcnClientEvent, SendOutcome } from './acn-client-events.ts'
import { type Acknowledgement, Inbox } from './inbox.ts'
import { Outbox } from './outbox.ts'
import { Transmission } from './transmission.ts'

const ID_LENGTH = 16
/** A connection that lasted so long, in ms, was a good one: the same entry is tried again at once. */
const GOOD_CONNECTION = 10_000

/** How a client waits between attempts, ms. */
export interface Backoff {
  /** After the first time that all entries failed. */
  readonly firstMs: number
  /** Doubled each time up to this. */
  readonly longestMs: number
}

const BACKOFF: Backoff = { firstMs: 250, longestMs: 15_000 }

export interface AcnClientOptions {
  /** Where the client may attach, the preferred one first. */
  readonly entries: readonly [Entry, ...Entry[]]
  /** `arrival` by default. */
  readonly acknowledge?: Acknowledgement
  /** Envelopes that wait to be sent before `send` waits; 100 by default. */
  readonly outboxCapacity?: number
  /** Events that wait to be taken before the node is made to wait; 1,000 by default. */
  readonly inboxCapacity?: number
  readonly backoff?: Partial<Backoff>
}

/** How an envelope is sent. */
export interface SendOptions {
  /** Stops waiting for the answer; the envelope may have been sent by then. */
  readonly signal?: AbortSignal
  /** Name of the envelope, 32 lower-case hexadecimal digits; a new one by default. The same name is delivered once. */
  readonly id?: EnvelopeId
}

/**
 * An agent's place in the network: attached at one node at a time, at the next entry when one fails. Envelopes are sent
 * in order and again until a node answers; between Parley ends each arrives once.
 */
export class AcnClient {
  /**
   * What comes. It must be read: when it is full, the node waits. `connected` and `disconnected` are left out then;
   * {@link entry} always tells.
   */
  readonly events: AsyncIterable<AcnClientEvent>
  readonly #events: BoundedQueue<AcnClientEvent>
  readonly #options: AcnClientOptions
  readonly #backoff: Backoff
  readonly #inbox: Inbox
  readonly #outbox: Outbox
  readonly #stop = new AbortController()
  #entryIndex = 0
  #connection: EntryConnection | undefined
  #running: Promise<void> = Promise.resolve()

  private constructor(options: AcnClientOptions) {
    this.#options = options
    this.#backoff = { ...BACKOFF, ...options.backoff }
    this.#events = new BoundedQueue(options.inboxCapacity ?? 1_000)
    this.events = this.#events
    this.#inbox = new Inbox(this.#events, options.acknowledge ?? 'arrival')
    this.#outbox = new Outbox(options.outboxCapacity ?? 100)
  }

  /**
   * Attaches at the first entry that takes the agent; from then on the client looks for a node by itself whenever it has
   * none.
   * @throws AggregateError with what each entry failed with; the signal's reason when it aborts
   */
  static async connect(options: AcnClientOptions, signal?: AbortSignal): Promise<AcnClient> {
    const client = new AcnClient(options)
    const abort = () => client.#stop.abort(signal?.reason)
    signal?.addEventListener('abort', abort, { once: true })
    try {
      signal?.throwIfAborted()
      const failures: unknown[] = []
      const connection = await client.#connectAnywhere((error) => failures.push(error))
      if (!connection) throw new AggregateError(failures, 'no entry takes the agent')
      client.#running = client.#run(connection)
      return client
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  /** Name of the entry at which the client is attached; undefined while there is none. */
  get entry(): string | undefined {
    return this.#connection && this.#currentEntry.name
  }

  /** Whether the node is Parley; false while there is none. */
  get isParley(): boolean {
    return this.#connection?.isParley ?? false
  }

  /** Envelopes that have no answer yet. */
  get unanswered(): number {
    return this.#outbox.size
  }

  /**
   * Sends an envelope, after those sent before. Resolves with what the node said: a Parley node's SUCCESS means
   * delivered or stored, its error that the envelope is refused.
   * @throws EnvelopeLengthError; QueueClosedError or AcnConnectionError CLOSED when the client is closed; the signal's
   *   reason when it aborts; TypeError when the id is none
   */
  async send(envelope: Envelope, { signal, id = newId() }: SendOptions = {}): Promise<SendOutcome> {
    if (!isEnvelopeId(id)) throw new TypeError('id must be 32 lower-case hexadecimal digits')
    const { code, msgs } = await this.#outbox.send(id, encodeEnvelope(envelope), signal)
    return { id, code, msgs }
  }

  /**
   * Leaves the network. What has no answer by then is rejected.
   * @param options `drainMs`: how long answers are waited for, 0 by default
   */
  async close({ drainMs = 0 }: { readonly drainMs?: number } = {}): Promise<void> {
    if (drainMs > 0) await withinTime(this.#outbox.idle(), drainMs)
    const reason = new AcnConnectionError('CLOSED', 'client is closed')
    this.#stop.abort(reason)
    this.#outbox.close(reason)
    this.#events.close()
    await this.#connection?.close()
    await this.#running
  }

  get #currentEntry(): Entry {
    return this.#options.entries[this.#entryIndex] ?? this.#options.entries[0]
  }

  /** From the first connection to the end of the client. Never rejects. */
  async #run(first: EntryConnection): Promise<void> {
    let failures = 0
    for (let connection: EntryConnection | undefined = first; connection; ) {
      const lasted = await this.#serve(connection)
      if (this.#stop.signal.aborted) return
      const isGood = lasted >= GOOD_CONNECTION
      if (isGood) failures = 0
      else {
        this.#entryIndex = (this.#entryIndex + 1) % this.#options.entries.length
        await this.#wait(failures++)
      }
      connection = await this.#connectAgain()
    }
  }

  /** Uses a connection until it ends; gives how long it lasted, ms. */
  async #serve(connection: EntryConnection): Promise<number> {
    const since = performance.now()
    const { name } = this.#currentEntry
    this.#connection = connection
    this.#events.tryPut({ type: 'connected', entry: name, isParley: connection.isParley })
    await new Transmission(this.#outbox, connection).run()
    await connection.close()
    this.#connection = undefined
    const { error } = connection
    this.#events.tryPut({ type: 'disconnected', entry: name, ...(error && { error }) })
    return performance.now() - since
  }

  /** Tries all entries, again and again; undefined when the client is closed. */
  async #connectAgain(): Promise<EntryConnection | undefined> {
    for (let failures = 0; !this.#stop.signal.aborted; failures++) {
      const connection = await this.#connectAnywhere((error, entry) => {
        this.#events.tryPut({ type: 'disconnected', entry, error })
      }).catch(() => undefined)
      if (connection) return connection
      await this.#wait(failures)
    }
    return undefined
  }

  /**
   * Tries each entry once, beginning with the current one.
   * @returns undefined when none takes the agent
   * @throws the stop signal's reason when it aborts
   */
  async #connectAnywhere(onFailure: (error: Error, entry: string) => void): Promise<EntryConnection | undefined> {
    const { entries } = this.#options
    for (let tried = 0; tried < entries.length; tried++) {
      const entry = this.#currentEntry
      try {
        const connection = await entry.connect(this.#inbox, this.#stop.signal)
        if (!this.#stop.signal.aborted) return connection
        await connection.close()
      } catch (error) {
        if (!this.#stop.signal.aborted) onFailure(error as Error, entry.name)
      }
      this.#stop.signal.throwIfAborted()
      this.#entryIndex = (this.#entryIndex + 1) % entries.length
    }
    return undefined
  }

  /** Waits longer with each failure, and not as long as all the others who lost the same node. */
  async #wait(failures: number): Promise<void> {
    const { firstMs, longestMs } = this.#backoff
    const longest = Math.min(firstMs * 2 ** Math.min(failures, 20), longestMs)
    await delay(longest * (0.5 + Math.random() / 2), undefined, { signal: this.#stop.signal }).catch(() => {})
  }
}

function newId(): EnvelopeId {
  return toHex(randomBytes(ID_LENGTH))
}

async function withinTime(done: Promise<void>, timeMs: number): Promise<void> {
  const stop = new AbortController()
  await Promise.race([done, delay(timeMs, undefined, { signal: stop.signal }).catch(() => {})])
  stop.abort()
}
