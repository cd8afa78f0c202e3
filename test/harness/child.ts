import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { BoundedQueue } from '@parley/core/queue'

/** The built program; `npm run build` makes it. */
export const PARLEY = fileURLToPath(new URL('../../packages/parley/dist/parley.js', import.meta.url))

/** How many lines of output may wait to be read before the child waits. */
const LINES = 1024

/** A program under test that talks in lines. */
export class LineChild {
  readonly process: ChildProcess
  /** Lines of standard output; closed when the program has ended. */
  readonly lines = new BoundedQueue<string>(LINES)
  /** What it wrote to standard error, for reports of failures. */
  stderr = ''
  /** Resolves with the exit code, or with the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals>

  constructor(program: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env })
    this.process = child
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-10_000)
    })
    // A killed child's pipe breaks; what matters is its exit.
    child.stdin.on('error', () => {})
    this.exited = once(child, 'close').then(([code, signal]) => (signal ?? code) as number | NodeJS.Signals)
    void this.#readLines()
  }

  async #readLines(): Promise<void> {
    const { stdout } = this.process
    if (!stdout) return
    try {
      for await (const line of createInterface({ input: stdout })) await this.lines.put(line)
    } finally {
      this.lines.close()
    }
  }

  writeLine(line: string): void {
    this.process.stdin?.write(`${line}\n`)
  }

  /** Ends it at once, as a power cut would. */
  async kill(): Promise<void> {
    this.process.kill('SIGKILL')
    await this.exited
  }

  /** Asks it to end and waits. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | NodeJS.Signals> {
    this.process.kill(signal)
    return this.exited
  }
}

/** A router in a process of its own. */
export interface RouterProcess {
  readonly child: LineChild
  readonly address: string
  readonly port: number
}

/** Starts `parley smp serve` and waits for its address. */
export async function startRouter(dataDir: string, port = 0): Promise<RouterProcess> {
  const args = [PARLEY, 'smp', 'serve', '--data', dataDir, '--port', `${port}`, '--json']
  const child = new LineChild(process.execPath, args)
  const line = await child.lines.take()
  if (line === undefined) throw new Error(`the router did not start: ${child.stderr}`)
  const { address, port: listening } = JSON.parse(line) as { address: string; port: number }
  return { child, address, port: listening }
}
