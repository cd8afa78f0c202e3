import { ByteWriter, EncodeError } from '@parley/core/encoding'
import type { BlockConnection, BlockSeal } from '@parley/core/transport'
import { encodeBrokerMessage, MAX_BATCH_LENGTH, type SessionContext } from '../protocol/index.ts'
import type { BrokerMessage, Transmission } from '../protocol/types.ts'
import type { Subscription } from './live-queue.ts'
import type { StoredMessage } from './store.ts'

/** Answers that wait for the client to read make it wait with its next commands from here on, in bytes. */
const RESPONSE_LIMIT = 128 * 1024
/** Commands whose answers wait for the disk make it wait from here on. */
const PENDING_LIMIT = 1024
/** Messages read ahead for subscriptions in line: what a client that does not read can hold in memory. */
const MESSAGES_AHEAD = 4
const MAX_BATCH_COUNT = 255
const LENGTH_SIZE = 2
const NO_ID = new Uint8Array()

/** An answer, and what may happen once it has its place before everything that is sent later. */
export interface Reply extends Transmission<BrokerMessage> {
  readonly afterwards?: (() => void) | undefined
}

interface Group {
  replies: readonly Reply[] | undefined
}

/** What waits to be sent: encoded, or a message to be sealed when its turn has come. */
type Entry = Uint8Array | { readonly subscription: Subscription; readonly message: StoredMessage }

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

  #push(transmission: Transmission<BrokerMessage>): void {
    const { body } = encodeBrokerMessage(transmission, this.#components.session)
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
    this.#entries.push({ subscription, message })
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
        const content = this.#nextContent()
        if (!content) break
        await connection.write(seal.encrypt(content))
        onSent()
        this.#wakeWaiting()
      }
    } finally {
      this.#isWriting = false
    }
  }

  /** As many entries as fit a block, without changing their order. */
  #nextContent(): Uint8Array | undefined {
    const bodies: Uint8Array[] = []
    let length = 0
    while (bodies.length < MAX_BATCH_COUNT) {
      const [entry] = this.#entries
      if (!entry) break
      if (!(entry instanceof Uint8Array) && entry.subscription.isEnded) {
        this.#entries.shift()
        this.#messagesAhead--
        continue
      }
      const body = entry instanceof Uint8Array ? entry : this.#sealed(entry)
      // The empty authorisation takes one byte.
      const added = LENGTH_SIZE + 1 + body.length
      if (length + added > MAX_BATCH_LENGTH) {
        if (bodies.length === 0) throw new EncodeError(`answer of ${body.length} bytes does not fit a block`)
        this.#entries[0] = body
        break
      }
      this.#entries.shift()
      bodies.push(body)
      length += added
    }
    if (bodies.length === 0) return undefined
    const writer = new ByteWriter(1 + length).byte(bodies.length)
    for (const body of bodies) {
      writer
        .word16(1 + body.length)
        .byte(0)
        .bytes(body)
      this.#responseBytes -= body.length
    }
    this.#serveLine()
    return writer.finish()
  }

  #sealed({ subscription, message }: Exclude<Entry, Uint8Array>): Uint8Array {
    this.#messagesAhead--
    const { queue } = subscription
    const transmission = { corrId: NO_ID, entityId: queue.record.rcvId, message: queue.seal(message) }
    const { body } = encodeBrokerMessage(transmission, this.#components.session)
    this.#responseBytes += body.length
    return body
  }

  #wakeWaiting(): void {
    if (!this.#room || this.isFull) return
    this.#room.resolve()
    this.#room = undefined
  }
}
