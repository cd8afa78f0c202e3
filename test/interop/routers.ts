import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Originals } from './originals.ts'
import { freePort, type RunningProgram, type Workspace } from './workspace.ts'

export type Product = 'original' | 'parley'

export interface RouterSettings {
  readonly algorithm?: 'ed25519' | 'ed448'
  readonly password?: string
}

/** A router in a process of its own, in the original's program or in ours. */
export interface RouterProcess {
  readonly product: Product
  /** `smp://…`, with the password. */
  readonly address: string
  start(): Promise<void>
  /** Ends it in the hardest way in which it keeps accepted messages. */
  stop(): Promise<void>
}

/** The command line's source; run with the Node of the tests. */
const PARLEY = fileURLToPath(new URL('../../packages/parley/src/cli/main.ts', import.meta.url))

/** Arguments of `node` that run the command line from its sources. */
export function parleyArguments(...args: readonly string[]): string[] {
  return sourceArguments(PARLEY, ...args)
}

/** Arguments of `node` that run a program from its sources. */
export function sourceArguments(program: string, ...args: readonly string[]): string[] {
  return ['--conditions=parley-source', '--disable-warning=ExperimentalWarning', program, ...args]
}

/** The original smp-server. It saves messages on SIGINT only. */
export class OriginalRouter implements RouterProcess {
  readonly product = 'original'
  readonly address: string
  readonly #start: () => RunningProgram
  readonly #port: number
  #running: RunningProgram | undefined

  private constructor(address: string, port: number, start: () => RunningProgram) {
    this.address = address
    this.#port = port
    this.#start = start
  }

  static async create(
    workspace: Workspace,
    { smpServer }: Originals,
    name: string,
    { algorithm = 'ed25519', password }: RouterSettings = {},
  ): Promise<OriginalRouter> {
    const port = await freePort()
    const directory = await workspace.path(name)
    const env = {
      ...process.env,
      SMP_SERVER_CFG_PATH: join(directory, 'etc'),
      SMP_SERVER_LOG_PATH: join(directory, 'var'),
    }
    await mkdir(env.SMP_SERVER_CFG_PATH, { recursive: true })
    await mkdir(env.SMP_SERVER_LOG_PATH, { recursive: true })
    const withPassword = password === undefined ? ['--no-password'] : ['--password', password]
    const host = ['--ip', '127.0.0.1', '-n', '127.0.0.1']
    const options = ['init', '-y', ...host, ...withPassword, '--disable-web', '-a', algorithm.toUpperCase()]
    await promisify(execFile)(smpServer, options, { env })
    const ini = join(env.SMP_SERVER_CFG_PATH, 'smp-server.ini')
    await writeFile(ini, (await readFile(ini, 'utf8')).replace(/^port: .*|^port = .*/m, `port = ${port}`))
    const fingerprint = (await readFile(join(env.SMP_SERVER_CFG_PATH, 'fingerprint'), 'utf8')).trim()
    const address = `smp://${fingerprint}${password === undefined ? '' : `:${password}`}@127.0.0.1:${port}`
    return new OriginalRouter(address, port, () =>
      workspace.run(smpServer, ['start', '+RTS', '-N1', '-RTS'], { env, stdio: 'ignore' }),
    )
  }

  async start(): Promise<void> {
    this.#running = this.#start()
    let gone = false
    void this.#running.ended.then(() => {
      gone = true
    })
    // It tells nobody when it listens: its output is buffered.
    while (!(await accepts(this.#port))) {
      if (gone) throw new Error('the original smp-server does not start')
      await delay(50)
    }
  }

  async stop(): Promise<void> {
    await this.#running?.end('SIGINT')
  }
}

/** Our router: `parley smp serve`. Whatever it accepted is on disk, so it is killed. */
export class ParleyRouter implements RouterProcess {
  readonly product = 'parley'
  readonly #start: (port: number) => RunningProgram
  #address = ''
  #port = 0
  #running: RunningProgram | undefined

  private constructor(start: (port: number) => RunningProgram) {
    this.#start = start
  }

  static async create(workspace: Workspace, name: string, settings: RouterSettings = {}): Promise<ParleyRouter> {
    const data = await workspace.path(name)
    const password = settings.password === undefined ? [] : ['--password', settings.password]
    const algorithm = settings.algorithm === undefined ? [] : ['--algorithm', settings.algorithm]
    return new ParleyRouter((port) =>
      workspace.run(
        process.execPath,
        parleyArguments('smp', 'serve', '--data', data, '--port', String(port), ...password, ...algorithm),
        { stdio: ['ignore', 'pipe', 'inherit'] },
      ),
    )
  }

  get address(): string {
    return this.#address
  }

  async start(): Promise<void> {
    const running = this.#start(this.#port)
    this.#running = running
    const { stdout } = running.child
    if (!stdout) throw new Error('the router needs a pipe')
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    createInterface({ input: stdout }).once('line', resolve)
    void running.ended.then(() => reject(new Error('our router does not start')))
    this.#address = await promise
    this.#port = Number(this.#address.slice(this.#address.lastIndexOf(':') + 1))
  }

  async stop(): Promise<void> {
    await this.#running?.end('SIGKILL')
  }
}

function accepts(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = connect(port, '127.0.0.1')
  socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
  return promise.finally(() => socket.destroy())
}
