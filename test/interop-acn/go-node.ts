import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type AgentRecord, ENV } from '@parley/acn/protocol'
import { PeerKey } from '@parley/acn/record'
import { toHex } from '@parley/core/encoding'

const ROOT = process.env.PARLEY_ORIGINALS
/** The original node, `libp2p_node` of valory-xyz/open-acn. */
export const GO_NODE = ROOT ? join(ROOT, 'acn/bin/libp2p_node') : ''

/** Why tests with the original node are skipped; false when they are not. */
export const WITHOUT_GO_NODE: string | false = ROOT
  ? !existsSync(GO_NODE) && `there is no ${GO_NODE}`
  : 'PARLEY_ORIGINALS does not name the folder of the originals (acn/bin/libp2p_node in it)'

/** The original node of the older generation, `libp2p_node` of fetchai/agents-aea, on go-libp2p 0.8. */
export const OLD_GO_NODE = ROOT ? join(ROOT, 'acn/bin/libp2p_node_old') : ''

/** Why tests with the older node are skipped; false when they are not. */
export const WITHOUT_OLD_GO_NODE: string | false = ROOT
  ? !existsSync(OLD_GO_NODE) && `there is no ${OLD_GO_NODE}`
  : 'PARLEY_ORIGINALS does not name the folder of the originals (acn/bin/libp2p_node_old in it)'

/** Output kept for the report of a failure. */
const KEPT_OUTPUT = 20_000
const START_TIME = 20_000

/** How an original node is started. */
export interface GoNodeOptions {
  readonly privateKey: Uint8Array
  /** The program; {@link GO_NODE} when absent. */
  readonly program?: string
  /** Multiaddrs with `/p2p/`. */
  readonly entryPeers?: readonly string[]
  /** True for a relay client. */
  readonly isClient?: boolean
  /** The agent that waits for the node on a port. */
  readonly pipe?: { readonly port: number; readonly record: AgentRecord }
  /** Ports of an earlier run, to start it again where it was. */
  readonly ports?: GoNodePorts
}

export interface GoNodePorts {
  readonly libp2p: number
  readonly delegate: number
}

/** A running original node. */
export class GoNode {
  readonly key: PeerKey
  readonly ports: GoNodePorts
  readonly #process: ChildProcess
  readonly #folder: string
  readonly #output: string[] = []

  private constructor(key: PeerKey, ports: GoNodePorts, process: ChildProcess, folder: string) {
    this.key = key
    this.ports = ports
    this.#process = process
    this.#folder = folder
  }

  /** Starts a node and waits until it says where it is. */
  static async start(options: GoNodeOptions): Promise<GoNode> {
    const ports = options.ports ?? { libp2p: await freePort(), delegate: await freePort() }
    const folder = await mkdtemp(join(tmpdir(), 'parley-go-node-'))
    const envFile = join(folder, 'node.env')
    await writeFile(envFile, envFileOf(options, ports, folder))
    const child = spawn(options.program ?? GO_NODE, [envFile], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
    const node = new GoNode(new PeerKey(options.privateKey), ports, child, folder)
    await node.#ready()
    return node
  }

  /** `/dns4/127.0.0.1/tcp/…/p2p/…` */
  get multiaddr(): string {
    return `/dns4/127.0.0.1/tcp/${this.ports.libp2p}/p2p/${this.key.peerId}`
  }

  /** The last of what the node printed. */
  get output(): string {
    return this.#output.join('\n').slice(-KEPT_OUTPUT)
  }

  /** Ends it and removes its files. */
  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.#process.kill('SIGTERM')
      await once(this.#process, 'exit')
    }
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #ready(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const { stdout, stderr } = this.#process
    for (const stream of [stdout, stderr]) {
      if (!stream) continue
      createInterface({ input: stream }).on('line', (line) => {
        this.#output.push(line)
        if (this.#output.length > 1000) this.#output.shift()
        if (line.includes('MULTIADDRS_LIST_END')) resolve()
      })
    }
    const fail = (reason: string) => reject(new Error(`original node ${reason}:\n${this.output}`))
    this.#process.once('exit', () => fail('ended'))
    const timer = setTimeout(() => fail('is not ready'), START_TIME)
    try {
      await promise
    } catch (error) {
      await this.stop()
      throw error
    } finally {
      clearTimeout(timer)
    }
  }
}

function envFileOf(options: GoNodeOptions, { libp2p, delegate }: GoNodePorts, folder: string): string {
  const { privateKey, entryPeers = [], isClient = false, pipe } = options
  const uri = `127.0.0.1:${libp2p}`
  const values: Record<string, string> = {
    [ENV.peerKey]: toHex(privateKey),
    [ENV.listen]: uri,
    [ENV.publicUri]: isClient ? '' : uri,
    [ENV.delegate]: isClient ? '' : `127.0.0.1:${delegate}`,
    [ENV.entryPeers]: entryPeers.join(','),
    [ENV.storagePath]: join(folder, 'records'),
    ...(pipe && {
      [ENV.agentAddress]: pipe.record.address,
      [ENV.toNode]: String(pipe.port),
      [ENV.toAgent]: String(pipe.port),
      [ENV.recordAddress]: pipe.record.address,
      [ENV.recordPublicKey]: pipe.record.publicKey,
      [ENV.recordPeerPublicKey]: pipe.record.peerPublicKey,
      [ENV.recordSignature]: pipe.record.signature,
      [ENV.recordServiceId]: pipe.record.serviceId,
      [ENV.recordLedgerId]: pipe.record.ledgerId,
    }),
  }
  return Object.entries(values)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')
}

async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address ? address.port : 0
}
