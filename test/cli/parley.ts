import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after } from 'node:test'
import { fileURLToPath } from 'node:url'

/** The program as users start it. */
export const LAUNCHER = fileURLToPath(new URL('../../packages/parley/bin/parley.js', import.meta.url))

/** Node options that make the launcher believe it runs on Node 20, so that it starts the bundled one. */
export const AS_OLD_NODE = [
  '--import',
  `data:text/javascript,Object.defineProperty(process.versions,'node',{value:'20.0.0'})`,
]

/** How a program ended: its exit code, or the signal that ended it. */
export type Ending = number | NodeJS.Signals

export interface Finished {
  readonly code: Ending
  readonly stdout: string
  readonly stderr: string
}

/** Options of {@link spawnParley}. */
export interface SpawnOptions {
  readonly nodeOptions?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

/** Programs that a test has started; what still runs at its end is killed. */
const running = new Set<ChildProcessWithoutNullStreams>()
const killRest = () => {
  for (const child of running) child.kill('SIGKILL')
}
process.on('exit', killRest)
// A program that a failed test has left behind would keep this process alive for ever.
after(() => void setTimeout(killRest, 20_000).unref())

/** Starts the program. */
export function spawnParley(args: readonly string[], options: SpawnOptions = {}): ChildProcessWithoutNullStreams {
  const { nodeOptions = [], env = {}, cwd } = options
  const child = spawn(process.execPath, [...nodeOptions, LAUNCHER, ...args], {
    stdio: 'pipe',
    env: { ...process.env, ...env },
    ...(cwd !== undefined && { cwd }),
  })
  running.add(child)
  child.once('exit', () => running.delete(child))
  // Input that the program does not read any more is no fault of the test.
  child.stdin.on('error', () => {})
  return child
}

/** Runs the program to its end. */
export async function runParley(
  args: readonly string[],
  { input = '', ...options }: SpawnOptions & { readonly input?: string | Uint8Array } = {},
): Promise<Finished> {
  const child = spawnParley(args, options)
  child.stdin.end(input)
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  return { code: await ending(child), stdout, stderr }
}

/** How the program ends, once all its output is read. */
export async function ending(child: ChildProcessWithoutNullStreams): Promise<Ending> {
  const [code, signal] = (await once(child, 'close')) as [number, NodeJS.Signals | null]
  return signal ?? code
}

/** A folder for the tests of one file, gone when its process ends: after every program that works in it. */
export function folderForTests(): (...parts: string[]) => string {
  const folder = mkdtempSync(join(tmpdir(), 'parley-cli-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }))
  return (...parts) => join(folder, ...parts)
}

/** A router in a process of its own. It keeps its port when it is started again. */
export class RouterProcess {
  readonly #args: readonly string[]
  #child: ChildProcessWithoutNullStreams | undefined
  #address = ''
  #port = 0

  private constructor(dataDir: string, more: readonly string[]) {
    this.#args = ['smp', 'serve', '--data', dataDir, '--json', ...more]
  }

  /** Starts a router on any free port. */
  static async start(dataDir: string, more: readonly string[] = []): Promise<RouterProcess> {
    const router = new RouterProcess(dataDir, more)
    await router.start()
    return router
  }

  /** `smp://…` */
  get address(): string {
    return this.#address
  }

  async start(): Promise<void> {
    const child = spawnParley([...this.#args, '--port', `${this.#port}`])
    this.#child = child
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    for await (const line of createInterface({ input: child.stdout })) {
      const { address, port } = JSON.parse(line) as { address: string; port: number }
      this.#address = address
      this.#port = port
      return
    }
    throw new Error(`the router did not start: ${stderr}`)
  }

  /** Ends it and says how it ended. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ending> {
    const child = this.#child
    if (!child) throw new Error('the router does not run')
    this.#child = undefined
    const ended = ending(child)
    child.kill(signal)
    return ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child) await this.stop('SIGKILL')
  }
}
