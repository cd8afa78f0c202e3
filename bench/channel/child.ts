import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { ChildReport, ChildRequest, ChildSetup } from './peer.ts'

const PROGRAM = fileURLToPath(new URL('./peer.ts', import.meta.url))

/** A process of the bench; what it says is kept until somebody asks for it. */
export class Child {
  readonly pid: number
  readonly #process: ChildProcess
  readonly #said: ChildReport[] = []
  readonly #waiting = new Set<() => void>()

  constructor(setup: ChildSetup) {
    this.#process = fork(PROGRAM, [JSON.stringify(setup)], { execArgv: ['--conditions=parley-source'] })
    this.pid = this.#process.pid ?? 0
    this.#process.on('message', (report: ChildReport) => {
      this.#said.push(report)
      this.#wake()
    })
    this.#process.on('exit', () => this.#wake())
  }

  ask(request: ChildRequest): void {
    this.#process.send(request)
  }

  /** Whether it has said something; forgotten then. */
  take<T extends ChildReport>(is: (report: ChildReport) => report is T): T | undefined {
    const index = this.#said.findIndex(is)
    return index < 0 ? undefined : (this.#said.splice(index, 1)[0] as T)
  }

  /** @throws Error when it ends before */
  async wait<T extends ChildReport>(is: (report: ChildReport) => report is T): Promise<T> {
    for (;;) {
      const report = this.take(is)
      if (report) return report
      if (this.#hasEnded) throw new Error('a process of the bench has ended')
      await new Promise<void>((resolve) => this.#waiting.add(resolve))
    }
  }

  async stop(): Promise<void> {
    if (this.#hasEnded) return
    const exited = once(this.#process, 'exit')
    this.#process.kill('SIGTERM')
    await exited
  }

  get #hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }
}
