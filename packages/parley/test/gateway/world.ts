import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type AgentIdentity, identityFromKey } from '@parley/acn/client'
import { AcnNode, type AcnNodeOptions, type CarrierParts } from '@parley/acn/node'
import type { ObservedBytes } from '@parley/acn/peer'
import { parsePeerAddress, STATUS } from '@parley/acn/protocol'
import { ledgerOf } from '@parley/acn/record'
import { Agent, type AgentConfig } from '@parley/agent'
import { SmpRouter } from '@parley/smp/router'
import type { TestAgent } from '../../../acn/test/node/network.ts'
import { Gateway, type GatewayOptions } from '../../src/gateway/gateway.ts'
import { Parley, type ParleyOptions } from '../../src/parley.ts'
import { TestRouter } from '../channel/fixture.ts'

/** How long something that must come is waited for, ms. */
const PATIENCE = 60_000
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
  /** What it has logged. */
  readonly lines: string[]
  stop(): Promise<void>
  /** Starts it again, at the same ports and with all that it kept; to be called after {@link stop}. */
  restart(): Promise<GatewayPeer>
}

/** How a peer is started, besides its gateway. */
export interface PeerOptions {
  readonly settings?: Partial<AcnNodeOptions['settings']>
  readonly node?: Partial<AcnNodeOptions>
  readonly folder?: string
  /** Gives the gateway other parts than its node's. */
  readonly parts?: (parts: CarrierParts) => CarrierParts
}

/** Sees what one or more peers say to others and hear from them, inside of its encryption. */
export class Tap {
  readonly #seen = new Map<string, Buffer[]>()
  readonly observe = ({ connection, direction, bytes }: ObservedBytes): void => {
    const key = `${connection} ${direction}`
    const seen = this.#seen.get(key) ?? []
    seen.push(Buffer.from(bytes))
    this.#seen.set(key, seen)
  }

  /** Whether words went by. */
  saw(words: string): boolean {
    return [...this.#seen.values()].some((parts) => Buffer.concat(parts).includes(words))
  }
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

  /** A router that can be switched off and on again. */
  async switchedRouter(name: string): Promise<TestRouter> {
    const router = new TestRouter({ dataDir: join(this.folder, name), ...LOOPBACK })
    await router.start()
    this.#running.defer(() => router.close())
    return router
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
    gatewayOptions: Partial<Omit<GatewayOptions, 'agent' | 'folder'>> = {},
    options: PeerOptions = {},
  ): Promise<GatewayPeer> {
    const { mode = 'prefer', ...rest } = gatewayOptions
    const { folder = this.#folder('peer'), parts: change = (parts: CarrierParts) => parts } = options
    const settings = { ...peerSettings(entries), ...options.settings }
    const agent = this.#running.use(
      await Agent.open({ store: `${folder}-agent.db`, servers: [router.address], config: FAST }),
    )
    let gateway: Gateway | undefined
    const lines: string[] = []
    const log = (_: string, line: string) => void lines.push(line)
    const node = await AcnNode.start({
      settings,
      dataFolder: folder,
      log,
      carrier: async (parts) => {
        gateway = await Gateway.open({ agent, folder, mode, lookup: 'direct', log, ...rest }, change(parts))
        return gateway
      },
      ...options.node,
    })
    this.#running.defer(() => node.stop())
    if (!gateway || node.multiaddr === undefined) throw new Error('no gateway')
    const { multiaddr, delegatePort = 0, mailboxPort = 0 } = node
    const stop = async () => {
      await node.stop()
      await agent.close()
    }
    const at = (port: number) => ({ ...LOOPBACK, port })
    const restart = () => {
      const { port } = parsePeerAddress(multiaddr)
      const again = {
        ...settings,
        listen: at(port),
        publicUri: at(port),
        ...(settings.delegate && { delegate: at(delegatePort) }),
        ...(settings.mailbox && { mailbox: at(mailboxPort) }),
      }
      return this.peer(router, entries, gatewayOptions, { ...options, folder, settings: again })
    }
    return { node, gateway, agent, multiaddr, lines, stop, restart }
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

/** The agent with {@link keyOf} on a ledger. */
export function identityOf(name: string, ledgerId: string): AgentIdentity {
  const ledger = ledgerOf(ledgerId)
  assert.ok(ledger)
  return identityFromKey(ledger, keyOf(name))
}

/** Its address. */
export function addressOf(name: string, ledgerId: string): string {
  return identityOf(name, ledgerId).address
}

/** Agents are reached in private from now on. */
export async function ready(
  { gateway }: GatewayPeer,
  ...agents: readonly Pick<AgentIdentity, 'address'>[]
): Promise<void> {
  for (const { address } of agents) {
    await gateway.whenReady(address, PATIENCE)
    assert.ok(gateway.cardOf(address))
  }
}

/** How many contact addresses there are for agents. */
export async function contactsOf({ agent }: Pick<GatewayPeer, 'agent'>): Promise<number> {
  return (await agent.listConnections()).filter(({ mode }) => mode === 'contact').length
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

/** Sends words from an agent; gives the id of the envelope. */
export async function send(from: TestAgent, to: string, words: string): Promise<string> {
  const { address: sender, client } = from
  const envelope = { to, sender, protocolId: 'fetchai/default:1.0.0', message: Buffer.from(words), uri: '' }
  const { id, code } = await client.send(envelope)
  assert.equal(code, STATUS.SUCCESS)
  return id
}

/** The steps of an envelope's way, as `event detail`, once it has been delivered or given up. */
export async function wayOf(node: AcnNode, id: string): Promise<string[]> {
  for (const deadline = Date.now() + PATIENCE; Date.now() < deadline; ) {
    const steps = await node.store.trace(id)
    if (steps.some(({ event }) => event === 'delivered' || event === 'not-delivered')) {
      return steps.map(({ event, detail }) => `${event} ${detail ?? ''}`.trim())
    }
    await sleep(5)
  }
  throw new Error('nothing became of the envelope')
}

/** Waits until something is so. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + PATIENCE; !(await isSo()); await sleep(5)) {
    if (Date.now() > deadline) throw new Error(`never: ${what}`)
  }
}
