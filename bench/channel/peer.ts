// Child process of the channel bench: two SMP routers, or one ACN peer with or without a gateway. Its setup is the only
// argument; it says what it is over the channel to its parent, and ends on SIGTERM.
import { join } from 'node:path'
import { AcnNode } from '@parley/acn/node'
import { parsePeerAddress } from '@parley/acn/protocol'
import { Agent } from '@parley/agent'
import { SmpRouter } from '@parley/smp/router'
import { Gateway } from '../../packages/parley/src/gateway/gateway.ts'

/** What the process is to be. */
export type ChildSetup =
  | { readonly role: 'routers'; readonly folder: string }
  | {
      readonly role: 'peer'
      readonly folder: string
      /** Private key of the peer, hexadecimal. */
      readonly key: string
      /** 0 lets the system choose. */
      readonly port: number
      readonly delegatePort: number
      readonly entryPeers: readonly string[]
      /** A plain peer without it. */
      readonly gateway?: { readonly router: string; readonly pq: boolean }
    }

/** What it says of itself. */
export type ChildReport =
  | { readonly type: 'routers'; readonly addresses: readonly string[] }
  | { readonly type: 'peer'; readonly multiaddr: string; readonly delegatePort: number }
  /** An agent has a contact address and a card that others find. */
  | { readonly type: 'contact'; readonly address: string }
  | { readonly type: 'opened'; readonly local: string; readonly peer: string }
  | { readonly type: 'delivered'; readonly local: string }

/** What it is asked. */
export interface ChildRequest {
  /** Report when this agent has a contact. */
  readonly contactOf: string
}

const LOOPBACK = '127.0.0.1'
const CONTACT_TIME = 30_000
const say = (report: ChildReport) => process.send?.(report)

const setup = JSON.parse(process.argv[2] ?? '') as ChildSetup
const stop = setup.role === 'routers' ? await runRouters(setup) : await runPeer(setup)
process.once('SIGTERM', () => void stop().finally(() => process.exit()))
process.once('disconnect', () => process.exit())

async function runRouters({ folder }: Extract<ChildSetup, { role: 'routers' }>): Promise<() => Promise<unknown>> {
  const routers: SmpRouter[] = []
  for (const name of ['first', 'second']) {
    routers.push(await SmpRouter.start({ dataDir: join(folder, name), host: LOOPBACK, port: 0 }))
  }
  say({ type: 'routers', addresses: routers.map(({ address }) => address) })
  return () => Promise.all(routers.map((router) => router[Symbol.asyncDispose]()))
}

async function runPeer(peer: Extract<ChildSetup, { role: 'peer' }>): Promise<() => Promise<void>> {
  const { folder, gateway: privately } = peer
  let agent: Agent | undefined
  let gateway: Gateway | undefined
  if (privately) agent = await Agent.open({ store: `${folder}-agent.db`, servers: [privately.router] })
  const node = await AcnNode.start({
    settings: {
      peerKey: Buffer.from(peer.key, 'hex'),
      listen: { host: LOOPBACK, port: peer.port },
      publicUri: { host: LOOPBACK, port: peer.port },
      delegate: { host: LOOPBACK, port: peer.delegatePort },
      entryPeers: peer.entryPeers.map((multiaddr) => {
        const { peerId = '', ...address } = parsePeerAddress(multiaddr)
        return { ...address, peerId }
      }),
      registrationDelay: 0,
    },
    dataFolder: folder,
    ...(agent && {
      carrier: async (parts) => {
        gateway = await Gateway.open({ agent, folder, mode: 'prefer', lookup: 'direct', pq: privately?.pq }, parts)
        return gateway
      },
    }),
  })
  gateway?.channels.on('opened', ({ local, peer: other }) => void say({ type: 'opened', local, peer: other }))
  process.on('message', ({ contactOf }: ChildRequest) => {
    gateway?.whenReady(contactOf, CONTACT_TIME).then(() => say({ type: 'contact', address: contactOf }))
  })
  say({ type: 'peer', multiaddr: node.multiaddr ?? '', delegatePort: node.delegatePort ?? 0 })
  return async () => {
    await node.stop()
    await agent?.close()
  }
}
