import { type AgentContext, applyEffectsAndWait, type CommandSignals } from './agent-context.ts'
import { AgentError } from './agent-error.ts'
import { isHostError, isTemporary, toAgentError } from './client-errors.ts'
import { runAllowSecure, runDuplexSecure } from './connection/allow.ts'
import { finishDeletion, queueDeleted, runDeleteQueue } from './connection/delete.ts'
import { quotaMarkerDeleted } from './connection/receive-quota.ts'
import { Effects } from './effects.ts'
import { nextDelay, pause } from './retry-interval.ts'
import {
  type CommandLane,
  type CommandRecord,
  type InternalCommand,
  nextCommand,
  removeCommand,
} from './store/commands.ts'
import type { Db } from './store/database.ts'
import { removeRcvMessage } from './store/rcv-messages.ts'
import { getRcvQueue, updateRcvQueue } from './store/rcv-queues.ts'
import { WorkerPool } from './worker-pool.ts'

type AckCommand = Extract<InternalCommand, { type: 'ACK' | 'ACK_DEL' | 'ACK_QUOTA' }>

/** Runs the persisted internal commands, one at a time for each connection and lane: `spec/agent.md §5.4`. */
export class CommandWorkers implements CommandSignals {
  readonly #context: AgentContext
  readonly #pool: WorkerPool<string>
  /** Ends the waiting of all workers: the network has changed. */
  #connected = Promise.withResolvers<void>()

  constructor(context: AgentContext) {
    this.#context = context
    this.#pool = new WorkerPool({
      run: (key) => this.#run(key),
      onFailure: (_, error) => this.#report(toAgentError(error)),
      onGivenUp: (_, error) => {
        const detail = `commands: ${toAgentError(error).message}`
        this.#report(new AgentError({ type: 'CRITICAL', offerRestart: true, detail }))
      },
      closing: context.closing,
    })
  }

  /** The connection has new commands, or its deletion may be finished. */
  wake(connId: string): void {
    this.#pool.wake(`ack ${connId}`)
    this.#pool.wake(`work ${connId}`)
  }

  /** A server is connected: commands that wait are tried again. */
  onConnected(): void {
    this.#connected.resolve()
    this.#connected = Promise.withResolvers<void>()
  }

  /** Waits for the workers to end after the agent began to close. */
  stopped(): Promise<void> {
    return this.#pool.stopped()
  }

  #report(error: AgentError): void {
    this.#context.log({ level: 'error', message: 'command worker failed', error: error.message })
    this.#context.outlet.post([{ event: { event: 'ERR', error } }])
  }

  async #run(key: string): Promise<void> {
    const { store, closing } = this.#context
    const [lane, connId] = key.split(' ') as [CommandLane, string]
    while (!closing.aborted) {
      const record = store.read((db) => nextCommand(db, connId, lane))
      if (!record) break
      await this.#execute(record)
    }
    if (lane === 'work' && !closing.aborted) await finishDeletion(this.#context, connId)
  }

  /** Runs a command, as often as it takes. */
  async #execute(record: CommandRecord): Promise<void> {
    const { closing, config } = this.#context
    const startedAt = performance.now()
    let delay = config.fastRetry.initial
    for (;;) {
      try {
        await this.#runOnce(record)
        return
      } catch (thrown) {
        closing.throwIfAborted()
        const error = toAgentError(thrown)
        if (!isTemporary(error) && !isHostError(error)) return this.#failed(record, error)
        if (await this.#givenUp(record, error)) return
        await pause(delay, closing, this.#connected.promise)
        delay = nextDelay(config.fastRetry, performance.now() - startedAt, delay)
      }
    }
  }

  async #runOnce({ commandId, connId, command }: CommandRecord): Promise<void> {
    const { store, locks } = this.#context
    switch (command.type) {
      case 'ACK':
      case 'ACK_DEL':
      case 'ACK_QUOTA':
        return this.#ack(commandId, command)
      case 'ALLOW_SECURE':
        await locks.withConnLock(connId, () => runAllowSecure(this.#context, connId, command.confirmationId))
        break
      case 'DUPLEX_SECURE':
        await locks.withConnLock(connId, () => runDuplexSecure(this.#context, connId, command.rcvQueueId))
        break
      case 'DELETE_RCV_QUEUE':
        await runDeleteQueue(this.#context, command.rcvQueueId)
        break
    }
    await store.transaction((db) => removeCommand(db, commandId))
  }

  /** ACK, whose answer may be the queue's next message. */
  async #ack(commandId: number, command: AckCommand): Promise<void> {
    const { store, clients, closing, msgQ } = this.#context
    const queue = store.read((db) => getRcvQueue(db, command.rcvQueueId))
    const brokerId = Buffer.from(command.brokerId, 'base64')
    const request = { mode: 'background', signal: closing } as const
    const client = queue && (await clients.get(queue.server, request))
    const next = client && (await client.ack({ rcvId: queue.rcvId, key: queue.rcvPrivateKey }, brokerId, request))
    if (next) {
      const { server, version, sessionId } = client
      const transmissions = [{ type: 'event', entityId: queue.rcvId, message: next }] as const
      await msgQ.put({ server, version, sessionId, transmissions }, closing)
    }
    const effects = new Effects()
    const finish = (db: Db) => this.#finishAck(db, commandId, command, effects)
    // The peer waits for what follows from a marker.
    await (command.type === 'ACK_QUOTA' ? store.transaction(finish) : store.transactionInTime(finish))
    await applyEffectsAndWait(this.#context, effects)
  }

  /**
   * The router knows that the message is done with. A message of the application needs no record any more; after the
   * marker of a full queue the peer may go on.
   */
  #finishAck(db: Db, commandId: number, { type, rcvQueueId, brokerId }: AckCommand, effects: Effects): void {
    removeCommand(db, commandId)
    if (type === 'ACK_DEL') removeRcvMessage(db, rcvQueueId, Buffer.from(brokerId, 'base64'))
    if (type === 'ACK_QUOTA') quotaMarkerDeleted(db, this.#context.config, rcvQueueId, effects)
  }

  /** A command that a router refuses: it is not tried again. */
  async #failed({ commandId, connId, command }: CommandRecord, error: AgentError): Promise<void> {
    const { store, log } = this.#context
    const effects = new Effects()
    await store.transaction((db) => {
      if (command.type === 'ACK' || command.type === 'ACK_DEL' || command.type === 'ACK_QUOTA') {
        // NO_MSG: another session of the queue will deliver the message again, and it will be acknowledged again.
        this.#finishAck(db, commandId, command, effects)
        return
      }
      removeCommand(db, commandId)
      if (command.type === 'DELETE_RCV_QUEUE') return queueDeleted(db, command.rcvQueueId, error, effects)
      effects.emit({ event: 'ERR', connId, error })
    })
    log({ level: 'warn', message: `${command.type} failed`, connId, error: error.message })
    await applyEffectsAndWait(this.#context, effects)
  }

  /** Deletion of queues is given up after some tries: `spec/agent.md §14`, deleteConnection. */
  async #givenUp({ commandId, command }: CommandRecord, error: AgentError): Promise<boolean> {
    if (command.type !== 'DELETE_RCV_QUEUE') return false
    const { store, config } = this.#context
    const effects = new Effects()
    const givenUp = await store.transaction((db) => {
      const queue = getRcvQueue(db, command.rcvQueueId)
      const deleteErrors = (queue?.deleteErrors ?? 0) + 1
      if (queue && deleteErrors < config.deleteAttempts) {
        updateRcvQueue(db, command.rcvQueueId, { deleteErrors })
        return false
      }
      removeCommand(db, commandId)
      queueDeleted(db, command.rcvQueueId, error, effects)
      return true
    })
    await applyEffectsAndWait(this.#context, effects)
    return givenUp
  }
}
