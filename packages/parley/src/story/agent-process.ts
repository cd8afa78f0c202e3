import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** One line that an agent prints: `docs/jsonl.md`. */
export interface AgentLine {
  readonly event?: string
  readonly id?: number
  readonly result?: Readonly<Record<string, unknown>>
  readonly error?: { readonly message: string }
  readonly [field: string]: unknown
}

const MAIN = fileURLToPath(new URL('../cli/main.ts', import.meta.url))

/** An agent in a process of its own, `parley agent --jsonl`, which can be killed. */
export class AgentProcess {
  readonly #child: ChildProcess
  readonly #answers = new Map<number, (line: AgentLine) => void>()
  readonly #onEvent: (line: AgentLine) => void
  #nextId = 1

  /** @param onEvent called for each event, in order */
  constructor(dataDir: string, server: string, onEvent: (line: AgentLine) => void) {
    const args = ['--conditions=parley-source', MAIN, 'agent', '--data', dataDir, '--smp', server, '--jsonl']
    this.#child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#onEvent = onEvent
    this.#read()
  }

  /** Number of the process. */
  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Runs one command and gives its result. */
  async request(cmd: string, fields: Readonly<Record<string, unknown>> = {}): Promise<AgentLine['result'] & {}> {
    const id = this.#nextId++
    const { promise, resolve } = Promise.withResolvers<AgentLine>()
    this.#answers.set(id, resolve)
    this.#child.stdin?.write(`${JSON.stringify({ id, cmd, ...fields })}\n`)
    const { result, error } = await promise
    if (!result) throw new Error(`${cmd}: ${error?.message ?? 'the agent ended'}`)
    return result
  }

  /** Acknowledges a message; one that is not acknowledged when the process is killed comes again. */
  acknowledge(fields: Readonly<Record<string, unknown>>): void {
    this.request('ackMessage', fields).catch(() => undefined)
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    if (!this.#isEnded) await once(this.#child, 'exit')
  }

  /** Nothing of it is left, also after a failure in the middle of the story. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  get #isEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** Lets it end by itself. */
  async stop(): Promise<void> {
    if (this.#isEnded) return
    const ended = once(this.#child, 'exit')
    this.#child.stdin?.end()
    await ended
  }

  async #read(): Promise<void> {
    if (!this.#child.stdout) return
    for await (const text of createInterface({ input: this.#child.stdout })) {
      const line = JSON.parse(text) as AgentLine
      if (line.event !== undefined) this.#onEvent(line)
      else if (line.id !== undefined) this.#answers.get(line.id)?.(line)
    }
    for (const answer of this.#answers.values()) answer({})
  }
}
