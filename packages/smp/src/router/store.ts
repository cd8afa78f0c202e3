import type { AuthKey, EntityId, QueueLinkData, QueueMode } from '../protocol/types.ts'

/** Whether a queue accepts messages: `spec/smp.md §5.1`. Blocking is set by operators, `noticeTtl` is in seconds. */
export type QueueStatus =
  | { readonly type: 'active' | 'off' }
  | { readonly type: 'blocked'; readonly reason: 'spam' | 'content'; readonly noticeTtl?: number | null }

/** A short link's id and its encrypted data, as kept with the queue. */
export interface StoredLink {
  /** 24 bytes. */
  readonly linkId: EntityId
  readonly data: QueueLinkData
}

/** A queue as it is kept: `spec/smp.md §5.1`, queue record. Link data is read apart: it is large and seldom wanted. */
export interface QueueRecord {
  /** 24 bytes. */
  readonly rcvId: EntityId
  /** 24 bytes. */
  readonly sndId: EntityId
  /** At least one; any of them authorises the recipient's commands. */
  readonly rcvKeys: readonly [AuthKey, ...AuthKey[]]
  /** X25519 secret shared with the recipient, 32 bytes: encrypts message bodies on their way to it. */
  readonly rcvDhSecret: Uint8Array
  readonly sndKey?: AuthKey
  /** Absent in queues made before version 9. */
  readonly mode?: QueueMode
  /** Present while the queue has link data. */
  readonly linkId?: EntityId
  readonly status: QueueStatus
  /** UTC day of the last use, in days since 1970. */
  readonly updatedDay: number
}

/** The store's own name of a queue: positive, never used twice. */
export type QueueNumber = number

/** The store's own name of a message: grows with every message of the whole store. */
export type MessageNumber = number

/** Where a stored message stands, without its content. */
export interface MessagePosition {
  readonly number: MessageNumber
  /** When the router accepted it, seconds since 1970. */
  readonly timestamp: number
  /** True for the marker that says the queue was full. */
  readonly quota: boolean
}

/** A queue with what waits in it, oldest first. */
export interface LoadedQueue {
  readonly number: QueueNumber
  readonly record: QueueRecord
  readonly messages: readonly MessagePosition[]
}

/** A message as the sender gave it, or the marker of a full queue. */
export interface StoredMessage {
  readonly number: MessageNumber
  /** 24 random bytes. */
  readonly msgId: Uint8Array
  /** When the router accepted it, seconds since 1970. */
  readonly timestamp: number
  /** The sender wants the recipient to be notified. */
  readonly notification: boolean
  /** Absent in a quota marker; at most 16,088 bytes. */
  readonly body?: Uint8Array
}

/** Which of a queue's ids is known. */
export type QueueIdKind = 'recipient' | 'sender' | 'link'

/** What changes in a queue record, apart from its link. */
export interface QueueChange {
  readonly rcvKeys?: readonly [AuthKey, ...AuthKey[]]
  readonly sndKey?: AuthKey
  readonly status?: QueueStatus
  readonly updatedDay?: number
}

/** What one step of expiry removed, and where the next one starts. */
export interface ExpiryStep {
  readonly expired: readonly { readonly queue: QueueNumber; readonly message: MessageNumber }[]
  /** Absent when nothing older is left. */
  readonly next?: MessageNumber
}

/** One queue for the eyes of the operator: no secrets. Times in seconds since 1970. */
export interface QueueInspection {
  readonly rcvId: EntityId
  readonly sndId: EntityId
  readonly linkId?: EntityId
  readonly mode?: QueueMode
  readonly status: QueueStatus['type']
  readonly rcvKeys: readonly AuthKey[]
  readonly sndKey?: AuthKey
  readonly updatedDay: number
  readonly messages: readonly { readonly msgId: Uint8Array; readonly timestamp: number; readonly size: number }[]
}

/** A write or read failed: disk full, file damaged. The router answers `ERR STORE` and goes on. */
export class StoreError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StoreError'
  }
}

/** Another process (or router of this process) works on the same data. */
export class StoreLockedError extends Error {
  /** The data folder. */
  readonly folder: string

  constructor(folder: string, options?: ErrorOptions) {
    super(`the data folder ${folder} is in use by another router`, options)
    this.name = 'StoreLockedError'
    this.folder = folder
  }
}

/**
 * What a router keeps between runs. Calls take effect in the order in which they are made, and a write's promise
 * settles when it is on disk: what was promised to a client after it survives the loss of power.
 * Any method may reject with {@link StoreError}; then nothing of that call took effect.
 */
export interface RouterStore {
  /** First number for {@link addMessage} after opening. */
  readonly nextMessageNumber: MessageNumber
  /** The queues with these ids, in the same order; undefined where there is none. */
  getQueues(kind: QueueIdKind, ids: readonly EntityId[]): Promise<(LoadedQueue | undefined)[]>
  /** Adds a queue; undefined when one of its ids is in use by another queue as an id of the same kind. */
  addQueue(record: QueueRecord, link?: StoredLink): Promise<QueueNumber | undefined>
  updateQueue(queue: QueueNumber, change: QueueChange): Promise<void>
  /**
   * Gives a queue its link or replaces the user data of the one it has; false, and nothing changed, when the id is in
   * use by another queue, or the queue's link has another id or other fixed data.
   */
  setLink(queue: QueueNumber, link: StoredLink): Promise<boolean>
  deleteLink(queue: QueueNumber): Promise<void>
  /** Removes the queue, its link and its messages. */
  deleteQueue(queue: QueueNumber): Promise<void>
  /** The link data of a queue, undefined when it has none. */
  getLinkData(queue: QueueNumber): Promise<QueueLinkData | undefined>
  /** Appends a message whose number the caller chose: {@link nextMessageNumber} at first, then one more each time. */
  addMessage(queue: QueueNumber, message: StoredMessage): Promise<void>
  deleteMessages(messages: readonly MessageNumber[]): Promise<void>
  /** The message, undefined when there is none with this number. */
  getMessage(message: MessageNumber): Promise<StoredMessage | undefined>
  /**
   * Removes messages accepted before `before` (seconds since 1970), but never quota markers, looking at no more than
   * `limit` messages from the number `from` on.
   */
  expireMessages(before: number, from: MessageNumber, limit: number): Promise<ExpiryStep>
  /** Queues for the operator, in the order of their creation. */
  inspectQueues(limit: number): Promise<QueueInspection[]>
  /** Numbers of queues and messages. */
  count(): Promise<{ readonly queues: number; readonly messages: number }>
  /** Finishes what was asked and closes. */
  close(): Promise<void>
}
