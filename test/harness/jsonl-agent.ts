import { BoundedQueue } from '@parley/core/queue'
import { LineChild, PARLEY } from './child.ts'

/** One event line: `docs/jsonl.md`. */
export interface AgentEventLine {
  readonly event: string
  readonly connId?: string
  readonly [field: string]: unknown
}

/** An `error` answer. */
export class RequestError extends Error {
  readonly error: { readonly type: string; readonly message: string; readonly [field: string]: unknown }

  constructor(cmd: string, error: RequestError['error']) {
    super(`${cmd}: ${JSON.stringify(error)}`)
    this.name = 'RequestError'
    this.error = error
  }
}

/** The program ended before it answered. */
export class GoneError extends Error {
  constructor(cmd: string) {
    super(`${cmd}: the agent is gone`)
    this.name = 'GoneError'
  }
}

interface Answer {
  resolve(result: Record<string, unknown>): void
  reject(error: Error): void
  readonly cmd: string
}

/** How many events may wait for the test before the agent waits. */
const EVENTS = 4096

/** An agent that is driven by JSON lines: ours, or any program that speaks the same lines. */
export class JsonlAgent {
  readonly child: LineChild
  readonly events = new BoundedQueue<AgentEventLine>(EVENTS)
  readonly #answers = new Map<number, Answer>()
  #nextId = 1

  constructor(child: LineChild) {
    this.child = child
    void this.#read()
  }

  /** Starts `parley agent --jsonl`. */
  static start(dataDir: string, servers: readonly string[], more: readonly string[] = []): JsonlAgent {
    const args = [PARLEY, 'agent', '--data', dataDir, '--smp', servers.join(','), '--jsonl', ...more]
    return new JsonlAgent(new LineChild(process.execPath, args))
  }

  /** Sends one command and waits for its answer. */
  request(cmd: string, fields: Readonly<Record<string, unknown>> = {}): Promise<Record<string, unknown>> {
    const id = this.#nextId++
    const { promise, resolve, reject } = Promise.withResolvers<Record<string, unknown>>()
    if (this.events.isClosed) return Promise.reject(new GoneError(cmd))
    this.#answers.set(id, { resolve, reject, cmd })
    this.child.writeLine(JSON.stringify({ id, cmd, ...fields }))
    return promise
  }

  /** The next event that `wanted` accepts; others are dropped. */
  async next(wanted: (event: AgentEventLine) => boolean): Promise<AgentEventLine> {
    for await (const event of this.events) if (wanted(event)) return event
    throw new GoneError(`waiting for an event\n${this.child.stderr}`)
  }

  async #read(): Promise<void> {
    for await (const line of this.child.lines) {
      const message = JSON.parse(line) as Record<string, unknown>
      if (typeof message.event === 'string') await this.events.put(message as AgentEventLine)
      else this.#answer(message)
    }
    for (const { reject, cmd } of this.#answers.values()) reject(new GoneError(cmd))
    this.#answers.clear()
    this.events.close()
  }

  #answer({ id, result, error }: Record<string, unknown>): void {
    const answer = this.#answers.get(id as number)
    if (!answer) return
    this.#answers.delete(id as number)
    if (error) answer.reject(new RequestError(answer.cmd, error as RequestError['error']))
    else answer.resolve((result ?? {}) as Record<string, unknown>)
  }
}
