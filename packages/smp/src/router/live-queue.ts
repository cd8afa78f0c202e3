import { BOX_TAG_LENGTH, BoxKey } from '@parley/core/crypto'
import { encode, PAD_OVERHEAD } from '@parley/core/encoding'
import { PADDED_RCV_MESSAGE_LENGTH, rcvMessageBodyCodec } from '../protocol/index.ts'
import type { LoadedQueue, MessageNumber, MessagePosition, QueueNumber, QueueRecord, StoredMessage } from './store.ts'

/** Bytes of a message on its way to the recipient, whatever its own length: `spec/smp.md §5.2`. */
export const SEALED_MESSAGE_LENGTH = BOX_TAG_LENGTH + PADDED_RCV_MESSAGE_LENGTH

const BOX_HEAD = BOX_TAG_LENGTH + PAD_OVERHEAD
const NO_BODY = new Uint8Array()

/**
 * A queue in memory. There is at most one for each queue of the store, and it is the truth while it exists: commands
 * decide on it at once and the store follows in the same order.
 */
export class LiveQueue {
  readonly number: QueueNumber
  record: QueueRecord
  /** Oldest first; the last ones may still be on their way to the disk. */
  messages: MessagePosition[]
  /** A quota marker was accepted; nothing else is until the queue is empty. */
  isFull: boolean
  /** Who gets messages pushed. */
  subscription: Subscription | undefined
  isDeleted = false
  /** A write failed: what the store has is not known until it is read again. */
  isStale = false
  /** Connections and writes that hold on to it; the registry keeps it while there are any. */
  uses = 0
  #boxKey: BoxKey | undefined

  constructor({ number, record, messages }: LoadedQueue) {
    this.number = number
    this.record = record
    this.messages = [...messages]
    this.isFull = messages.at(-1)?.quota ?? false
  }

  /** Takes over what the store has, after a write failed. */
  refresh({ record, messages }: LoadedQueue): void {
    this.record = record
    this.messages = [...messages]
    this.isFull = messages.at(-1)?.quota ?? false
    this.isStale = false
    this.#boxKey = undefined
  }

  /** Forgets a message, or does nothing when it is gone already. */
  removeMessage(number: MessageNumber): boolean {
    const index = this.messages[0]?.number === number ? 0 : this.messages.findIndex((one) => one.number === number)
    if (index < 0) return false
    this.messages.splice(index, 1)
    if (this.messages.length === 0) this.isFull = false
    return true
  }

  /** Seals a message for the recipient into exactly {@link SEALED_MESSAGE_LENGTH} bytes: `spec/smp.md §5.2`. */
  seal({ msgId, timestamp, notification, body }: StoredMessage, target: Uint8Array): void {
    const time = BigInt(timestamp)
    const content = encode(
      rcvMessageBodyCodec,
      body ? { type: 'message', timestamp: time, notification, body: NO_BODY } : { type: 'quota', timestamp: time },
    )
    target.set(content, BOX_HEAD)
    // The body ends the content: copied only once, to where it is sealed.
    if (body) target.set(body, BOX_HEAD + content.length)
    this.#boxKey ??= new BoxKey(this.record.rcvDhSecret)
    this.#boxKey.sealInPlace(msgId, target, content.length + (body?.length ?? 0))
  }
}

/** MSG that is sealed when it is sent: until then it takes no more memory than the stored message. */
export class UnsealedMessage {
  readonly queue: LiveQueue
  readonly message: StoredMessage

  constructor(queue: LiveQueue, message: StoredMessage) {
    this.queue = queue
    this.message = message
  }
}

/** A message that a connection got and has not acknowledged. */
export interface Delivered {
  readonly number: MessageNumber
  readonly msgId: Uint8Array
}

/** The connection of a recipient, as far as deliveries are concerned. */
export interface Recipient {
  readonly remoteAddress: string
  /** Puts the subscription in line: its next message is sent when the connection has room for it. */
  deliver(subscription: Subscription): void
  /** The subscription was taken over by another connection, or its queue deleted by one. */
  end(subscription: Subscription, reason: 'END' | 'DELD'): void
  /** What this connection has to do with the queue, if anything. */
  subscription(queue: LiveQueue): Subscription | undefined
  /** Takes the queue over from whoever had it. */
  subscribe(queue: LiveQueue): Subscription
  /** Notes that this connection uses GET on the queue. */
  beginGet(queue: LiveQueue): Subscription
  /** Forgets what it has to do with the queue. */
  dropSubscription(queue: LiveQueue): void
}

/**
 * What one connection has to do with one queue: `spec/smp.md §5.2`. `push` after SUB (or NEW with `S`): messages come
 * by themselves, one at a time; `get` after GET: only when asked for, and SUB is prohibited.
 */
export class Subscription {
  readonly queue: LiveQueue
  readonly recipient: Recipient
  readonly kind: 'push' | 'get'
  delivered: Delivered | undefined
  /** It stands in the recipient's line. */
  isInLine = false
  /** Answers under way that decide themselves what is delivered next, or have to arrive before it. */
  #holds = 0
  isEnded = false

  constructor(queue: LiveQueue, recipient: Recipient, kind: 'push' | 'get') {
    this.queue = queue
    this.recipient = recipient
    this.kind = kind
    queue.uses++
    if (kind === 'push') queue.subscription = this
  }

  /** True when a message may be pushed now. */
  get isReady(): boolean {
    if (this.isEnded || this.delivered || this.#holds > 0 || this.kind !== 'push') return false
    return this.queue.messages.length > 0
  }

  /** Puts it in line when there is something to deliver and nothing waits for an acknowledgement. */
  wake(): void {
    if (!this.isInLine && this.isReady) this.recipient.deliver(this)
  }

  /** No pushes until {@link release}. */
  hold(): void {
    this.#holds++
  }

  release(): void {
    this.#holds--
    this.wake()
  }

  /** Lets go of the queue. */
  end(): void {
    if (this.isEnded) return
    this.isEnded = true
    this.queue.uses--
    if (this.queue.subscription === this) this.queue.subscription = undefined
  }
}
