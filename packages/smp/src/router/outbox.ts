import { EncodeError } from '@parley/core/encoding'
import { BLOCK_SIZE, type BlockConnection, type BlockSeal } from '@parley/core/transport'
import { encodeBrokerMessage, MAX_BATCH_LENGTH, type SessionContext } from '../protocol/index.ts'
import type { BrokerMessage, EntityId } from '../protocol/types.ts'
import { SEALED_MESSAGE_LENGTH, type Subscription, UnsealedMessage } from './live-queue.ts'
import type { StoredMessage } from './store.ts'

/** Answers that wait for the client to read make it wait with its next commands from here on, in bytes. */
const RESPONSE_LIMIT = 128 * 1024
/** Commands whose answers wait for the disk make it wait from here on. */
const PENDING_LIMIT = 1024
/** Messages read ahead for subscriptions in line: what a client that does not read can hold in memory. */
const MESSAGES_AHEAD = 4
const MAX_BATCH_COUNT = 255
/** Blocks that are kept when no connection needs them: 2 MiB. */
const FREE_BLOCKS = 128
const LENGTH_SIZE = 2
const NO_ID = new Uint8Array()
/** Routers authorise nothing. */
const EMPTY_AUTHORIZATION = Uint8Array.of(0)

/** An answer, and what may happen once it has its place before everything that is sent later. */
export interface Reply {
  readonly corrId: Uint8Array
  readonly entityId: EntityId
  readonly message: BrokerMessage | UnsealedMessage
  readonly afterwards?: (() => void) | undefined
}

interface Group {
  replies: readonly Reply[] | undefined
}

/** What waits to be sent: encoded, or a message to be sealed when its turn has come. */
type Entry = Uint8Array | WaitingMessage

interface WaitingMessage {
  readonly corrId: Uint8Array
  readonly unsealed: UnsealedMessage
  /** Present in messages that are pushed. */
  readonly subscription?: Subscription
}

export interface OutboxComponents {
  readonly connection: BlockConnection
  readonly seal: BlockSeal
  readonly session: SessionContext
  /** Reads a message: at once when it is in memory. */
  readonly readMessage: (number: number) => StoredMessage | Promise<StoredMessage | undefined>
  readonly onSent: () => void
  readonly onError: (error: unknown) => void
}

/**
 * What a router sends on one connection: answers in the order of the commands, and messages of subscriptions, packed
 * into as few blocks as it takes. Its memory is bounded: answers are limited by {@link Outbox.room}, messages wait in
 * the store until the connection takes them.
 */
export class Outbox {
  readonly #components: OutboxComponents
  readonly #groups: Group[] = []
  readonly #entries: Entry[] = []
  readonly #line: Subscription[] = []
  #pendingReplies = 0
  #responseBytes = 0
  /** Messages that are being read or wait in `#entries`. */
  #messagesAhead = 0
  #isWriting = false
  #isClosed = false
  #room: PromiseWithResolvers<void> | undefined

  constructor(components: OutboxComponents) {
    this.#components = components
  }

  /** Sends the answers to one block of commands, together and in order, after those to earlier blocks. */
  respond(replies: readonly (Reply | Promise<Reply>)[]): void {
    if (replies.length === 0) return
    const group: Group = { replies: undefined }
    this.#groups.push(group)
    this.#pendingReplies += replies.length
    if (replies.some((reply) => reply instanceof Promise)) {
      Promise.all(replies).then(
        (settled) => this.#settle(group, settled),
        (error) => this.#components.onError(error),
      )
    } else {
      this.#settle(group, replies as Reply[])
    }
  }

  /** Sends an event: no corrId. */
  notify(entityId: Uint8Array, message: BrokerMessage): void {
    if (this.#isClosed) return
    this.#push({ corrId: NO_ID, entityId, message })
    this.#write()
  }

  /** Puts a subscription in line for its next message. */
  deliver(subscription: Subscription): void {
    if (this.#isClosed || subscription.isInLine) return
    subscription.isInLine = true
    this.#line.push(subscription)
    this.#serveLine()
  }

  /** True when commands should not be executed before {@link room} settles. */
  get isFull(): boolean {
    return !this.#isClosed && (this.#responseBytes > RESPONSE_LIMIT || this.#pendingReplies > PENDING_LIMIT)
  }

  /** Waits until the client has taken enough of its answers. */
  async room(): Promise<void> {
    while (this.isFull) {
      this.#room ??= Promise.withResolvers()
      await this.#room.promise
    }
  }

  close(): void {
    this.#isClosed = true
    this.#entries.length = 0
    this.#line.length = 0
    this.#wakeWaiting()
  }

  #settle(group: Group, replies: readonly Reply[]): void {
    group.replies = replies
    for (let [first] = this.#groups; first?.replies; [first] = this.#groups) {
      this.#groups.shift()
      this.#pendingReplies -= first.replies.length
      if (!this.#isClosed) for (const reply of first.replies) this.#push(reply)
      for (const { afterwards } of first.replies) afterwards?.()
    }
    this.#write()
  }

  #push({ corrId, entityId, message }: Reply): void {
    if (message instanceof UnsealedMessage) {
      this.#responseBytes += SEALED_MESSAGE_LENGTH
      this.#entries.push({ corrId, unsealed: message })
      return
    }
    const { body } = encodeBrokerMessage({ corrId, entityId, message }, this.#components.session)
    this.#responseBytes += body.length
    this.#entries.push(body)
  }

  #serveLine(): void {
    while (this.#messagesAhead < MESSAGES_AHEAD) {
      const subscription = this.#line.shift()
      if (!subscription) return
      const [head] = subscription.queue.messages
      if (!subscription.isReady || !head) {
        subscription.isInLine = false
        continue
      }
      this.#messagesAhead++
      const message = this.#components.readMessage(head.number)
      if (message instanceof Promise) {
        message.then(
          (read) => this.#deliverRead(subscription, read),
          (error) => {
            this.#deliverRead(subscription, undefined)
            this.#components.onError(error)
          },
        )
      } else {
        this.#deliverNow(subscription, message)
      }
    }
  }

  #deliverRead(subscription: Subscription, message: StoredMessage | undefined): void {
    if (message && subscription.isReady && subscription.queue.messages[0]?.number === message.number) {
      this.#deliverNow(subscription, message)
      return
    }
    this.#messagesAhead--
    subscription.isInLine = false
    // It was deleted or delivered otherwise while it was being read: there may be another.
    if (message) subscription.wake()
    this.#serveLine()
  }

  #deliverNow(subscription: Subscription, message: StoredMessage): void {
    subscription.isInLine = false
    subscription.delivered = message
    this.#entries.push({ corrId: NO_ID, subscription, unsealed: new UnsealedMessage(subscription.queue, message) })
    this.#write()
  }

  /** What one turn of the event loop produces goes out together. */
  #write(): void {
    if (this.#isWriting || this.#isClosed || this.#entries.length === 0) return
    this.#isWriting = true
    setImmediate(() => {
      this.#writeBlocks().catch((error) => this.#components.onError(error))
    })
  }

  async #writeBlocks(): Promise<void> {
    const { connection, seal, onSent } = this.#components
    try {
      while (this.#entries.length > 0) {
        const block = takeBlock()
        const length = this.#writeContent(block.subarray(seal.contentAt, seal.contentAt + 1 + MAX_BATCH_LENGTH))
        if (length === 0) {
          giveBlock(block)
          break
        }
        seal.sealInPlace(block, length)
        await connection.write(block, () => giveBlock(block))
        onSent()
        this.#wakeWaiting()
      }
    } finally {
      this.#isWriting = false
    }
  }

  /** Writes as many entries as fit a block, without changing their order; returns the length of the content. */
  #writeContent(content: Buffer): number {
    let count = 0
    let end = 1
    while (count < MAX_BATCH_COUNT) {
      const [entry] = this.#entries
      if (!entry) break
      const isMessage = !(entry instanceof Uint8Array)
      const written = isMessage ? this.#writeMessage(entry, content, end) : this.#writeBody(entry, content, end)
      if (written === undefined) {
        if (count === 0) throw new EncodeError('an answer does not fit a block')
        break
      }
      this.#entries.shift()
      if (written > end) count++
      end = written
    }
    this.#serveLine()
    content[0] = count
    return count === 0 ? 0 : end
  }

  #writeBody(body: Uint8Array, content: Buffer, at: number): number | undefined {
    const start = writeHead(content, at, body.length)
    if (start === undefined) return undefined
    content.set(body, start)
    this.#responseBytes -= body.length
    return start + body.length
  }

  /** Seals a message at `at`; returns where it ends, `at` when it is not to be sent, undefined when it does not fit. */
  #writeMessage(
    { corrId, subscription, unsealed: { queue, message } }: WaitingMessage,
    content: Buffer,
    at: number,
  ): number | undefined {
    if (subscription?.isEnded) {
      this.#messagesAhead--
      return at
    }
    // Without its long part, which ends it and is sealed where it belongs.
    const { body: head } = encodeBrokerMessage(
      { corrId, entityId: queue.record.rcvId, message: { type: 'MSG', msgId: message.msgId, encrypted: NO_ID } },
      this.#components.session,
    )
    const start = writeHead(content, at, head.length + SEALED_MESSAGE_LENGTH)
    if (start === undefined) return undefined
    content.set(head, start)
    const end = start + head.length + SEALED_MESSAGE_LENGTH
    queue.seal(message, content.subarray(start + head.length, end))
    if (subscription) this.#messagesAhead--
    else this.#responseBytes -= SEALED_MESSAGE_LENGTH
    return end
  }

  #wakeWaiting(): void {
    if (!this.#room || this.isFull) return
    this.#room.resolve()
    this.#room = undefined
  }
}

/** Writes the length of a transmission and its empty authorisation; returns where its body goes, if that fits. */
function writeHead(content: Buffer, at: number, bodyLength: number): number | undefined {
  const length = EMPTY_AUTHORIZATION.length + bodyLength
  const start = at + LENGTH_SIZE
  if (start + length > content.length) return undefined
  content.writeUInt16BE(length, at)
  content.set(EMPTY_AUTHORIZATION, start)
  return start + EMPTY_AUTHORIZATION.length
}

/**
 * Blocks for all connections, used again when they are sent: memory outside of the heap that comes and goes makes the
 * garbage collector run, which took a sixth of the router's processor time.
 */
const freeBlocks: Buffer[] = []

function takeBlock(): Buffer {
  return freeBlocks.pop() ?? Buffer.allocUnsafeSlow(BLOCK_SIZE)
}

function giveBlock(block: Buffer): void {
  if (freeBlocks.length < FREE_BLOCKS) freeBlocks.push(block)
}
