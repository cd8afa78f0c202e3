import type { AcnStore, EnqueueOutcome, EnvelopeNumber, NewEnvelope, PendingEnvelope, SeenAs } from '../store/index.ts'

/** How long an envelope may be on its way before it is written to disk, ms: most have arrived by then. */
const HOLD = 100
/** Ids that are remembered as taken, so that a repeated envelope asks the store. */
const MAX_RECENT = 20_000

/** An envelope that is on its way: in memory alone at first, in the store as well when that takes long. */
export interface QueuedEnvelope extends PendingEnvelope {
  /** 0 until it is in the store. */
  number: EnvelopeNumber
  attempts: number
  nextAttemptAt: number
  lastStatus?: number
}

/** The way to those who bring envelopes on. */
export interface Onward {
  /** Hands an envelope on; false when nobody can take it now, so that it has to be written at once. */
  offer(envelope: QueuedEnvelope): boolean
  /** An envelope is being written, and may be found in the store then. */
  announce(envelope: QueuedEnvelope): void
}

type Result = { readonly accepted: true; readonly number: EnvelopeNumber } | EnqueueOutcome

interface Held {
  readonly envelope: QueuedEnvelope
  /** Milliseconds of the monotonic clock. */
  readonly since: number
  readonly seen: SeenAs | undefined
  readonly done: PromiseWithResolvers<Result>
  /** Its write, once that was asked for. */
  writing: Promise<Result> | undefined
}

/**
 * Keeps envelopes in memory for the moment that most of them need to arrive. Who handed one over hears SUCCESS when it is
 * delivered or on disk, whichever is first. Writes are asked for in the order of arrival.
 */
export class Holding {
  readonly #store: AcnStore
  /** In order of arrival; none of them was written. */
  readonly #held = new Set<Held>()
  readonly #byEnvelope = new WeakMap<QueuedEnvelope, Held>()
  readonly #recent = new Set<string>()
  readonly #writes = new Set<Promise<unknown>>()
  #timer: NodeJS.Timeout | undefined

  constructor(store: AcnStore) {
    this.#store = store
  }

  /** Takes an envelope. */
  take(wanted: NewEnvelope, seen: SeenAs | undefined, { offer, announce }: Onward): Promise<Result> {
    const envelope: QueuedEnvelope = {
      ...wanted,
      number: 0,
      expiresAt: wanted.expiresAt ?? wanted.receivedAt + this.#store.limits.maxAge,
      attempts: 0,
      inFlight: false,
      nextAttemptAt: 0,
    }
    const since = performance.now()
    const held: Held = { envelope, since, seen, done: Promise.withResolvers(), writing: undefined }
    const isKnown = seen !== undefined && !this.#remember(`${seen.scope} ${wanted.to} ${seen.id}`)
    this.#held.add(held)
    this.#byEnvelope.set(envelope, held)
    // Whether it is taken once more the store decides.
    if (isKnown) announce(envelope)
    if (isKnown || !isWritable(wanted) || !offer(envelope)) this.flush()
    else this.#timer ??= setTimeout(() => this.#flushOld(), HOLD)
    return held.done.promise
  }

  /** Asks for the writes of all that are held. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (const held of this.#held) this.#write(held)
    this.#held.clear()
  }

  /** Asks for the writes of those that have been on their way for long; the youngest will have arrived before long. */
  #flushOld(): void {
    const now = performance.now()
    this.#timer = undefined
    for (const held of this.#held) {
      const age = now - held.since
      if (age < HOLD / 2) {
        this.#timer = setTimeout(() => this.#flushOld(), HOLD - age)
        return
      }
      this.#held.delete(held)
      this.#write(held)
    }
  }

  /** Sees to it that an envelope is in the store: its number then; undefined when it was refused there. */
  async numberOf(envelope: QueuedEnvelope): Promise<EnvelopeNumber | undefined> {
    if (envelope.number > 0) return envelope.number
    const held = this.#byEnvelope.get(envelope)
    if (!held) return undefined
    if (!held.writing) this.flush()
    const result = await held.writing
    return result?.accepted ? result.number : undefined
  }

  /** The envelope has arrived. */
  async delivered(envelope: QueuedEnvelope): Promise<void> {
    const held = this.#byEnvelope.get(envelope)
    if (held && this.#held.delete(held)) {
      const { seen } = held
      if (seen) this.#track(this.#store.markSeen(seen.scope, seen.id))
      held.done.resolve({ accepted: true, number: 0 })
      return
    }
    held?.done.resolve({ accepted: true, number: 0 })
    const number = await this.numberOf(envelope)
    if (number !== undefined) await this.#store.delivered([number])
  }

  /** Writes what is held and waits for all writes. */
  async stop(): Promise<void> {
    this.flush()
    await Promise.allSettled(this.#writes)
  }

  #write(held: Held): void {
    const { envelope, seen, done } = held
    const { number: _, attempts, inFlight, nextAttemptAt, lastStatus, ...wanted } = envelope
    const writing = this.#store.enqueue(wanted, seen ? { seen } : {}).then((outcome) => {
      if (outcome.accepted) envelope.number = outcome.number
      return outcome
    })
    // What arrives before it is written leaves one line in the trace only: that it was delivered.
    const { id, receivedAt, source, sender, to } = envelope
    this.#store.addTrace({ id, at: receivedAt, event: 'received', detail: source, sender, to })
    held.writing = writing
    this.#track(writing)
    writing.then(done.resolve, done.reject)
  }

  #track(write: Promise<unknown>): void {
    this.#writes.add(write)
    write.catch(() => {}).finally(() => this.#writes.delete(write))
  }

  /** False when it was there. */
  #remember(key: string): boolean {
    if (this.#recent.has(key)) return false
    this.#recent.add(key)
    const [oldest] = this.#recent
    if (this.#recent.size > MAX_RECENT && oldest !== undefined) this.#recent.delete(oldest)
    return true
  }
}

/** What the store would refuse must not be on its way already. */
function isWritable({ to, sender, source }: NewEnvelope): boolean {
  return [to, sender, source].every((text) => text.length <= 256 && text.isWellFormed() && !text.includes('\0'))
}
