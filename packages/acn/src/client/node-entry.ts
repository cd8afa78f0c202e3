import { AcnConnectionError } from '../entrance/connection-error.ts'
import type { Entry, EntryConnection, EntryHandler } from '../entrance/entry.ts'
import { MAX_ENVELOPE_LENGTH } from '../entrance/entry.ts'
import type { AgentSession, EntranceHandler, PendingItem, PendingSource } from '../entrance.ts'
import { type AgentRecord, decodeEnvelope, STATUS, type StatusBody } from '../protocol/index.ts'
import type { EnvelopeId } from '../store/index.ts'

/** Envelopes that may be without an answer at a time. */
const WINDOW = 128
/** How long a node may take for its answer, ms. */
const PATIENCE = 60_000

/** What an agent needs of the node in its own process. */
export interface NodeEntryOptions {
  /** The node's routing. */
  readonly handler: EntranceHandler
  /** The agent's, for that node. */
  readonly record: AgentRecord
  /** False: others do not find the agent. True by default. */
  readonly isListed?: boolean
  /** Only sends: what waits for the agent goes on waiting. False by default. */
  readonly sendsOnly?: boolean
}

/** Attaches an agent to a node that runs in the same process: no connection, the same promises. */
export class NodeEntry implements Entry {
  readonly name = 'node in this process'
  readonly #options: NodeEntryOptions

  constructor(options: NodeEntryOptions) {
    this.#options = options
  }

  async connect(handler: EntryHandler, signal: AbortSignal): Promise<EntryConnection> {
    signal.throwIfAborted()
    const connection = new NodeConnection(this.#options, handler)
    await connection.register()
    return connection
  }
}

class NodeConnection implements EntryConnection {
  readonly isParley = true
  readonly window: number = WINDOW
  readonly maxEnvelopeLength: number = MAX_ENVELOPE_LENGTH
  readonly closed: Promise<void>
  readonly #options: NodeEntryOptions
  readonly #handler: EntryHandler
  readonly #session: AgentSession
  readonly #stop = new AbortController()
  readonly #ended = Promise.withResolvers<void>()
  #source: PendingSource | undefined

  constructor(options: NodeEntryOptions, handler: EntryHandler) {
    this.#options = options
    this.#handler = handler
    this.closed = this.#ended.promise
    const { record, isListed = true } = options
    this.#session = {
      kind: 'delegate',
      address: record.address,
      record,
      source: 'this process',
      registeredAt: Date.now(),
      isParley: true,
      // Whoever is in this process has what the node has.
      answeredChallenge: true,
      isListed,
      tellsError: () => true,
      detach: () => this.#end(),
    }
  }

  get error(): Error | undefined {
    return undefined
  }

  /** @throws AcnStatusError when the node refuses the agent */
  async register(): Promise<void> {
    await this.#options.handler.onRegister(this.#session)
    if (this.#options.sendsOnly) return
    const source = this.#options.handler.pending(this.#session)
    this.#source = source
    void this.#give(source)
  }

  async send(bytes: Uint8Array, id: EnvelopeId): Promise<StatusBody> {
    if (this.#stop.signal.aborted) throw new AcnConnectionError('CLOSED', 'the agent was detached')
    const envelope = decodeEnvelope(bytes)
    const deadline = Date.now() + PATIENCE
    return this.#options.handler.onEnvelope({ session: this.#session, id, envelope, bytes, deadline })
  }

  close(): Promise<void> {
    this.#end()
    return this.closed
  }

  /** What waits for the agent, one after the other: the agent's own queue is what makes the node wait. */
  async #give(source: PendingSource): Promise<void> {
    const { signal } = this.#stop
    const under = new Set<Promise<void>>()
    try {
      for (let item = await source.next(signal); item; item = await source.next(signal)) {
        const given = this.#giveOne(item)
        under.add(given)
        void given.finally(() => under.delete(given))
        if (under.size >= WINDOW) await Promise.race(under)
      }
    } catch {
      // Detached, or the store has failed: what had no answer is given again to the next session.
    }
    this.#end()
    await Promise.race([Promise.all(under), this.#ended.promise])
  }

  async #giveOne(item: PendingItem): Promise<void> {
    const given =
      item.type === 'envelope'
        ? this.#handler.onEnvelope(item.bytes, item.id)
        : this.#handler.onReport(item.report, item.id).then(() => ({ code: STATUS.SUCCESS, msgs: [] }))
    const answer = await Promise.race([given.catch(() => undefined), this.closed.then(() => undefined)])
    await item.settle(answer ? { type: 'answered', status: answer } : { type: 'interrupted' })
  }

  #end(): void {
    if (this.#stop.signal.aborted) return
    this.#stop.abort(new AcnConnectionError('CLOSED', 'the agent was detached'))
    this.#ended.resolve()
    // After the items were settled, which happens when `closed` resolves.
    setImmediate(() => {
      this.#source?.close()
      this.#options.handler.onDetached?.(this.#session)
    })
  }
}
