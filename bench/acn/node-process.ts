import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type AgentRecord, ENV } from '@parley/acn/protocol'
import { createRecord, LEDGERS, PeerKey } from '@parley/acn/record'
import { toHex } from '@parley/core/encoding'
import { PlainAgent } from './plain-agent.ts'

/** The node's own program, as it is delivered. */
const OWN_PROGRAM = fileURLToPath(new URL('../../packages/parley/bin/libp2p_node.js', import.meta.url))
const START_TIME = 30_000
const LOOK_AGAIN = 2

/** A program that takes an env file as its only argument. */
export interface Program {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
}

/** Ours: the bundled program under this Node. */
export const OWN: Program = {
  name: 'parley',
  command: process.execPath,
  args: [...(process.env.BENCH_NODE_OPTIONS?.split(' ') ?? []), OWN_PROGRAM],
}

/** How a node is started. */
export interface NodeOptions {
  readonly program: Program
  /** Folder in which the node gets one of its own. */
  readonly folder: string
  readonly entryPeers?: readonly string[]
  /** Whether it has an agent of its own, at its pipe. */
  readonly hasAgent?: boolean
  readonly isMonitored?: boolean
}

/** A node in a process of its own, with a delegate service on loopback; its output goes into a file, as its starter's does. */
export class NodeProcess {
  readonly key: PeerKey
  readonly pid: number
  readonly delegatePort: number
  readonly monitoringPort: number
  readonly multiaddr: string
  /** Milliseconds from the start of the process to the list of its addresses. */
  readonly startTime: number
  /** The agent at its pipe, when it has one. */
  readonly agent: PlainAgent | undefined
  readonly #child: ChildProcess
  readonly #folder: string

  private constructor(started: Started) {
    this.key = started.key
    this.pid = started.child.pid ?? 0
    this.delegatePort = started.delegate
    this.monitoringPort = started.monitoring
    this.multiaddr = `/dns4/127.0.0.1/tcp/${started.listen}/p2p/${started.key.peerId}`
    this.startTime = started.startTime
    this.agent = started.agent
    this.#child = started.child
    this.#folder = started.folder
  }

  /** Starts a node and waits until it is ready; on other ports when somebody has taken one meanwhile. */
  static async start(options: NodeOptions): Promise<NodeProcess> {
    try {
      return await NodeProcess.#startOnce(options)
    } catch {
      return NodeProcess.#startOnce(options)
    }
  }

  static async #startOnce({ program, entryPeers = [], ...options }: NodeOptions): Promise<NodeProcess> {
    const folder = join(options.folder, randomBytes(6).toString('hex'))
    await mkdir(folder)
    const privateKey = randomBytes(32)
    const key = new PeerKey(privateKey)
    const [listen = 0, delegate = 0, monitoring = 0] = await freePorts(3)
    const record = newRecord(key)
    const pipe = options.hasAgent ? await PlainAgent.pipe(record.address) : undefined
    const envFile = join(folder, 'node.env')
    await writeFile(
      envFile,
      textOf({
        [ENV.peerKey]: toHex(privateKey),
        [ENV.listen]: `127.0.0.1:${listen}`,
        [ENV.publicUri]: `127.0.0.1:${listen}`,
        [ENV.delegate]: `127.0.0.1:${delegate}`,
        [ENV.entryPeers]: entryPeers.join(','),
        [ENV.storagePath]: join(folder, 'records'),
        ...(options.isMonitored && { [ENV.monitoring]: `127.0.0.1:${monitoring}` }),
        ...(pipe && agentVariables(record, pipe.port)),
      }),
    )
    const logFile = join(folder, 'log')
    const log = await open(logFile, 'w')
    const started = performance.now()
    const child = spawn(program.command, [...program.args, envFile], {
      cwd: folder,
      stdio: ['ignore', log.fd, log.fd],
    })
    await log.close()
    try {
      await ready(child, logFile, started)
      const startTime = performance.now() - started
      const agent = await pipe?.connected
      return new NodeProcess({ key, child, folder, listen, delegate, monitoring, startTime, agent })
    } catch (error) {
      child.kill('SIGKILL')
      throw error
    }
  }

  /** A new agent of this node, at its delegate port. */
  newDelegate(): Promise<PlainAgent> {
    return PlainAgent.delegate(newRecord(this.key), this.delegatePort)
  }

  /** Sum (microseconds) and count of the look-ups that it has made, from its metrics. */
  async lookups(): Promise<{ readonly sum: number; readonly count: number }> {
    const text = await (await fetch(`http://127.0.0.1:${this.monitoringPort}/metrics`)).text()
    const value = (name: string) => Number(new RegExp(`^${name} (\\S+)`, 'm').exec(text)?.[1] ?? Number.NaN)
    return { sum: value('acn_dht_op_latency_lookup_sum'), count: value('acn_dht_op_latency_lookup_count') }
  }

  async stop(): Promise<void> {
    this.agent?.close()
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = once(this.#child, 'exit')
      this.#child.kill('SIGTERM')
      await exited
    }
    await rm(this.#folder, { recursive: true, force: true })
  }
}

/** A record of a new agent for a peer. */
export function newRecord({ publicKeyHex }: PeerKey): AgentRecord {
  const [ledger] = LEDGERS
  if (!ledger) throw new Error('no ledger')
  return createRecord(ledger, { privateKey: randomBytes(32), peerPublicKey: publicKeyHex })
}

interface Started {
  readonly key: PeerKey
  readonly child: ChildProcess
  readonly folder: string
  readonly listen: number
  readonly delegate: number
  readonly monitoring: number
  readonly startTime: number
  readonly agent: PlainAgent | undefined
}

/** Looks into the log, as those who start a node do. */
async function ready(child: ChildProcess, logFile: string, started: number): Promise<void> {
  for (;;) {
    const text = await readFile(logFile, 'utf8')
    if (text.includes('MULTIADDRS_LIST_END')) return
    const isLate = performance.now() - started > START_TIME
    if (child.exitCode !== null || isLate) throw new Error(`a node did not start:\n${text.slice(-2000)}`)
    await delay(LOOK_AGAIN)
  }
}

function agentVariables(record: AgentRecord, port: number): Record<string, string> {
  return {
    [ENV.agentAddress]: record.address,
    [ENV.toNode]: String(port),
    [ENV.toAgent]: String(port),
    [ENV.recordAddress]: record.address,
    [ENV.recordPublicKey]: record.publicKey,
    [ENV.recordPeerPublicKey]: record.peerPublicKey,
    [ENV.recordSignature]: record.signature,
    [ENV.recordServiceId]: record.serviceId,
    [ENV.recordLedgerId]: record.ledgerId,
  }
}

function textOf(values: Record<string, string>): string {
  return Object.entries(values)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports: number[] = []
  for (const server of servers) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (typeof address === 'object' && address) ports.push(address.port)
  }
  for (const server of servers) server.close()
  return ports
}
