import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AcnNode, type AcnNodeOptions } from '@parley/acn/node'
import { parsePeerAddress } from '@parley/acn/protocol'
import { ledgerOf } from '@parley/acn/record'
import { Agent, type AgentConfig } from '@parley/agent'
import { SmpRouter } from '@parley/smp/router'
import { Gateway, type GatewayOptions } from '../../src/gateway/gateway.ts'
import { Parley, type ParleyOptions } from '../../src/parley.ts'

const LOOPBACK = { host: '127.0.0.1', port: 0 }

/** Retries that do not make a test wait. */
const FAST: Partial<AgentConfig> = {
  fastRetry: { initial: 50, increaseAfter: 1000, max: 200 },
  reconnectRetry: { initial: 50, increaseAfter: 1000, max: 200 },
  persistErrorInterval: 20,
  kemPoolSize: 2,
}

/** A peer of the network with a gateway, as `parley up` runs one. */
export interface GatewayPeer {
  readonly node: AcnNode
  readonly gateway: Gateway
  readonly agent: Agent
  readonly multiaddr: string
  stop(): Promise<void>
}

/** Everything of a test in one folder, ended and removed with it. */
export class World implements AsyncDisposable {
  readonly folder: string
  readonly #running = new AsyncDisposableStack()

  private constructor(folder: string) {
    this.folder = folder
    this.#running.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }))
  }

  static async make(): Promise<World> {
    return new World(await mkdtemp(join(tmpdir(), 'parley-gateway-')))
  }

  async router(name = 'router'): Promise<SmpRouter> {
    return this.#running.use(await SmpRouter.start({ dataDir: join(this.folder, name), ...LOOPBACK }))
  }

  /** A peer that knows nothing of cards, as a Go node does not. */
  async plainPeer(entries: readonly string[] = [], rest: Partial<AcnNodeOptions> = {}): Promise<AcnNode> {
    const node = await AcnNode.start({ settings: peerSettings(entries), dataFolder: this.#folder('plain'), ...rest })
    this.#running.defer(() => node.stop())
    return node
  }

  /** A peer with a gateway that receives at a router. */
  async peer(
    router: Pick<SmpRouter, 'address'>,
    entries: readonly string[] = [],
    { mode = 'prefer', ...rest }: Partial<Omit<GatewayOptions, 'agent' | 'folder'>> = {},
    settings: Partial<AcnNodeOptions['settings']> = {},
  ): Promise<GatewayPeer> {
    const folder = this.#folder('peer')
    const agent = this.#running.use(
      await Agent.open({ store: `${folder}-agent.db`, servers: [router.address], config: FAST }),
    )
    let gateway: Gateway | undefined
    const node = await AcnNode.start({
      settings: { ...peerSettings(entries), ...settings },
      dataFolder: folder,
      carrier: async (parts) => {
        gateway = await Gateway.open({ agent, folder, mode, lookup: 'direct', ...rest }, parts)
        return gateway
      },
    })
    this.#running.defer(() => node.stop())
    if (!gateway || node.multiaddr === undefined) throw new Error('no gateway')
    const { multiaddr } = node
    const stop = async () => {
      await node.stop()
      await agent.close()
    }
    return { node, gateway, agent, multiaddr, stop }
  }

  /** An agent by the library. */
  async parley(
    name: string,
    ledger: string,
    options: Pick<ParleyOptions, 'entry' | 'smp'> & Partial<ParleyOptions>,
  ): Promise<Parley> {
    return this.#running.use(
      await Parley.open({
        data: join(this.folder, name),
        identity: { ledger, privateKey: keyOf(name) },
        agent: { config: FAST },
        ...options,
      }),
    )
  }

  #folder(kind: string): string {
    return join(this.folder, `${kind}-${randomBytes(4).toString('hex')}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running.disposeAsync()
  }
}

/** A private key for a name: the same each time. */
export function keyOf(name: string): Uint8Array {
  return new Uint8Array(Buffer.alloc(32, name))
}

/** The address of {@link keyOf} on a ledger. */
export function addressOf(name: string, ledgerId: string): string {
  const ledger = ledgerOf(ledgerId)
  return ledger?.addressOf(ledger.publicKeyOf(keyOf(name))) ?? ''
}

function peerSettings(entries: readonly string[]): AcnNodeOptions['settings'] {
  return {
    peerKey: randomBytes(32),
    listen: LOOPBACK,
    publicUri: LOOPBACK,
    delegate: LOOPBACK,
    entryPeers: entries.map((multiaddr) => {
      const { peerId = '', ...address } = parsePeerAddress(multiaddr)
      return { ...address, peerId }
    }),
    registrationDelay: 0,
  }
}
