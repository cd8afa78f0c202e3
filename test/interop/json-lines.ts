import { createInterface } from 'node:readline'
import type { RunningProgram } from './workspace.ts'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
export type JsonObject = { readonly [key: string]: Json }

/** Milliseconds to wait for an answer or an event. */
export const WAIT = 60_000

/** How many past lines a failure shows. */
const SHOWN_LINES = 12

/** A command was answered with an error. */
export class CommandError extends Error {
  readonly error: Json
  /** The connection that a failed join has left behind, to go on with. */
  readonly connId: string | undefined

  constructor(command: string, { error = null, connId }: JsonObject) {
    super(`${command}: ${JSON.stringify(error)}`)
    this.name = 'CommandError'
    this.error = error
    this.connId = typeof connId === 'string' ? connId : undefined
  }

  /** True when the router could not be reached. */
  get isNetworkError(): boolean {
    return JSON.stringify(this.error).includes('"type":"BROKER"')
  }
}

/** Nothing came in time. */
export class WaitError extends Error {
  override name = 'WaitError'
}

interface Waiter {
  readonly matches: (line: JsonObject) => boolean
  resolve(line: JsonObject): void
  reject(error: Error): void
}

/** Talks to a program in JSON lines: commands with an `id` on its input; answers and events on its output. */
export class JsonLinesProgram {
  readonly name: string
  readonly #program: RunningProgram
  readonly #answers = new Map<number, Waiter>()
  readonly #waiters = new Set<Waiter>()
  readonly #events: JsonObject[] = []
  readonly #recent: string[] = []
  #errors = ''
  #lastId = 0
  #gone = false

  /** @param events events of an earlier run that nobody has waited for */
  constructor(name: string, program: RunningProgram, events: readonly JsonObject[] = []) {
    this.name = name
    this.#program = program
    this.#events.push(...events)
    const { stdin, stdout, stderr } = program.child
    if (!stdin || !stdout || !stderr) throw new Error('the program needs pipes')
    stdin.on('error', () => {})
    createInterface({ input: stdout }).on('line', (line) => this.#receive(line))
    stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-4000)
    })
    void program.ended.then(() => this.#end())
  }

  /** Runs a command. Throws CommandError when the program answers with an error. */
  async call(command: string, args: JsonObject = {}, timeout = WAIT): Promise<JsonObject> {
    const id = ++this.#lastId
    const { promise, resolve, reject } = Promise.withResolvers<JsonObject>()
    this.#answers.set(id, { matches: () => true, resolve, reject })
    this.#program.child.stdin?.write(`${JSON.stringify({ id, cmd: command, ...args })}\n`)
    if (this.#gone) this.#end()
    const answer = await this.#within(timeout, promise, () => `no answer to ${command} ${JSON.stringify(args)}`)
    this.#answers.delete(id)
    if ('error' in answer) throw new CommandError(`${this.name} ${command}`, answer)
    return (answer.result ?? {}) as JsonObject
  }

  /** The first event, come already or still to come, with this name and these fields; it is given once. */
  async event(name: string, fields: JsonObject = {}, timeout = WAIT): Promise<JsonObject> {
    const matches = (event: JsonObject) =>
      event.event === name && Object.entries(fields).every(([key, value]) => event[key] === value)
    const at = this.#events.findIndex(matches)
    if (at >= 0) return this.#events.splice(at, 1)[0] as JsonObject
    const { promise, resolve, reject } = Promise.withResolvers<JsonObject>()
    const waiter: Waiter = { matches, resolve, reject }
    this.#waiters.add(waiter)
    if (this.#gone) this.#end()
    try {
      return await this.#within(timeout, promise, () => `no ${name} ${JSON.stringify(fields)}`)
    } finally {
      this.#waiters.delete(waiter)
    }
  }

  /** Events that nobody has waited for. */
  get unread(): readonly JsonObject[] {
    return this.#events
  }

  /** True once it has ended. */
  get isGone(): boolean {
    return this.#gone
  }

  end(signal: NodeJS.Signals): Promise<void> {
    return this.#program.end(signal)
  }

  get ended(): Promise<void> {
    return this.#program.ended
  }

  #receive(text: string): void {
    this.#recent.push(text.slice(0, 200))
    if (this.#recent.length > SHOWN_LINES) this.#recent.shift()
    const line = JSON.parse(text) as JsonObject
    if (!('event' in line)) {
      this.#answers.get(line.id as number)?.resolve(line)
      return
    }
    const waiter = [...this.#waiters].find(({ matches }) => matches(line))
    if (!waiter) {
      this.#events.push(line)
      return
    }
    this.#waiters.delete(waiter)
    waiter.resolve(line)
  }

  #end(): void {
    this.#gone = true
    const error = new Error(`${this.name} is gone${this.#said()}`)
    for (const waiter of [...this.#answers.values(), ...this.#waiters]) waiter.reject(error)
    this.#answers.clear()
    this.#waiters.clear()
  }

  async #within<T>(timeout: number, promise: Promise<T>, what: () => string): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new WaitError(`${this.name}: ${what()}${this.#said()}`)), timeout)
    })
    try {
      return await Promise.race([promise, late])
    } finally {
      clearTimeout(timer)
    }
  }

  #said(): string {
    const waiting = this.#events.map((event) => JSON.stringify(event).slice(0, 200)).slice(-SHOWN_LINES)
    return [
      '',
      `  last lines of ${this.name}:`,
      ...this.#recent,
      '  events nobody waited for:',
      ...waiting,
      ...(this.#errors ? ['  standard error:', this.#errors] : []),
    ].join('\n  ')
  }
}
