import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { PeerKey } from '@parley/acn/record'
import { newRecord } from '../acn/node-process.ts'
import { PlainAgent } from '../acn/plain-agent.ts'
import { processorTime } from '../smp/processes.ts'
import { Child } from './child.ts'
import type { ChildReport } from './peer.ts'

/** Which way envelopes go: in the open, or in channels, with or without post-quantum encryption. */
export type Way = 'plain' | 'classical' | 'pq'

/** Agents that can talk, by our nodes or by those of another program. */
export interface Talking {
  readonly way: Way | 'other'
  newPair(): Promise<Pair>
  /** Resolves when the channel of a pair that has begun to talk is there, if there is to be one. */
  opened(pair: Pair): Promise<void>
  stop(): Promise<void>
}

/** Two agents, each at its own peer. */
export interface Pair {
  readonly from: PlainAgent
  readonly to: PlainAgent
}

type Contact = Extract<ChildReport, { type: 'contact' }>
type Opened = Extract<ChildReport, { type: 'opened' }>

/** A peer in a process of its own, which can be switched off and on again. */
export class Peer {
  readonly key: PeerKey
  readonly #secret = randomBytes(32)
  readonly #folder: string
  readonly #entryPeers: readonly string[]
  readonly #gateway: { readonly router: string; readonly pq: boolean } | undefined
  #child: Child | undefined
  #ports = { port: 0, delegatePort: 0 }
  #multiaddr = ''

  constructor(folder: string, entryPeers: readonly string[], gateway?: { router: string; pq: boolean }) {
    this.key = new PeerKey(this.#secret)
    this.#folder = join(folder, `peer-${randomBytes(4).toString('hex')}`)
    this.#entryPeers = entryPeers
    this.#gateway = gateway
  }

  /** Starts it: at the same ports each time. */
  async start(): Promise<void> {
    const gateway = this.#gateway
    const common = { folder: this.#folder, key: this.#secret.toString('hex'), entryPeers: this.#entryPeers }
    this.#child = new Child({ role: 'peer', ...common, ...this.#ports, ...(gateway && { gateway }) })
    const { multiaddr, delegatePort } = await this.child.wait((report) => report.type === 'peer')
    this.#multiaddr = multiaddr
    this.#ports = { port: Number(/\/tcp\/(\d+)/.exec(multiaddr)?.[1]), delegatePort }
  }

  get child(): Child {
    if (!this.#child) throw new Error('not started')
    return this.#child
  }

  get multiaddr(): string {
    return this.#multiaddr
  }

  /** Attaches an agent; with a gateway it has a contact when this resolves. */
  async attach(record = newRecord(this.key), onEnvelope?: (number: number) => void): Promise<PlainAgent> {
    const agent = await PlainAgent.delegate(record, this.#ports.delegatePort, onEnvelope)
    if (this.#gateway) {
      this.child.ask({ contactOf: agent.address })
      await this.child.wait(
        (report): report is Contact => report.type === 'contact' && report.address === agent.address,
      )
    }
    return agent
  }

  async stop(): Promise<void> {
    await this.#child?.stop()
    this.#child = undefined
  }
}

/** Two peers, the second of which has joined the first, each with its agents. */
export class Network implements Talking {
  readonly way: Way
  readonly first: Peer
  readonly second: Peer

  private constructor(way: Way, first: Peer, second: Peer) {
    this.way = way
    this.first = first
    this.second = second
  }

  /** @param routers two, one for each peer */
  static async start(way: Way, folder: string, routers: readonly string[]): Promise<Network> {
    const gateway = (router = '') => (way === 'plain' ? undefined : { router, pq: way === 'pq' })
    const first = new Peer(folder, [], gateway(routers[0]))
    await first.start()
    const second = new Peer(folder, [first.multiaddr], gateway(routers[1]))
    const network = new Network(way, first, second)
    try {
      await second.start()
    } catch (error) {
      await network.stop()
      throw error
    }
    return network
  }

  /** Agents that know nothing of each other. */
  async newPair(): Promise<Pair> {
    return { from: await this.first.attach(), to: await this.second.attach() }
  }

  /**
   * Waits until both know of the channel of a pair that has begun to talk.
   * @throws Error when there is none after a while: the first envelope went the plain way
   */
  async opened({ from, to }: Pair): Promise<void> {
    if (this.way === 'plain') return
    const isOf =
      (local: string, peer: string) =>
      (report: ChildReport): report is Opened =>
        report.type === 'opened' && report.local === local && report.peer === peer
    await this.first.child.wait(isOf(from.address, to.address))
    await this.second.child.wait(isOf(to.address, from.address))
  }

  /** Seconds of processor time that both peers have used. */
  async processorTime(): Promise<number> {
    const times = await Promise.all([this.first, this.second].map(({ child }) => processorTime(child.pid)))
    return times.reduce<number>((sum, time) => sum + (time ?? Number.NaN), 0)
  }

  async stop(): Promise<void> {
    await Promise.all([this.first.stop(), this.second.stop()])
  }
}
