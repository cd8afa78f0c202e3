import { BoundedQueue } from '@parley/core/queue'
import { LineChild, PARLEY } from './child.ts'

/** One event line: `docs/jsonl.md`. */
export interface AgentEventLine {
  readonly event: string
  /** Which line of the program's output it was: tells what came first, an event or an answer. */
  readonly line: number
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

/** The answer to a command. */
export interface AnswerLine {
  readonly result: Readonly<Record<string, unknown>>
  /** See {@link AgentEventLine.line}. */
  readonly line: number
}

interface Waiting {
  resolve(answer: AnswerLine): void
  reject(error: Error): void
  readonly cmd: string
}

/** How many events may wait for the test before the agent waits. */
const EVENTS = 4096

/** An agent that is driven by JSON lines: ours, or any program that speaks the same lines. */
export class JsonlAgent {
  readonly child: LineChild
  readonly events = new BoundedQueue<AgentEventLine>(EVENTS)
  readonly #waiting = new Map<number, Waiting>()
  #nextId = 1
  #line = 0

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
  ask(cmd: string, fields: Readonly<Record<string, unknown>> = {}): Promise<AnswerLine> {
    if (this.events.isClosed) return Promise.reject(new GoneError(cmd))
    const id = this.#nextId++
    const { promise, resolve, reject } = Promise.withResolvers<AnswerLine>()
    this.#waiting.set(id, { resolve, reject, cmd })
    this.child.writeLine(JSON.stringify({ id, cmd, ...fields }))
    return promise
  }

  /** Sends one command and waits for its result. */
  async request(cmd: string, fields: Readonly<Record<string, unknown>> = {}): Promise<AnswerLine['result']> {
    return (await this.ask(cmd, fields)).result
  }

  /** The next event that `wanted` accepts; others are dropped. */
  async next(wanted: (event: AgentEventLine) => boolean): Promise<AgentEventLine> {
    for await (const event of this.events) if (wanted(event)) return event
    throw new GoneError(`waiting for an event\n${this.child.stderr}`)
  }

  async #read(): Promise<void> {
    for await (const text of this.child.lines) {
      const message = JSON.parse(text) as Record<string, unknown>
      const line = ++this.#line
      if (typeof message.event === 'string') await this.events.put({ ...message, line } as AgentEventLine)
      else this.#answer(message, line)
    }
    // Closed first: who asks from now on is told at once.
    this.events.close()
    for (const { reject, cmd } of this.#waiting.values()) reject(new GoneError(cmd))
    this.#waiting.clear()
  }

  #answer({ id, result, error }: Record<string, unknown>, line: number): void {
    const waiting = this.#waiting.get(id as number)
    if (!waiting) return
    this.#waiting.delete(id as number)
    if (error) waiting.reject(new RequestError(waiting.cmd, error as RequestError['error']))
    else waiting.resolve({ result: (result ?? {}) as AnswerLine['result'], line })
  }
}
