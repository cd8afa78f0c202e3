import type {
  DeliveryState,
  EnqueueOutcome,
  EnvelopeNumber,
  NewEnvelope,
  NotDelivered,
  NotDeliveredReason,
  PairSummary,
  PendingEnvelope,
  Registration,
  RegistrationKind,
  SeenAs,
  StoreCounts,
  StoredNotDelivered,
  StoreErrorCode,
  StoreLimits,
  TraceEvent,
} from '../store.ts'

/** A page with all its numbers given. */
export interface FullPage {
  readonly after: number
  readonly limit: number
}

/** Which not-delivered records are asked for. */
export interface NotDeliveredQuery extends FullPage {
  readonly sender?: string
  readonly id?: string
}

/** Which registrations are asked for. */
export interface RegistrationQuery {
  readonly kind?: RegistrationKind
  readonly afterAddress: string
  readonly limit: number
}

/** What the node's thread asks of the thread that owns the database, with what each answers. */
export interface Operations {
  putRegistration: { ask: Registration; answer: boolean }
  getRegistration: { ask: { address: string }; answer: Registration | undefined }
  deleteRegistration: { ask: { address: string; issuedAt: number }; answer: boolean }
  listRegistrations: { ask: RegistrationQuery; answer: Registration[] }
  importRegistrations: { ask: { name: string; registrations: readonly Registration[] }; answer: number | undefined }
  wasImported: { ask: { name: string }; answer: boolean }
  enqueue: { ask: { envelope: NewEnvelope; seen?: SeenAs }; answer: EnqueueOutcome }
  pending: { ask: { to: string; page: FullPage }; answer: PendingEnvelope[] }
  pendingOfPair: { ask: { to: string; sender: string; page: FullPage }; answer: PendingEnvelope[] }
  listPairs: { ask: FullPage; answer: (PairSummary & { readonly number: number })[] }
  putBehind: { ask: { to: string; sender: string; source: string }; answer: undefined }
  setDeliveryState: { ask: { envelope: EnvelopeNumber; state: DeliveryState }; answer: undefined }
  delivered: { ask: { envelopes: readonly EnvelopeNumber[] }; answer: undefined }
  giveUp: {
    ask: { envelope: EnvelopeNumber; reason: NotDeliveredReason; status?: number; at: number }
    answer: StoredNotDelivered | undefined
  }
  addNotDelivered: { ask: { entry: NotDelivered; toReport: boolean }; answer: StoredNotDelivered }
  listNotDelivered: { ask: NotDeliveredQuery; answer: StoredNotDelivered[] }
  unreported: { ask: { sender: string; page: FullPage }; answer: StoredNotDelivered[] }
  reported: { ask: { number: number }; answer: undefined }
  markSeen: { ask: { scope: string; id: string }; answer: boolean }
  forgetSeen: { ask: { scope: string; id: string }; answer: undefined }
  addTrace: { ask: TraceEvent; answer: undefined }
  trace: { ask: { id: string }; answer: TraceEvent[] }
  tracedOf: { ask: { address: string; limit: number }; answer: string[] }
  expire: { ask: { now: number; limit: number }; answer: StoredNotDelivered[] }
  count: { ask: Record<never, never>; answer: StoreCounts }
}

export type OperationName = keyof Operations

/** One operation as it crosses to the database's thread. */
export type Operation = {
  [N in OperationName]: { readonly name: N; readonly ask: Operations[N]['ask'] }
}[OperationName]

/** What each operation does. */
export type Handlers = { [N in OperationName]: (ask: Operations[N]['ask']) => Operations[N]['answer'] }

/** Operations that change nothing need no transaction. */
export const READ_ONLY: ReadonlySet<OperationName> = new Set([
  'getRegistration',
  'listRegistrations',
  'wasImported',
  'pending',
  'pendingOfPair',
  'listPairs',
  'listNotDelivered',
  'unreported',
  'trace',
  'tracedOf',
  'count',
])

/** How one operation ended: `error` is the database's message. */
export type Outcome = { readonly answer: unknown } | { readonly error: string }

export interface WorkerOptions {
  /** Database file. */
  readonly file: string
  /** File whose lock says that a node works on the folder. */
  readonly lockFile: string
  readonly limits: StoreLimits
  /** Encrypts the database file. */
  readonly passphrase: string | undefined
}

export type ToWorker =
  | { readonly type: 'batch'; readonly operations: readonly Operation[] }
  | { readonly type: 'close' }

export type FromWorker =
  | { readonly type: 'opened' }
  | { readonly type: 'failed'; readonly code: StoreErrorCode | 'LOCKED'; readonly error: string }
  | { readonly type: 'outcomes'; readonly outcomes: readonly Outcome[] }
  | { readonly type: 'closed' }
