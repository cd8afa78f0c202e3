import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { AgentRecord } from '@parley/acn/protocol'
import { PeerKey } from '@parley/acn/record'

const MAIN = fileURLToPath(new URL('../cli/main.ts', import.meta.url))

/** The agent at a node's pipe. */
export interface OwnAgent {
  readonly record: AgentRecord
  /** On which the agent listens for its node. */
  readonly port: number
}

/** What a node is started with. */
export interface PeerProcessOptions {
  /** For people. */
  readonly name: string
  /** Folder for its files. */
  readonly folder: string
  readonly entryPeers: readonly PeerProcess[]
  /** A relay client cannot be connected to and has no services. */
  readonly isRelayClient?: boolean
}

/** `parley acn ENV_FILE` in a process of its own, which can be killed. */
export class PeerProcess {
  readonly name: string
  readonly key = new PeerKey(randomBytes(32))
  delegatePort = 0
  mailboxPort = 0
  #port = 0
  readonly #options: PeerProcessOptions
  #child: ChildProcess | undefined

  constructor(options: PeerProcessOptions) {
    this.#options = options
    this.name = options.name
  }

  get multiaddr(): string {
    return `/dns4/127.0.0.1/tcp/${this.#port}/p2p/${this.key.peerId}`
  }

  /** Starts the node; resolves when it has printed where it can be reached. */
  async start(agent?: OwnAgent): Promise<void> {
    ;[this.#port, this.delegatePort, this.mailboxPort] = await freePorts()
    const { folder, name } = this.#options
    await mkdir(folder, { recursive: true })
    const file = join(folder, `${name}.env`)
    await writeFile(file, this.#environment(agent), { mode: 0o600 })
    const args = ['--conditions=parley-source', MAIN, 'acn', file]
    // Its log goes nowhere: what matters is told here.
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#child = child
    for await (const line of createInterface({ input: child.stdout })) {
      if (line.includes('PANIC')) throw new Error(`${name}: ${line}`)
      if (line !== 'MULTIADDRS_LIST_END') continue
      child.stdout.resume()
      return
    }
    throw new Error(`${name} did not start`)
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** Lets it end in order. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM')
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
  }

  #environment(agent: OwnAgent | undefined): string {
    const { entryPeers, folder, name, isRelayClient = false } = this.#options
    const uri = (port: number) => `127.0.0.1:${port}`
    const lines = {
      AEA_P2P_ID: Buffer.from(this.key.exportPrivateKey()).toString('hex'),
      AEA_P2P_URI: uri(this.#port),
      AEA_P2P_URI_PUBLIC: isRelayClient ? '' : uri(this.#port),
      AEA_P2P_DELEGATE_URI: isRelayClient ? '' : uri(this.delegatePort),
      AEA_P2P_MAILBOX_URI: isRelayClient ? '' : uri(this.mailboxPort),
      AEA_P2P_ENTRY_URIS: entryPeers.map(({ multiaddr }) => multiaddr).join(','),
      AEA_P2P_CFG_STORAGE_PATH: join(folder, `${name}-records`),
      ...(agent && agentLines(agent)),
    }
    return Object.entries(lines)
      .map(([key, value]) => `${key}=${value}\n`)
      .join('')
  }
}

function agentLines({ record, port }: OwnAgent) {
  return {
    AEA_AGENT_ADDR: record.address,
    AEA_TO_NODE: String(port),
    NODE_TO_AEA: String(port),
    AEA_P2P_POR_ADDRESS: record.address,
    AEA_P2P_POR_PUBKEY: record.publicKey,
    AEA_P2P_POR_PEER_PUBKEY: record.peerPublicKey,
    AEA_P2P_POR_SIGNATURE: record.signature,
    AEA_P2P_POR_SERVICE_ID: record.serviceId,
    AEA_P2P_POR_LEDGER_ID: record.ledgerId,
  }
}

/** Three ports that nobody listens on now. */
async function freePorts(): Promise<[number, number, number]> {
  const servers = [createServer(), createServer(), createServer()]
  const [first = 0, second = 0, third = 0] = await Promise.all(
    servers.map(async (server) => {
      await once(server.listen(0, '127.0.0.1'), 'listening')
      const address = server.address()
      return typeof address === 'object' && address ? address.port : 0
    }),
  )
  for (const server of servers) await once(server.close(), 'close')
  return [first, second, third]
}
