import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'

/** The program as users start it. */
export const LAUNCHER = fileURLToPath(new URL('../../bin/parley.js', import.meta.url))

/** Node options that make the launcher believe it runs on Node 20, so that it starts the bundled one. */
export const AS_OLD_NODE = [
  '--import',
  `data:text/javascript,Object.defineProperty(process.versions,'node',{value:'20.0.0'})`,
]

export interface Finished {
  /** Exit code, or the signal that ended it. */
  readonly code: number | NodeJS.Signals
  readonly stdout: string
  readonly stderr: string
}

/** Starts `parley` with its arguments. */
export function startParley(
  args: readonly string[],
  nodeOptions: readonly string[] = [],
): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [...nodeOptions, LAUNCHER, ...args], { stdio: 'pipe' })
}

/** Runs `parley` to its end. */
export async function runParley(
  args: readonly string[],
  { input = '', nodeOptions = [] }: { readonly input?: string; readonly nodeOptions?: readonly string[] } = {},
): Promise<Finished> {
  const child = startParley(args, nodeOptions)
  child.stdin.end(input)
  return finish(child)
}

/** Gathers the output of a program until it ends. */
export async function finish(child: ChildProcessWithoutNullStreams): Promise<Finished> {
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const [code, signal] = (await once(child, 'close')) as [number, NodeJS.Signals | null]
  return { code: signal ?? code, stdout, stderr }
}

/** The first line that a program prints. */
export async function firstLine(child: ChildProcessWithoutNullStreams): Promise<string> {
  for await (const line of createInterface({ input: child.stdout })) return line
  throw new Error('the program ended without a line')
}

/** A program whose lines are read one by one; killed after the test when it still runs. */
export class RunningParley {
  readonly child: ChildProcessWithoutNullStreams
  readonly ended: Promise<Finished>
  readonly #lines: AsyncIterator<string>

  constructor(t: TestContext, args: readonly string[]) {
    this.child = startParley(args)
    t.after(() => this.child.kill('SIGKILL'))
    this.#lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]()
    this.ended = finish(this.child)
  }

  async line(): Promise<string> {
    const { value, done } = await this.#lines.next()
    if (done) throw new Error(`the program ended: ${(await this.ended).stderr}`)
    return value
  }

  async until(wanted: string): Promise<string[]> {
    const lines: string[] = []
    for (let line = await this.line(); line !== wanted; line = await this.line()) lines.push(line)
    return lines
  }

  async stop(): Promise<Finished> {
    this.child.kill('SIGTERM')
    return this.ended
  }
}
