import { setImmediate as nextTurn } from 'node:timers/promises'
import { type BlockConnection, NetworkError, TransportError } from '@parley/core/transport'
import { decodeCommandBlock, type ReceivedCommand, type Refused } from '../protocol/index.ts'
import type { BrokerMessage, EntityId } from '../protocol/types.ts'
import { createQueue } from './create-queue.ts'
import type { AgreedSession } from './handshake.ts'
import { type IdKey, idKey } from './id-key.ts'
import { openLink, secureByLink } from './link-commands.ts'
import { type LiveQueue, type Recipient, Subscription, type UnsealedMessage } from './live-queue.ts'
import type { RouterEvent } from './options.ts'
import { Outbox, type Reply } from './outbox.ts'
import { secure, touch } from './queue-changes.ts'
import type { Found } from './queue-registry.ts'
import * as recipient from './recipient-commands.ts'
import { INTERNAL, PROHIBITED, type RouterContext, STORE_FAILED } from './router-context.ts'
import { sendMessage } from './sender-commands.ts'
import { type QueueIdKind, StoreError } from './store.ts'
import { queueIdKind, refusal } from './verification.ts'

/** Milliseconds of commands of one connection before others get their turn. */
const TURN = 4
/** Up to so many SUB in a block the first message goes into the block of the answers: `spec/smp.md §5.1`. */
const SUBSCRIPTIONS_WITH_MESSAGE = 4

const NO_ID = new Uint8Array()
const NOT_FOUND: Found = { queue: undefined, fromMemory: false }

type Answer = BrokerMessage | Promise<BrokerMessage | UnsealedMessage>

/** One connection after its handshake: reads commands, executes them in order, answers: `spec/smp.md §5`. */
export class Session implements Recipient {
  readonly remoteAddress: string
  readonly version: number
  /** Milliseconds since 1970. */
  readonly connectedAt: number
  lastActiveAt: number
  readonly #context: RouterContext
  readonly #connection: BlockConnection
  readonly #agreed: AgreedSession
  readonly #outbox: Outbox
  readonly #subscriptions = new Map<IdKey, Subscription>()
  #isEnded = false

  constructor(context: RouterContext, connection: BlockConnection, agreed: AgreedSession) {
    this.#context = context
    this.#connection = connection
    this.#agreed = agreed
    this.remoteAddress = connection.remoteAddress
    this.version = agreed.version
    this.connectedAt = context.now()
    this.lastActiveAt = this.connectedAt
    this.#outbox = new Outbox({
      connection,
      seal: agreed.seal,
      session: agreed,
      readMessage: (number) => context.messages.get(number),
      onSent: () => {
        this.lastActiveAt = context.now()
      },
      onError: (error) => this.#fail(error),
    })
  }

  /** Queues whose messages are pushed here. */
  get subscriptionCount(): number {
    let count = 0
    for (const { kind } of this.#subscriptions.values()) if (kind === 'push') count++
    return count
  }

  /** Serves the connection until it ends. */
  async run(): Promise<void> {
    try {
      for (let block = await this.#connection.read(); block; block = await this.#connection.read()) {
        this.lastActiveAt = this.#context.now()
        await this.#execute(this.#open(block))
      }
    } finally {
      this.#end()
    }
  }

  subscription(queue: LiveQueue): Subscription | undefined {
    return this.#subscriptions.get(idKey(queue.record.rcvId))
  }

  /** Takes the queue over from whoever had it. */
  subscribe(queue: LiveQueue): Subscription {
    const previous = queue.subscription
    if (previous) previous.recipient.end(previous, 'END')
    return this.#add(new Subscription(queue, this, 'push'))
  }

  beginGet(queue: LiveQueue): Subscription {
    return this.#add(new Subscription(queue, this, 'get'))
  }

  dropSubscription(queue: LiveQueue): void {
    const subscription = this.subscription(queue)
    if (!subscription) return
    this.#subscriptions.delete(idKey(queue.record.rcvId))
    subscription.end()
  }

  deliver(subscription: Subscription): void {
    this.#outbox.deliver(subscription)
  }

  end(subscription: Subscription, reason: 'END' | 'DELD'): void {
    this.dropSubscription(subscription.queue)
    this.#outbox.notify(subscription.queue.record.rcvId, { type: reason })
  }

  /** Ends the connection. */
  close(): void {
    this.#connection.close()
  }

  #add(subscription: Subscription): Subscription {
    this.#subscriptions.set(idKey(subscription.queue.record.rcvId), subscription)
    return subscription
  }

  #open(block: Uint8Array): (ReceivedCommand | Refused)[] {
    try {
      return decodeCommandBlock(this.#agreed.seal.decrypt(block), this.#agreed)
    } catch (error) {
      if (!(error instanceof TransportError)) throw error
      return [{ ok: false, corrId: NO_ID, entityId: NO_ID, error: { type: 'BLOCK' } }]
    }
  }

  /** Decides on the commands one after the other; their answers follow when what they promise is on disk. */
  async #execute(commands: (ReceivedCommand | Refused)[]): Promise<void> {
    let found: readonly Found[]
    try {
      found = await this.#acquire(commands)
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      this.#context.log({ event: 'storeFailed', reason: error.message })
      this.#outbox.respond(commands.map((command) => reply(command, STORE_FAILED)))
      return
    }
    const withMessage = commands.filter(isSub).length <= SUBSCRIPTIONS_WITH_MESSAGE
    const replies: (Reply | Promise<Reply>)[] = []
    try {
      let turnEnds = performance.now() + TURN
      for (const [index, command] of commands.entries()) {
        replies.push(this.#reply(command, found[index] ?? NOT_FOUND, withMessage))
        if (performance.now() < turnEnds || index === commands.length - 1) continue
        await nextTurn()
        turnEnds = performance.now() + TURN
      }
    } finally {
      this.#context.queues.release(found)
    }
    this.#outbox.respond(replies)
    if (this.#outbox.isFull) await this.#outbox.room()
    if (this.#context.writeBudget.isExceeded) await this.#context.writeBudget.wait()
  }

  /** The queue of each command, undefined where it names none or there is none; one question for all of a kind. */
  async #acquire(commands: readonly (ReceivedCommand | Refused)[]): Promise<readonly Found[]> {
    const indexes: Partial<Record<QueueIdKind, number[]>> = {}
    for (const [index, command] of commands.entries()) {
      const kind = command.ok ? queueIdKind(command) : undefined
      if (!kind) continue
      indexes[kind] ??= []
      indexes[kind].push(index)
    }
    const all = commands.map(() => NOT_FOUND)
    try {
      for (const [kind, wanted] of Object.entries(indexes) as [QueueIdKind, number[]][]) {
        const ids = wanted.map((index) => commands[index]?.entityId as EntityId)
        const acquired = await this.#context.queues.acquire(kind, ids)
        for (const [position, index] of wanted.entries()) all[index] = acquired[position] ?? NOT_FOUND
      }
    } catch (error) {
      this.#context.queues.release(all)
      throw error
    }
    return all
  }

  #reply(command: ReceivedCommand | Refused, found: Found, withMessage: boolean): Reply | Promise<Reply> {
    if (!command.ok) return reply(command, { type: 'ERR', error: command.error })
    const queue = found.queue?.isDeleted ? undefined : found.queue
    if (queue?.isStale) return reply(command, STORE_FAILED)
    const { type } = command.message
    if (type === 'NSUB' || type === 'SUBS' || type === 'NSUBS') return reply(command, PROHIBITED)
    if (type === 'PRXY' || type === 'PFWD' || type === 'RFWD') return reply(command, PROHIBITED)
    const error = refusal(command, queue, this.#agreed)
    if (error) return this.#refuse(command, found, { type: 'ERR', error })
    if (type === 'PING') return reply(command, { type: 'PONG' })
    if (type === 'NEW') return this.#create(command)
    if (!queue) return reply(command, INTERNAL)
    const { status } = queue.record
    // OFF and DEL are for blocked queues too; SEND says so itself, after the time of use was noted.
    if (status.type === 'blocked' && type !== 'OFF' && type !== 'DEL' && type !== 'SEND') {
      return reply(command, { type: 'ERR', error: { ...status, type: 'BLOCKED' } })
    }
    touch(this.#context, queue)
    if (type === 'SUB') return this.#subscribe(command, queue, withMessage)
    return this.#settled(command, this.#answer(command, queue))
  }

  #answer({ message }: ReceivedCommand, queue: LiveQueue): Answer {
    const context = this.#context
    switch (message.type) {
      case 'KEY':
      case 'SKEY':
        return secure(context, queue, message.sndAuthKey)
      case 'SEND':
        return sendMessage(context, queue, message, this.version)
      case 'ACK':
        return recipient.acknowledge(context, this, queue, message.msgId)
      case 'GET':
        return recipient.getMessage(context, this, queue)
      case 'RKEY':
        return recipient.recipientKeys(context, queue, message.rcvAuthKeys)
      case 'LSET':
        return recipient.setLink(context, queue, message)
      case 'LDEL':
        return recipient.deleteLink(context, queue)
      case 'LKEY':
        return secureByLink(context, queue, message.sndAuthKey)
      case 'LGET':
        return openLink(context, queue)
      case 'OFF':
        return recipient.suspend(context, queue)
      case 'DEL':
        return recipient.deleteQueue(context, this, queue)
      case 'QUE':
        return recipient.queueInfo(context, this, queue)
      case 'NKEY':
      case 'NDEL':
        return PROHIBITED
      default:
        return INTERNAL
    }
  }

  async #create(command: ReceivedCommand): Promise<Reply> {
    if (command.message.type !== 'NEW') return reply(command, INTERNAL)
    let held: Subscription | undefined
    const answer = createQueue(this.#context, command.message, command.corrId).then((created) => {
      if (created.queue && !this.#isEnded) {
        held = this.subscribe(created.queue)
        held.hold()
      }
      return created.answer
    })
    const settled = await this.#settled(command, answer)
    return { ...settled, afterwards: () => held?.release() }
  }

  #subscribe(command: ReceivedCommand, queue: LiveQueue, withMessage: boolean): Reply | Promise<Reply> {
    const { answer, held } = recipient.subscribe(this.#context, this, queue, withMessage)
    const release = () => held?.release()
    const settled = this.#settled(command, answer)
    if (settled instanceof Promise) return settled.then((one) => ({ ...one, afterwards: release }))
    return { ...settled, afterwards: release }
  }

  /** A refusal takes one read of the store, whether there is such a queue or not. */
  #refuse(command: ReceivedCommand, { fromMemory }: Found, answer: BrokerMessage): Reply | Promise<Reply> {
    const kind = queueIdKind(command)
    if (!kind || !fromMemory) return reply(command, answer)
    const read = this.#context.store.getQueues(kind, [command.entityId])
    return read.then(
      () => reply(command, answer),
      () => reply(command, answer),
    )
  }

  #settled(command: ReceivedCommand, answer: Answer): Reply | Promise<Reply> {
    if (!(answer instanceof Promise)) return reply(command, answer)
    return answer.then(
      (message) => reply(command, message),
      (error) => reply(command, this.#failed(error)),
    )
  }

  #failed(error: unknown): BrokerMessage {
    if (error instanceof StoreError) return STORE_FAILED
    this.#context.log(failureEvent(error))
    return INTERNAL
  }

  /** Something that only a fault of ours or a broken connection can cause: the connection is of no use any more. */
  #fail(error: unknown): void {
    if (error instanceof StoreError) {
      // A message could not be read; it is tried again with the next one or with SUB.
      this.#context.log({ event: 'storeFailed', reason: error.message })
      return
    }
    this.#context.log(failureEvent(error))
    this.#outbox.close()
    this.#connection.destroy()
  }

  #end(): void {
    this.#isEnded = true
    this.#outbox.close()
    for (const subscription of this.#subscriptions.values()) subscription.end()
    this.#subscriptions.clear()
  }
}

/** What to tell the operator: a connection that broke is not our fault, anything else is. */
export function failureEvent(error: unknown): RouterEvent {
  const reason = error instanceof Error ? error.message : String(error)
  const isOfConnection = error instanceof NetworkError || error instanceof TransportError
  return { event: isOfConnection ? 'connectionFailed' : 'internalError', reason }
}

function isSub(command: ReceivedCommand | Refused): boolean {
  return command.ok && command.message.type === 'SUB'
}

function reply(
  { corrId, entityId }: { corrId: Uint8Array; entityId: EntityId },
  message: BrokerMessage | UnsealedMessage,
): Reply {
  return { corrId, entityId, message }
}
