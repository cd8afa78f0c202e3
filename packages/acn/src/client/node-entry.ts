import { AcnConnectionError } from '../entrance/connection-error.ts'
import type { Entry, EntryConnection, EntryHandler } from '../entrance/entry.ts'
import { MAX_ENVELOPE_LENGTH } from '../entrance/entry.ts'
import type { AgentSession, EntranceHandler, PendingItem, PendingSource } from '../entrance.ts'
import { AcnStatusError, type AgentRecord, decodeEnvelope, STATUS, type StatusBody } from '../protocol/index.ts'
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

/** The connection of each agent to each node, by address: a new one takes the place of the old one. */
const CONNECTIONS = new WeakMap<EntranceHandler, Map<string, NodeConnection>>()

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
  #giving: Promise<void> = Promise.resolve()
  #isRegistered = false

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
    const { handler, sendsOnly = false } = this.#options
    await handler.onRegister(this.#session)
    this.#isRegistered = true
    if (sendsOnly) return
    const { address } = this.#session
    const connections = CONNECTIONS.get(handler) ?? new Map<string, NodeConnection>()
    CONNECTIONS.set(handler, connections)
    const older = connections.get(address)
    if (older) older.#end()
    connections.set(address, this)
    this.#giving = this.#give(handler.pending(this.#session))
  }

  async send(bytes: Uint8Array, id: EnvelopeId): Promise<StatusBody> {
    if (this.#stop.signal.aborted) throw new AcnConnectionError('CLOSED', 'the agent was detached')
    const envelope = decodeEnvelope(bytes)
    const deadline = Date.now() + PATIENCE
    try {
      return await this.#options.handler.onEnvelope({ session: this.#session, id, envelope, bytes, deadline })
    } catch (error) {
      if (error instanceof AcnStatusError) return { code: error.code, msgs: [error.message] }
      return { code: STATUS.ERROR_GENERIC, msgs: ['the node cannot take it'] }
    }
  }

  async close(): Promise<void> {
    this.#end()
    await this.#giving
  }

  /** What waits for the agent, one after the other: the agent's own queue is what makes the node wait. Never rejects. */
  async #give(source: PendingSource): Promise<void> {
    const { signal } = this.#stop
    const given = new Set<Promise<void>>()
    try {
      for (let item = await source.next(signal); item; item = await source.next(signal)) {
        const giving: Promise<void> = this.#giveOne(item)
          // It stays with the node, which has failed to note what became of it.
          .catch(() => this.#end())
          .finally(() => given.delete(giving))
        given.add(giving)
        if (given.size >= WINDOW) await Promise.race(given)
      }
    } catch {
      // Detached, or the store has failed: what had no answer is given again to the next session.
    }
    this.#end()
    await Promise.all(given)
    source.close()
    this.#options.handler.onDetached?.(this.#session)
  }

  async #giveOne(item: PendingItem): Promise<void> {
    if (this.#stop.signal.aborted) return item.settle({ type: 'unsent' })
    const given =
      item.type === 'envelope'
        ? this.#handler.onEnvelope(item.bytes, item.id, item.isCarried)
        : this.#handler.onReport(item.report, item.id).then(() => ({ code: STATUS.SUCCESS, msgs: [] }))
    const answered = given.catch((error: unknown) =>
      error instanceof AcnStatusError && error.code !== STATUS.ERROR_AGENT_NOT_READY
        ? { code: error.code, msgs: [error.message] }
        : undefined,
    )
    const answer = await Promise.race([answered, this.closed.then(() => undefined)])
    await item.settle(answer ? { type: 'answered', status: answer } : { type: 'interrupted' })
  }

  #end(): void {
    if (this.#stop.signal.aborted) return
    this.#stop.abort(new AcnConnectionError('CLOSED', 'the agent was detached'))
    this.#ended.resolve()
    const connections = CONNECTIONS.get(this.#options.handler)
    const { address } = this.#session
    if (this.#isRegistered && connections?.get(address) === this) connections.delete(address)
  }
}
