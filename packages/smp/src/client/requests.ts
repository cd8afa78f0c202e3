import { equalBytes } from '@parley/core/encoding'
import type { BrokerMessage, CommandType, EntityId } from '../protocol/index.ts'
import type { SmpClientError } from './errors.ts'
import type { ServerTransmission } from './events.ts'

/** Requests given up whose answers are still recognised; the oldest are forgotten beyond that. */
const MAX_GIVEN_UP = 10_000

/** What a request ends with. */
export type RequestResult = BrokerMessage | SmpClientError

/** A command that waits for its answer. */
export interface PendingRequest {
  readonly corrId: Uint8Array
  readonly entityId: EntityId
  readonly command: CommandType
  /** Called once; errors that are not the client's (aborts) come through `reject`. */
  resolve(result: RequestResult): void
  reject(reason: unknown): void
}

interface Entry extends PendingRequest {
  readonly timer: NodeJS.Timeout
  readonly stop: () => void
}

type GivenUp = Pick<PendingRequest, 'entityId' | 'command'>

export interface WaitOptions {
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

/** An answer as it was received; `entityId` as the router gave it. */
export interface Answer {
  readonly corrId: Uint8Array
  readonly entityId: EntityId
  readonly result: RequestResult
}

/** Makes the errors that this table itself gives to requests. */
export interface RequestErrors {
  timeout(): SmpClientError
  unexpected(detail: string): SmpClientError
}

/** Correlation of answers with commands: `spec/smp.md §9`, request/response. */
export class PendingRequests {
  readonly #errors: RequestErrors
  readonly #waiting = new Map<string, Entry>()
  readonly #givenUp = new Map<string, GivenUp>()
  #timeouts = 0

  constructor(errors: RequestErrors) {
    this.#errors = errors
  }

  /** Requests that timed out since the last {@link resetTimeouts}. */
  get timeoutsInRow(): number {
    return this.#timeouts
  }

  /** Called for every block received. */
  resetTimeouts(): void {
    this.#timeouts = 0
  }

  /** Number of commands whose answer is waited for. */
  get size(): number {
    return this.#waiting.size
  }

  add(request: PendingRequest, { timeoutMs, signal }: WaitOptions): void {
    const key = keyOf(request.corrId)
    const giveUp = () => {
      this.#waiting.delete(key)
      entry.stop()
      this.#remember(key, request)
    }
    const abort = () => {
      giveUp()
      request.reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      giveUp()
      this.#timeouts++
      request.resolve(this.#errors.timeout())
    }, timeoutMs)
    const stop = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    }
    signal?.addEventListener('abort', abort, { once: true })
    const entry: Entry = { ...request, timer, stop }
    this.#waiting.set(key, entry)
  }

  /** False once the request has been answered or given up: then it need not be sent any more. */
  isWaiting(corrId: Uint8Array): boolean {
    return this.#waiting.has(keyOf(corrId))
  }

  /** Ends a request that cannot be sent. */
  fail(corrId: Uint8Array, error: SmpClientError): void {
    this.#take(keyOf(corrId))?.resolve(error)
  }

  /** Ends all requests; their answers can no longer come. */
  failAll(error: SmpClientError): void {
    const entries = [...this.#waiting.values()]
    this.#waiting.clear()
    this.#givenUp.clear()
    for (const entry of entries) {
      entry.stop()
      entry.resolve(error)
    }
  }

  /** Gives an answer to its request; what no request waits for is returned as the event to report. */
  answer({ corrId, entityId, result }: Answer): ServerTransmission | undefined {
    const key = keyOf(corrId)
    const request = this.#take(key)
    if (request) {
      request.resolve(equalBytes(request.entityId, entityId) ? result : this.#unexpected(result))
      return undefined
    }
    const late = this.#givenUp.get(key)
    this.#givenUp.delete(key)
    if (late && equalBytes(late.entityId, entityId)) {
      return { type: 'lateResponse', entityId, command: late.command, result }
    }
    return { type: 'error', entityId, error: this.#unexpected(result) }
  }

  #unexpected(result: RequestResult): SmpClientError {
    return this.#errors.unexpected(result instanceof Error ? result.code : result.type)
  }

  #take(key: string): Entry | undefined {
    const entry = this.#waiting.get(key)
    if (!entry) return undefined
    this.#waiting.delete(key)
    entry.stop()
    return entry
  }

  #remember(key: string, { entityId, command }: PendingRequest): void {
    this.#givenUp.set(key, { entityId, command })
    if (this.#givenUp.size <= MAX_GIVEN_UP) return
    const [oldest] = this.#givenUp.keys()
    if (oldest !== undefined) this.#givenUp.delete(oldest)
  }
}

function keyOf(corrId: Uint8Array): string {
  return Buffer.from(corrId.buffer, corrId.byteOffset, corrId.byteLength).toString('latin1')
}
