import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { AcnNode } from '@parley/acn/node'
import { parsePeerAddress } from '@parley/acn/protocol'
import { Agent } from '@parley/agent'
import { formatSmpServer, parseSmpServer } from '@parley/smp/protocol'
import { SmpRouter } from '@parley/smp/router'
import { Gateway } from '../gateway/gateway.ts'
import type { Search } from './search.ts'
import { Tap } from './tap.ts'
import { Wire } from './wire.ts'

const LOOPBACK = { host: '127.0.0.1', port: 0 }

/** A router with a tap behind its TLS, and the network before it. */
export interface StoryRouter {
  readonly router: SmpRouter
  readonly tap: Tap
  /** Its address, by which everybody comes through the network's tap. */
  readonly address: string
  /** Folder of its files. */
  readonly folder: string
}

/** A peer with a tap behind the TLS of its connections with other nodes, and the network before it. */
export interface StoryPeer {
  readonly node: AcnNode
  readonly tap: Tap
  readonly multiaddr: string
  /** Port of its service for agents, through the network's tap; only those who write plainly use it. */
  readonly delegatePort: number
}

/** Peers and routers of the story: each has a tap inside, and everything between them goes by the tap of the network. */
export class StoryNetwork implements AsyncDisposable {
  /** What somebody sees who has the whole network. */
  readonly tap: Tap
  readonly #folder: string
  readonly #search: Search
  readonly #running = new AsyncDisposableStack()

  constructor(folder: string, search: Search) {
    this.#folder = folder
    this.#search = search
    this.tap = new Tap(search)
  }

  async router(name: string): Promise<StoryRouter> {
    const tap = new Tap(this.#search)
    const folder = join(this.#folder, name)
    const wire = await this.#wire()
    const router = this.#running.use(
      await SmpRouter.start({
        ...LOOPBACK,
        dataDir: folder,
        observe: ({ content, ...passing }) => tap.see(passing, content),
      }),
    )
    wire.leadTo(router.port)
    const address = formatSmpServer({ ...parseSmpServer(router.address).server, port: `${wire.port}` })
    return { router, tap, address, folder }
  }

  /** @param gateway the router of a peer that is Parley; without one it knows no more than a Go node does */
  async peer(name: string, entries: readonly StoryPeer[], gateway?: StoryRouter): Promise<StoryPeer> {
    const tap = new Tap(this.#search)
    const folder = join(this.#folder, name)
    const [wire, delegateWire] = [await this.#wire(), await this.#wire()]
    const agent =
      gateway && this.#running.use(await Agent.open({ store: `${folder}-agent.db`, servers: [gateway.address] }))
    const node = await AcnNode.start({
      settings: {
        peerKey: randomBytes(32),
        listen: LOOPBACK,
        publicUri: { ...LOOPBACK, port: wire.port },
        delegate: LOOPBACK,
        entryPeers: entries.map(({ multiaddr }) => {
          const { peerId = '', ...address } = parsePeerAddress(multiaddr)
          return { ...address, peerId }
        }),
        registrationDelay: 0,
      },
      dataFolder: folder,
      host: {
        observe: ({ peerId, bytes, ...passing }) => tap.see({ ...passing, partner: peerId }, bytes),
      },
      ...(agent && {
        carrier: (parts) => Gateway.open({ agent, folder, mode: 'prefer', lookup: 'private' }, parts),
      }),
    })
    this.#running.defer(() => node.stop())
    wire.leadTo(node.host.port)
    delegateWire.leadTo(node.delegatePort)
    return { node, tap, multiaddr: node.multiaddr ?? '', delegatePort: delegateWire.port }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running.disposeAsync()
  }

  async #wire(): Promise<Wire> {
    return this.#running.use(await Wire.open(this.tap))
  }
}
