import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { LoadPlan } from './load.ts'

const fileFromHere = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** A child process that says one line when it is ready. */
class Child {
  readonly process: ChildProcess
  readonly line: string
  /** Milliseconds from its start to the line. */
  readonly readyAfter: number

  private constructor(process: ChildProcess, line: string, readyAfter: number) {
    this.process = process
    this.line = line
    this.readyAfter = readyAfter
  }

  static async start(args: readonly string[]): Promise<Child> {
    const started = performance.now()
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    for await (const line of createInterface({ input: child.stdout })) {
      return new Child(child, line, performance.now() - started)
    }
    throw new Error(`${args.join(' ')} ended early`)
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    if (this.process.exitCode !== null) return
    const exited = once(this.process, 'exit')
    this.process.kill(signal)
    await exited
  }
}

/** The router under measurement, when it is ours: the program as it is delivered, in one file. */
export class RouterProcess {
  readonly address: string
  /** Milliseconds from the start of the process to listening. */
  readonly startTime: number
  readonly pid: number
  readonly #child: Child

  private constructor(child: Child) {
    this.#child = child
    this.address = child.line
    this.startTime = child.readyAfter
    this.pid = child.process.pid ?? 0
  }

  static async start(folder: string): Promise<RouterProcess> {
    const program = fileFromHere('../../packages/parley/dist/parley.js')
    return new RouterProcess(await Child.start([program, 'smp', 'serve', '--data', folder, '--port', '0']))
  }

  stop(): Promise<void> {
    return this.#child.end('SIGTERM')
  }
}

/** Makes the program from the sources as they are. */
export function buildProgram(): void {
  const { status } = spawnSync(process.execPath, [fileFromHere('../../scripts/bundle.mjs')], { stdio: 'inherit' })
  if (status !== 0) throw new Error('the program cannot be built')
}

/** Runs a load and, while what it opened is still open, `meanwhile`. */
export async function runLoad<T>(plan: LoadPlan, meanwhile?: () => Promise<void>): Promise<T> {
  const child = await Child.start(['--conditions=parley-source', fileFromHere('./load.ts'), JSON.stringify(plan)])
  try {
    await meanwhile?.()
    return JSON.parse(child.line) as T
  } finally {
    await child.end('SIGKILL')
  }
}

/** Resident memory of a process in MiB; undefined where the system does not say. */
export async function residentMemory(pid: number): Promise<number | undefined> {
  try {
    const kibibytes = /^VmRSS:\s+(\d+) kB/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]
    return kibibytes === undefined ? undefined : Number(kibibytes) / 1024
  } catch {
    return undefined
  }
}

/** Seconds of processor time that a process has used; undefined where the system does not say. */
export async function processorTime(pid: number): Promise<number | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // utime and stime, in the ticks of which every Linux has a hundred a second.
    return (Number(fields[11]) + Number(fields[12])) / 100
  } catch {
    return undefined
  }
}
