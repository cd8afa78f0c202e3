import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { LineChild, PARLEY } from '../harness/child.ts'

/** A set of original Python packages: where its Python is, where its `packages` are, and whose connections it has. */
interface PythonOriginals {
  readonly python: string
  readonly packages: string
  readonly vendor: 'valory' | 'fetchai'
}

const ROOT = process.env.PARLEY_ORIGINALS
const DRIVER = fileURLToPath(new URL('python/driver.py', import.meta.url))

/** The connections of open-aea (valory). */
export const OPEN_AEA = originals('acn/python', 'acn/open-aea', 'valory')
/** The connections of aea (fetch.ai). */
export const AEA = originals('acn/python-fetchai', 'acn/aea', 'fetchai')

function originals(python: string, packages: string, vendor: PythonOriginals['vendor']): PythonOriginals {
  const root = ROOT ?? ''
  return { python: join(root, python, 'bin/python'), packages: join(root, packages), vendor }
}

/** Why tests with these originals are skipped; false when they are not. */
export function without({ python, packages, vendor }: PythonOriginals): string | false {
  if (!ROOT) return 'PARLEY_ORIGINALS does not name the folder of the originals (see test/interop-acn/README.md)'
  const connections = join(packages, 'packages', vendor, 'connections')
  const missing = [python, connections, PARLEY].find((path) => !existsSync(path))
  return missing !== undefined && `there is no ${missing}`
}

/** How an agent attaches: with a node of its own (a peer, or a relay client), or at a node. */
export type AgentOptions = {
  readonly ledger?: 'fetchai' | 'cosmos' | 'ethereum'
} & (
  | { readonly kind: 'direct' | 'relay'; readonly program: string; readonly entryPeers?: readonly string[] }
  | { readonly kind: 'delegate' | 'mailbox'; readonly node: { readonly port: number; readonly publicKey: string } }
)

/** A started agent; what follows the address says where its node is, when it has one. */
export interface StartedAgent {
  readonly address: string
  readonly log: string
  readonly pid: number
  readonly publicKey: string
  readonly multiaddrs: readonly string[]
  readonly ports: {
    readonly libp2p: number
    readonly delegate: number
    readonly mailbox: number
    readonly monitoring: number
  }
  /** Where its node keeps what it knows. */
  readonly records: string
}

/** What became of one envelope: the milliseconds that it took, or what went wrong. */
export interface Passage {
  readonly from: string
  readonly to: string
  readonly ms?: number
  readonly failure?: string
}

/** Envelopes of every sender to every receiver, by their names. */
interface Burst {
  readonly senders: readonly string[]
  readonly receivers: readonly string[]
  /** Of each pair. */
  readonly each: number
}

/** Agents on original Python connections, in a process of their own. */
export class PythonAgents {
  readonly #child: LineChild
  readonly #context: TestContext
  #lastId = 0

  private constructor(context: TestContext, child: LineChild) {
    this.#context = context
    this.#child = child
  }

  /**
   * Ended, with all its agents and their nodes, after the test.
   * @param environment of the nodes that their connections start, besides what that writes into their env files
   */
  static async start(
    t: TestContext,
    { python, packages, vendor }: PythonOriginals,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<PythonAgents> {
    const folder = await mkdtemp(join(tmpdir(), 'parley-python-'))
    // Folders of installed packages are not written to.
    const env = { ...process.env, ...environment, PYTHONDONTWRITEBYTECODE: '1' }
    const child = new LineChild(python, [DRIVER, packages, vendor, folder], env)
    t.after(async () => {
      child.process.stdin?.end()
      await child.exited
      await rm(folder, { recursive: true, force: true })
    })
    return new PythonAgents(t, child)
  }

  /** Starts a new agent; one that was stopped, with its keys and ports, when only its name is given. */
  start(name: string, options?: AgentOptions): Promise<StartedAgent> {
    return this.#ask('start', { name, ...options })
  }

  stop(name: string): Promise<void> {
    return this.#ask('stop', { name })
  }

  /** Of its connection. */
  state(name: string): Promise<string> {
    return this.#ask('state', { name })
  }

  /** @param to name of an agent, or an address */
  send(name: string, to: string, text: string, sender?: string): Promise<void> {
    return this.#ask('send', { name, to, text, ...(sender !== undefined && { sender }) })
  }

  /** The text of the next envelope; null when none has come in time (seconds). */
  async receive(name: string, timeout = 20): Promise<string | null> {
    const arrived = await this.#ask<{ text: string } | null>('receive', { name, timeout })
    return arrived === null ? null : arrived.text
  }

  /** All ordered pairs, one envelope after the other. */
  exchange(names: readonly string[]): Promise<Passage[]> {
    return this.#ask('exchange', { names })
  }

  /** `each` envelopes of all ordered pairs at once; the faults name what is missing, out of order or came twice. */
  burst(
    names: readonly string[],
    each: number,
  ): Promise<{ delivered: number; seconds: number; faults: readonly unknown[] }> {
    return this.#ask('burst', { names, each })
  }

  /** Sends without waiting. @param burst its `run` is not that of another burst of the same pairs */
  sendAll(burst: Burst & { readonly run: string }): Promise<void> {
    return this.#ask('send_all', burst)
  }

  /** What came of runs, one after the other. */
  receiveAll(
    burst: Burst & { readonly runs: readonly string[] },
  ): Promise<{ delivered: number; faults: readonly unknown[] }> {
    return this.#ask('receive_all', burst)
  }

  /** Of all that was sent between its agents: what came byte for byte as it was sent, did not come so, came besides. */
  account(): Promise<{ same: number; missing: number; besides: number }> {
    return this.#ask('account', {})
  }

  async #ask<T>(what: string, fields: object): Promise<T> {
    this.#child.writeLine(JSON.stringify({ id: ++this.#lastId, do: what, ...fields }))
    const line = await this.#child.lines.take(this.#context.signal)
    if (line === undefined)
      throw new Error(
        `the Python program has ended (${this.#child.process.exitCode}, ${this.#child.process.signalCode}, ${this.#context.signal.aborted}):\n${this.#child.stderr}`,
      )
    const { result, error } = JSON.parse(line) as { result: T; error?: string }
    if (error !== undefined) throw new Error(`${what}: ${error}\n${this.#child.stderr}`)
    return result
  }
}

/** Makes a folder with our `libp2p_node`, as the build directory of a Python connection has it; removed after the test. */
export async function installOurs(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-installed-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  await promisify(execFile)(process.execPath, [PARLEY, 'acn', 'install-node', folder])
  return folder
}
