import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { createInterface } from 'node:readline'
import { type Ending, ending, type SpawnOptions, spawnParley } from './parley.ts'

/** Any line that the agent prints. */
export type Line = Readonly<Record<string, unknown>>

/** An event line. */
export interface EventLine extends Line {
  readonly event: string
  readonly connId: string
  readonly msgId: number
}

/** The `error` field of an answer. */
export interface ErrorField extends Line {
  readonly type: string
  readonly message: string
}

/** The answer to a command: one of the two fields. */
export interface Answer extends Line {
  readonly result?: Readonly<Record<string, never>>
  readonly error?: ErrorField
}

/** A condition on a line. */
type Condition = (line: EventLine) => boolean

interface Waiting {
  readonly condition: Condition
  resolve(line: EventLine): void
  reject(error: Error): void
}

/** `parley agent --jsonl` in a process of its own. Every line that it prints is kept. */
export class JsonlProcess {
  readonly child: ChildProcessWithoutNullStreams
  /** All lines in order. */
  readonly lines: Line[] = []
  stderr = ''
  /** Resolves when the process has ended and all its lines are here. */
  readonly ended: Promise<Ending>
  readonly #waiting = new Set<Waiting>()
  #isEnded = false
  #nextId = 1
  /** Events before this line were looked at by {@link next}. */
  #read = 0

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.child = child
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    const code = ending(child)
    this.ended = this.#readLines().then(() => code)
  }

  static start(
    dataDir: string,
    servers: string,
    more: readonly string[] = [],
    options: SpawnOptions = {},
  ): JsonlProcess {
    return new JsonlProcess(spawnParley(['agent', '--data', dataDir, '--smp', servers, '--jsonl', ...more], options))
  }

  async #readLines(): Promise<void> {
    for await (const text of createInterface({ input: this.child.stdout })) {
      const line = JSON.parse(text) as EventLine
      this.lines.push(line)
      for (const waiting of this.#waiting) {
        if (!waiting.condition(line)) continue
        this.#waiting.delete(waiting)
        waiting.resolve(line)
      }
    }
    this.#isEnded = true
    for (const { reject } of this.#waiting) reject(this.#gone())
  }

  #gone(): Error {
    return new Error(`the agent ended; lines: ${JSON.stringify(this.lines.slice(-20))}; errors: ${this.stderr}`)
  }

  /** Writes a line as it is. */
  write(line: string | Uint8Array): void {
    this.child.stdin.write(line)
    this.child.stdin.write('\n')
  }

  /** The first line from `since` on that fulfils the condition, also one that is there already. */
  line(condition: Condition, since = 0): Promise<EventLine> {
    const found = this.lines.slice(since).find((line) => condition(line as EventLine))
    if (found) return Promise.resolve(found as EventLine)
    if (this.#isEnded) return Promise.reject(this.#gone())
    const { promise, resolve, reject } = Promise.withResolvers<EventLine>()
    this.#waiting.add({ condition, resolve, reject })
    return promise
  }

  /** Sends a command and gives the whole answer. */
  ask(cmd: string, fields: Line = {}): Promise<Answer> {
    const id = `request ${this.#nextId++}`
    const answer = this.line((line) => line.id === id)
    this.write(JSON.stringify({ id, cmd, ...fields }))
    return answer as Promise<unknown> as Promise<Answer>
  }

  /** Sends a command that must succeed and gives its result. */
  async request<T = Readonly<Record<string, unknown>>>(cmd: string, fields: Line = {}): Promise<T> {
    const { result, error } = await this.ask(cmd, fields)
    if (!result) throw new Error(`${cmd} failed: ${JSON.stringify(error)}`)
    return result as T
  }

  /** Sends a command that must fail and gives the error. */
  async refused(cmd: string, fields: Line = {}): Promise<ErrorField> {
    const { result, error } = await this.ask(cmd, fields)
    if (!error) throw new Error(`${cmd} succeeded: ${JSON.stringify(result)}`)
    return error
  }

  /** The next event with this name after those that this method gave before. */
  async next(event: string, condition: Condition = () => true): Promise<EventLine> {
    const line = await this.line((one) => one.event === event && condition(one), this.#read)
    this.#read = this.lines.indexOf(line) + 1
    return line
  }

  /** All events with this name so far. */
  events(event: string): EventLine[] {
    return this.lines.filter((line) => line.event === event) as EventLine[]
  }

  /** Ends its input and says how it ended. */
  async end(): Promise<Ending> {
    this.child.stdin.end()
    return this.ended
  }

  /** Ends it as a power cut would. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<Ending> {
    this.child.kill(signal)
    return this.ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }
}

/** Both ends of a connection. */
export interface Connected {
  /** The inviting side's id. */
  readonly a: string
  /** The joining side's id. */
  readonly b: string
}

/** Connects two agents by an invitation. */
export async function connect(a: JsonlProcess, b: JsonlProcess, pq = true): Promise<Connected> {
  const { connId, link } = await a.request<{ connId: string; link: string }>('createConnection', {
    mode: 'invitation',
    pq,
  })
  const joined = await b.request<{ connId: string }>('joinConnection', { link, info: 'B', pq })
  const { confId } = await a.line((line) => line.event === 'CONF' && line.connId === connId)
  await a.request('allowConnection', { connId, confId, info: 'A' })
  await Promise.all([
    a.line((line) => line.event === 'CON' && line.connId === connId),
    b.line((line) => line.event === 'CON' && line.connId === joined.connId),
  ])
  return { a: connId, b: joined.connId }
}
