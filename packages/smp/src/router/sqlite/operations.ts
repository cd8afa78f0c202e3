import type { ExpiryStep, MessageNumber, MessagePosition, QueueNumber } from '../store.ts'

/** A queue record as the database and the thread boundary know it: bytes, numbers and text only. */
export interface QueueRow {
  readonly rcvId: Uint8Array
  readonly sndId: Uint8Array
  /** Count byte and short strings of SPKI. */
  readonly rcvKeys: Uint8Array
  readonly rcvDhSecret: Uint8Array
  /** SPKI, empty when the queue is not secured. */
  readonly sndKey: Uint8Array
  /** `M`, `C`, or empty when unknown. */
  readonly mode: string
  /** `active`, `off`, `spam` or `content`. */
  readonly status: string
  /** Seconds the notice of a blocked queue holds, -1 for ever, null without a notice. */
  readonly notice: number | null
  readonly updatedDay: number
}

export interface LinkRow {
  readonly linkId: Uint8Array
  readonly fixed: Uint8Array
  readonly user: Uint8Array
}

export interface LoadedRow {
  readonly number: QueueNumber
  readonly row: QueueRow
  /** Empty when the queue has no link. */
  readonly linkId: Uint8Array
  readonly messages: readonly MessagePosition[]
}

export interface MessageRow {
  readonly number: MessageNumber
  readonly msgId: Uint8Array
  readonly timestamp: number
  readonly notification: boolean
  /** Null in a quota marker. */
  readonly body: Uint8Array | null
}

export interface InspectedRow {
  readonly row: QueueRow
  readonly linkId: Uint8Array
  readonly messages: readonly { readonly msgId: Uint8Array; readonly timestamp: number; readonly size: number }[]
}

export type QueueRowChange = Partial<Pick<QueueRow, 'rcvKeys' | 'sndKey' | 'status' | 'notice' | 'updatedDay'>>

/** What the router's thread asks of the thread that owns the database, with what each answers. */
export interface Operations {
  getQueues: { ask: { kind: 'recipient' | 'sender' | 'link'; ids: Uint8Array[] }; answer: (LoadedRow | undefined)[] }
  addQueue: { ask: { row: QueueRow; link: LinkRow | undefined }; answer: QueueNumber | undefined }
  updateQueue: { ask: { queue: QueueNumber; change: QueueRowChange }; answer: undefined }
  setLink: { ask: { queue: QueueNumber; link: LinkRow }; answer: boolean }
  deleteLink: { ask: { queue: QueueNumber }; answer: undefined }
  deleteQueue: { ask: { queue: QueueNumber }; answer: undefined }
  getLinkData: { ask: { queue: QueueNumber }; answer: { fixed: Uint8Array; user: Uint8Array } | undefined }
  addMessage: { ask: { queue: QueueNumber; message: MessageRow }; answer: undefined }
  deleteMessages: { ask: { messages: readonly MessageNumber[] }; answer: undefined }
  getMessage: { ask: { message: MessageNumber }; answer: MessageRow | undefined }
  expireMessages: { ask: { before: number; from: MessageNumber; limit: number }; answer: ExpiryStep }
  inspectQueues: { ask: { limit: number }; answer: InspectedRow[] }
  count: { ask: Record<never, never>; answer: { queues: number; messages: number } }
}

export type OperationName = keyof Operations

/** One operation as it crosses to the database's thread. */
export type Operation = {
  [N in OperationName]: { readonly name: N; readonly ask: Operations[N]['ask'] }
}[OperationName]

/** Operations that change nothing need no transaction. */
export const READ_ONLY: ReadonlySet<OperationName> = new Set([
  'getQueues',
  'getLinkData',
  'getMessage',
  'inspectQueues',
  'count',
])

/** How one operation ended: `error` is the database's message. */
export type Outcome = { readonly answer: unknown } | { readonly error: string }

export interface WorkerOptions {
  /** Database file. */
  readonly file: string
  /** File whose lock says that a router works on the folder. */
  readonly lockFile: string
  /** Memory of both threads: batches go through it. */
  readonly shared: SharedArrayBuffer
}

/** A batch is what `encodeOperations` made of it: bytes, or how much of the shared memory they take. */
export type ToWorker = { readonly type: 'batch'; readonly operations: Uint8Array | number } | { readonly type: 'close' }

export type FromWorker =
  | { readonly type: 'opened'; readonly nextMessageNumber: MessageNumber }
  | { readonly type: 'failed'; readonly locked: boolean; readonly error: string }
  /** Absent when every operation succeeded and none has an answer: the usual case. */
  | { readonly type: 'outcomes'; readonly outcomes?: readonly Outcome[] }
  | { readonly type: 'closed' }
