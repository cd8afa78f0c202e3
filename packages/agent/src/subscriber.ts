import type { ServerTransmission, ServerTransmissionBatch } from '@parley/smp/client'
import type { BrokerMessage, SmpServer } from '@parley/smp/protocol'
import { type AgentContext, applyEffectsAndWait } from './agent-context.ts'
import { toAgentError } from './client-errors.ts'
import { receiveMessage } from './connection/receive.ts'
import type { RouterMessage } from './connection/received.ts'
import type { Effects } from './effects.ts'
import { findRcvQueue, type RcvQueueRef } from './store/rcv-queues.ts'
import { StoreError } from './store/store-error.ts'

/**
 * Reads `msgQ` and processes what routers send, one thing at a time for each connection (withConnLock), several
 * connections at the same time. When the application does not take events, or the store is slow, it stops reading,
 * and the routers' sockets with it.
 */
export class Subscriber {
  readonly #context: AgentContext
  readonly #running = new Set<Promise<void>>()
  readonly #loop: Promise<void>

  constructor(context: AgentContext) {
    this.#context = context
    this.#loop = this.#run()
  }

  /** Waits until everything read from `msgQ` is processed, after that was closed. */
  async stopped(): Promise<void> {
    await this.#loop
    await Promise.all(this.#running)
  }

  async #run(): Promise<void> {
    const { msgQ, config, closing } = this.#context
    for await (const batch of msgQ) {
      for (const transmission of batch.transmissions) {
        if (closing.aborted) return
        const task = this.#process(batch, transmission).finally(() => this.#running.delete(task))
        this.#running.add(task)
        while (this.#running.size >= config.receiveConcurrency) await Promise.race(this.#running)
      }
    }
  }

  async #process(batch: ServerTransmissionBatch, transmission: ServerTransmission): Promise<void> {
    const { closing, outlet, log } = this.#context
    try {
      await this.#dispatch(batch, transmission)
    } catch (thrown) {
      if (closing.aborted) return
      const error = toAgentError(thrown)
      log({ level: 'error', message: 'processing failed', error: error.message })
      await outlet.put({ event: 'ERR', error })
    }
  }

  async #dispatch({ server }: ServerTransmissionBatch, transmission: ServerTransmission): Promise<void> {
    const { entityId } = transmission
    switch (transmission.type) {
      case 'event':
        return this.#receive(server, entityId, transmission.message)
      case 'lateResponse': {
        // The answer to SUB or ACK that came too late may still be a message.
        const { result } = transmission
        if ('type' in result && result.type === 'MSG') await this.#receive(server, entityId, result)
        return
      }
      case 'error':
        return this.#receiveError(server, entityId, transmission.error)
    }
  }

  async #receive(server: SmpServer, entityId: Uint8Array, message: BrokerMessage): Promise<void> {
    const { store, subscriptions, outlet, log } = this.#context
    const queue = store.read((db) => findRcvQueue(db, server, entityId))
    if (!queue) {
      log({ level: 'warn', message: `${message.type} for an unknown queue`, server: server.hosts[0] })
      return
    }
    switch (message.type) {
      case 'MSG':
        subscriptions.onMessage({ ...queue, server })
        return this.#receiveMessage(queue, server, message)
      case 'END':
      case 'DELD':
        subscriptions.remove({ ...queue, server })
        if (!queue.deleted) await outlet.put({ event: message.type, connId: queue.connId })
        return
      default:
        log({ level: 'warn', message: `unexpected ${message.type}`, connId: queue.connId })
    }
  }

  async #receiveMessage({ connId, rcvQueueId }: RcvQueueRef, server: SmpServer, message: RouterMessage): Promise<void> {
    const context = this.#context
    const receive = () => receiveMessage(context, rcvQueueId, message)
    let effects: Effects
    try {
      effects = await context.locks.withConnLock(connId, receive, context.closing)
    } catch (error) {
      // The router has it still, and would give it with the next subscription only.
      if (error instanceof StoreError) context.subscriptions.askAgain({ rcvQueueId, server })
      throw error
    }
    await applyEffectsAndWait(context, effects)
  }

  async #receiveError(server: SmpServer, entityId: Uint8Array, thrown: unknown): Promise<void> {
    const { store, outlet } = this.#context
    const queue = entityId.length > 0 ? store.read((db) => findRcvQueue(db, server, entityId)) : undefined
    const error = toAgentError(thrown)
    await outlet.put({ event: 'ERR', error, ...(queue && { connId: queue.connId }) })
  }
}
