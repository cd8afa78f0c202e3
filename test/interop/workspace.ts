import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** How long a process may take to end after a signal, milliseconds. */
const END_TIMEOUT = 20_000

/** A program that runs for the tests. */
export interface RunningProgram {
  readonly child: ChildProcess
  /** Resolves when it has ended, however it ended. */
  readonly ended: Promise<void>
  /** Sends a signal and waits for the end; SIGKILL follows when it takes too long. */
  end(signal: NodeJS.Signals): Promise<void>
}

/** A temporary folder and the programs that work in it: `close` leaves neither behind. */
export class Workspace implements AsyncDisposable {
  readonly #root: string
  readonly #programs = new Set<RunningProgram>()
  readonly #killAll = () => {
    for (const { child } of this.#programs) child.kill('SIGKILL')
  }

  private constructor(root: string) {
    this.#root = root
    process.on('exit', this.#killAll)
  }

  static async create(): Promise<Workspace> {
    return new Workspace(await mkdtemp(join(tmpdir(), 'parley-interop-')))
  }

  /** Path inside the folder; the directories above it exist. */
  async path(...names: [string, ...string[]]): Promise<string> {
    const path = join(this.#root, ...names)
    await mkdir(join(path, '..'), { recursive: true })
    return path
  }

  /** Starts a program that is killed when the workspace closes. */
  run(program: string, args: readonly string[], options: SpawnOptions = {}): RunningProgram {
    const child = spawn(program, args, options)
    const ended = Promise.withResolvers<void>()
    const running: RunningProgram = {
      child,
      ended: ended.promise,
      end: async (signal) => {
        child.kill(signal)
        const timer = setTimeout(() => child.kill('SIGKILL'), END_TIMEOUT)
        await running.ended
        clearTimeout(timer)
      },
    }
    const finish = () => {
      this.#programs.delete(running)
      ended.resolve()
    }
    child.once('close', finish).once('error', finish)
    this.#programs.add(running)
    return running
  }

  async close(): Promise<void> {
    await Promise.all([...this.#programs].map((program) => program.end('SIGKILL')))
    process.off('exit', this.#killAll)
    if (!process.env.PARLEY_INTEROP_KEEP) await rm(this.#root, { recursive: true, force: true })
    else process.stdout.write(`kept ${this.#root}\n`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** A port of loopback that nothing listens on now: the originals cannot choose one themselves. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
