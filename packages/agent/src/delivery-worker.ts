import { decode, encode } from '@parley/core/encoding'
import { type AgentContext, applyEffectsAndWait, type DeliverySignals } from './agent-context.ts'
import { AgentError } from './agent-error.ts'
import { isHostError, isSmpError, isTemporary, toAgentError } from './client-errors.ts'
import { confirmationDelivered, helloDelivered } from './connection/delivered.ts'
import { sealConfirmation, sealMessage } from './connection/seal.ts'
import { isReceived, recordSent } from './connection/sent.ts'
import { Effects } from './effects.ts'
import { agentEnvelopeCodec, agentMessageCodec, aMessageCodec } from './protocol/index.ts'
import { encryptBody, messageEncryptKeyCodec } from './ratchet/index.ts'
import { nextDelay, pause, type RetryInterval } from './retry-interval.ts'
import { getConnection } from './store/connections.ts'
import type { Db } from './store/database.ts'
import { type SndQueueRecord, serverKey } from './store/records.ts'
import {
  type DeliveryRecord,
  expiredDeliveries,
  finishDelivery,
  getMessageStatus,
  hasDelivery,
  nextDelivery,
  type StatusReason,
  setDeliveryDelays,
  setMessageState,
  USER_MESSAGE,
} from './store/snd-messages.ts'
import { getSndQueue } from './store/snd-queues.ts'
import { WorkerPool } from './worker-pool.ts'

const CONFIRMATION = 'C'
const HELLO = 'H'

/** Retries, and how long, when the router still says that the queue is full although the peer has read it. */
const RELEASE_RETRY: RetryInterval = { initial: 50, increaseAfter: 500, max: 2000 }
const RELEASE_WINDOW = 60_000

/** Messages of a queue that may be sent without that being stored. */
const MAX_UNSTORED = 8

/** How a worker that waits can be made to go on. */
interface Waiting {
  readonly server: string
  readonly wake: () => void
}

/** Intervals and times of the tries of one message. */
interface Tries {
  slowDelay: number
  fastDelay: number
  readonly startedAt: number
}

/**
 * One delivery worker per send queue: takes the next pending message, encrypts its body, sends it, and tells the
 * application. Strictly in the order of ids: `spec/agent.md §9`.
 */
export class DeliveryWorkers implements DeliverySignals {
  readonly #context: AgentContext
  readonly #pool: WorkerPool<number>
  readonly #waitingQuota = new Map<number, Waiting>()
  readonly #waitingNetwork = new Map<number, Waiting>()
  /** When the peer last said that it has read its full queue. */
  readonly #releasedAt = new Map<number, number>()

  constructor(context: AgentContext) {
    this.#context = context
    this.#pool = new WorkerPool({
      run: (sndQueueId) => this.#run(sndQueueId),
      onFailure: (_, error) => this.#report(toAgentError(error)),
      onGivenUp: (_, error) => {
        const detail = `delivery: ${toAgentError(error).message}`
        this.#report(new AgentError({ type: 'CRITICAL', offerRestart: true, detail }))
      },
      closing: context.closing,
    })
  }

  /** `doWork`: the queue has a new message. */
  wake(sndQueueId: number): void {
    this.#pool.wake(sndQueueId)
  }

  /** The peer has read its full queue: waiting for that ends. */
  release(sndQueueId: number): void {
    this.#releasedAt.set(sndQueueId, performance.now())
    this.#waitingQuota.get(sndQueueId)?.wake()
  }

  /** The server is connected: waiting for the network ends. */
  onConnected(server: string): void {
    for (const waiting of this.#waitingNetwork.values()) if (waiting.server === server) waiting.wake()
  }

  /** The queue is being deleted: waiting ends, so that the worker finds that out. */
  interrupt(sndQueueId: number): void {
    this.#waitingQuota.get(sndQueueId)?.wake()
    this.#waitingNetwork.get(sndQueueId)?.wake()
  }

  /** Waits for the workers to end after the agent began to close. */
  stopped(): Promise<void> {
    return this.#pool.stopped()
  }

  #report(error: AgentError): void {
    this.#context.log({ level: 'error', message: 'delivery worker failed', error: error.message })
    this.#context.outlet.post([{ event: { event: 'ERR', error } }])
  }

  /**
   * Sends message after message. The next ones are sent while the success of some is not stored yet: should that be
   * lost in a crash, a message is sent again with the same key, which the recipient recognises.
   */
  async #run(sndQueueId: number): Promise<void> {
    const { store, closing } = this.#context
    const stored: Promise<void>[] = []
    let lastMsgId = 0
    while (!closing.aborted) {
      const queue = store.read((db) => getSndQueue(db, sndQueueId))
      const delivery = queue && store.read((db) => nextDelivery(db, sndQueueId, lastMsgId))
      if (!queue || !delivery) break
      const isSent = await this.#deliver(queue, delivery)
      if (stored.length >= MAX_UNSTORED) await stored.shift()
      if (isSent) stored.push(this.#delivered(queue, delivery))
      // A failure is noticed when some more messages have been sent, or below.
      stored.at(-1)?.catch(() => undefined)
      lastMsgId = delivery.message.msgId
    }
    await Promise.all(stored)
    this.#releasedAt.delete(sndQueueId)
  }

  /** Sends one message, as often as it takes; false when it is not to be sent any more. */
  async #deliver(queue: SndQueueRecord, delivery: DeliveryRecord): Promise<boolean> {
    const { config, closing, store } = this.#context
    const tries: Tries = {
      slowDelay: delivery.slowDelay ?? config.slowRetry.initial,
      fastDelay: delivery.fastDelay ?? config.fastRetry.initial,
      startedAt: performance.now(),
    }
    let releaseDelay = RELEASE_RETRY.initial
    for (;;) {
      const error = await this.#send(queue, delivery)
      closing.throwIfAborted()
      if (!error) return true
      const kind = this.#waitKind(delivery, error)
      if (kind === 'quota' && this.#wasReleased(queue.sndQueueId)) {
        await pause(releaseDelay, closing)
        releaseDelay = nextDelay(RELEASE_RETRY, performance.now() - tries.startedAt, releaseDelay)
        if (store.read((db) => hasDelivery(db, delivery.deliveryId))) continue
        return false
      }
      if (!kind) {
        await this.#failed(delivery, error)
        return false
      }
      const timeout = kind === 'quota' ? config.quotaTimeout : config.messageTimeout
      if (config.now() - delivery.message.createdAt >= timeout) {
        await this.#expired(queue, delivery, error, timeout)
        return false
      }
      if (!(await this.#wait(queue, delivery, tries, kind, error))) return false
    }
  }

  /**
   * True shortly after the peer said that it has read its full queue. It may say so before its router has deleted the
   * last message, and it says it only once.
   */
  #wasReleased(sndQueueId: number): boolean {
    const releasedAt = this.#releasedAt.get(sndQueueId)
    return releasedAt !== undefined && performance.now() - releasedAt < RELEASE_WINDOW
  }

  /** The error of sending, undefined when the router has stored the message. */
  async #send(queue: SndQueueRecord, delivery: DeliveryRecord): Promise<AgentError | undefined> {
    const { clients, closing } = this.#context
    const { message } = delivery
    try {
      const isConfirmation = message.msgType === CONFIRMATION
      const secured = !isConfirmation || queue.queueMode === 'messaging'
      const body = isConfirmation
        ? sealConfirmation(queue, delivery.body, secured)
        : sealMessage(queue, encodeEnvelope(delivery, this.#context.config.agentVersions.max))
      const request = { mode: 'background', signal: closing } as const
      const client = await clients.get(queue.server, request)
      const command = { sndId: queue.sndId, notification: message.notification, body }
      const key = queue.sndPrivateKey
      try {
        await client.send({ ...command, ...(secured && { key }) }, request)
      } catch (error) {
        // An earlier try may have got through: then the peer has secured the queue with the key that it brought.
        if (secured || !isSmpError(toAgentError(error), 'AUTH')) throw error
        await client.send({ ...command, key }, request)
      }
      return undefined
    } catch (error) {
      return toAgentError(error)
    }
  }

  /** Why it makes sense to try again, undefined when it does not. */
  #waitKind({ message }: DeliveryRecord, error: AgentError): 'quota' | 'network' | undefined {
    if (isSmpError(error, 'QUOTA')) return message.msgType === CONFIRMATION ? undefined : 'quota'
    return isTemporary(error) || isHostError(error) ? 'network' : undefined
  }

  async #delivered(queue: SndQueueRecord, delivery: DeliveryRecord): Promise<void> {
    const { store, config } = this.#context
    const { connId, msgId, msgType, pq } = delivery.message
    const effects = new Effects()
    await store.transactionInTime((db) => {
      // The connection may have been deleted meanwhile.
      if (!hasDelivery(db, delivery.deliveryId)) return
      if (msgType === USER_MESSAGE) recordSent(db, connId, msgId, config.now(), effects)
      if (msgType === CONFIRMATION) confirmationDelivered(db, config, queue, pq, effects)
      if (msgType === HELLO) helloDelivered(db, config, queue, pq, effects)
      finishDelivery(db, delivery)
      if (getConnection(db, connId)?.deletedAt !== undefined) effects.runCommands(connId)
    })
    await applyEffectsAndWait(this.#context, effects)
  }

  async #failed(delivery: DeliveryRecord, error: AgentError): Promise<void> {
    const { store } = this.#context
    const effects = new Effects()
    await store.transaction((db) => {
      if (hasDelivery(db, delivery.deliveryId)) this.#fail(db, delivery, error, 'error', effects)
    })
    await applyEffectsAndWait(this.#context, effects)
  }

  #fail(db: Db, delivery: DeliveryRecord, error: AgentError, type: StatusReason['type'], effects: Effects): void {
    const { config } = this.#context
    const { connId, msgId, msgType } = delivery.message
    if (msgType !== USER_MESSAGE) {
      effects.emit({ event: 'ERR', connId, error: internalMessageError(msgType, error) })
    } else if (!isReceived(db, connId, msgId)) {
      const reason: StatusReason = { type, error: error.toJSON() }
      setMessageState(db, connId, msgId, { state: 'failed', at: config.now(), reason })
      effects.emit({ event: 'MERR', connId, msgId, error })
      effects.emit({ event: 'STATUS', connId, msgId, state: 'failed', reason })
    }
    finishDelivery(db, delivery)
    if (getConnection(db, connId)?.deletedAt !== undefined) effects.runCommands(connId)
  }

  /** Fails the message and those behind it that are as old: `spec/agent.md §9`. */
  async #expired(
    { connId, sndQueueId }: SndQueueRecord,
    delivery: DeliveryRecord,
    error: AgentError,
    timeout: number,
  ): Promise<void> {
    const { store, config } = this.#context
    const effects = new Effects()
    await store.transaction((db) => {
      if (!hasDelivery(db, delivery.deliveryId)) return
      const at = config.now()
      this.#fail(db, delivery, error, 'expired', effects)
      const others = expiredDeliveries(db, sndQueueId, at - timeout + 1)
      const reason: StatusReason = { type: 'expired', error: error.toJSON() }
      const failed = others.filter(
        ({ message, status }) => message.msgType === USER_MESSAGE && status.state !== 'received',
      )
      for (const { message } of failed) setMessageState(db, connId, message.msgId, { state: 'failed', at, reason })
      for (const other of others) finishDelivery(db, other)
      const msgIds = failed.map(({ message }) => message.msgId)
      if (msgIds.length > 0) effects.emit({ event: 'MERRS', connId, msgIds, error })
      for (const msgId of msgIds) effects.emit({ event: 'STATUS', connId, msgId, state: 'failed', reason })
    })
    await applyEffectsAndWait(this.#context, effects)
  }

  /** Records the wait and waits; false when the message is gone. */
  async #wait(
    queue: SndQueueRecord,
    delivery: DeliveryRecord,
    tries: Tries,
    kind: 'quota' | 'network',
    error: AgentError,
  ): Promise<boolean> {
    const { closing, config } = this.#context
    const delay = kind === 'quota' ? tries.slowDelay : tries.fastDelay
    const waiting = kind === 'quota' ? this.#waitingQuota : this.#waitingNetwork
    // Whoever wakes the worker may do so while the wait is being recorded.
    const { promise: woken, resolve: wake } = Promise.withResolvers<void>()
    waiting.set(queue.sndQueueId, { server: serverKey(queue.server), wake })
    try {
      const exists = await this.#recordWait(delivery, tries, kind, error, config.now() + delay)
      if (!exists) return false
      const released = await pause(delay, closing, woken)
      const elapsed = performance.now() - tries.startedAt
      if (kind === 'quota') {
        tries.slowDelay = released ? config.slowRetry.initial : nextDelay(config.slowRetry, elapsed, delay)
      } else {
        tries.fastDelay = released ? config.fastRetry.initial : nextDelay(config.fastRetry, elapsed, delay)
      }
    } finally {
      waiting.delete(queue.sndQueueId)
    }
    return this.#context.store.read((db) => hasDelivery(db, delivery.deliveryId))
  }

  async #recordWait(
    delivery: DeliveryRecord,
    tries: Tries,
    kind: 'quota' | 'network',
    error: AgentError,
    nextTryAt: number,
  ): Promise<boolean> {
    const { store, config } = this.#context
    const { connId, msgId, msgType } = delivery.message
    const effects = new Effects()
    const exists = await store.transaction((db) => {
      if (!hasDelivery(db, delivery.deliveryId)) return false
      setDeliveryDelays(db, delivery.deliveryId, tries.slowDelay, tries.fastDelay)
      if (msgType !== USER_MESSAGE || isReceived(db, connId, msgId)) return true
      const reason: StatusReason = { type: kind, error: error.toJSON() }
      const isNew = this.#isNewReason(db, connId, msgId, kind)
      setMessageState(db, connId, msgId, { state: 'waiting', at: config.now(), nextTryAt, reason })
      if (kind === 'quota' || isHostError(error)) effects.emit({ event: 'MWARN', connId, msgId, error })
      if (isNew) effects.emit({ event: 'STATUS', connId, msgId, state: 'waiting', reason })
      return true
    })
    await applyEffectsAndWait(this.#context, effects)
    return exists
  }

  #isNewReason(db: Db, connId: string, msgId: number, kind: string): boolean {
    const status = getMessageStatus(db, connId, msgId)
    return status?.state !== 'waiting' || status.reason?.type !== kind
  }
}

/** The agent envelope of a message whose header was encrypted when it was enqueued. */
function encodeEnvelope({ message, body }: DeliveryRecord, agentVersion: number): Uint8Array {
  const { sndMsgId, prevHash, encryptKey, paddedLength } = message
  if (!encryptKey) throw new AgentError({ type: 'INTERNAL', detail: 'message without a key' })
  const agentMessage = encode(agentMessageCodec, {
    type: 'message',
    msgId: BigInt(sndMsgId),
    prevMsgHash: prevHash,
    message: decode(aMessageCodec, body),
  })
  const encAgentMessage = encryptBody(decode(messageEncryptKeyCodec, encryptKey), paddedLength, agentMessage)
  return encode(agentEnvelopeCodec, { type: 'message', agentVersion, encAgentMessage })
}

/** What the application is told when a message of the agent itself cannot be sent: `spec/agent.md §9`. */
function internalMessageError(msgType: string, error: AgentError): AgentError {
  const refused = isSmpError(error, 'AUTH')
  if (msgType === CONFIRMATION && (refused || isSmpError(error, 'QUOTA'))) {
    return new AgentError({ type: 'CONN', error: 'NOT_AVAILABLE', context: 'confirmation' }, { cause: error })
  }
  if (msgType === HELLO && refused) {
    return new AgentError({ type: 'CONN', error: 'NOT_ACCEPTED', context: 'HELLO' }, { cause: error })
  }
  return error
}
