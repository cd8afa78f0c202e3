import { LinkPool } from '../link/index.ts'
import type { NodeMetrics } from '../metrics/index.ts'
import { type AcnHost, FrameError } from '../peer/index.ts'
import type { StatusBody } from '../protocol/index.ts'
import type { RemoteRoute, ResolveOptions, RoutingNetwork, SentEnvelope } from '../routing/index.ts'
import { handOver, type OwnedEnvelope } from './handover.ts'

type Way = Pick<RemoteRoute, 'peerId' | 'provider'>

/** The host as routing sees it; measures what it takes. */
export class HostNetwork implements RoutingNetwork {
  readonly #host: AcnHost
  readonly #metrics: NodeMetrics
  readonly #links: LinkPool

  constructor(host: AcnHost, metrics: NodeMetrics) {
    this.#host = host
    this.#metrics = metrics
    this.#links = new LinkPool(host)
  }

  async announce(address: string): Promise<void> {
    const started = performance.now()
    // A relay client's address is announced by its relay.
    if (this.#host.port === undefined) return
    await this.#host.announce(address)
    this.#metrics.announced(performance.now() - started)
  }

  withdraw(address: string): void {
    this.#host.withdraw(address)
  }

  resolve(address: string, options: ResolveOptions = {}): Promise<RemoteRoute | undefined> {
    return this.#host.resolve(address, options)
  }

  takesInTurn({ peerId, provider }: Way): boolean {
    return peerId === provider && this.#links.openTo(peerId) !== undefined
  }

  async sendEnvelope(way: Way, envelope: SentEnvelope, signal: AbortSignal): Promise<StatusBody> {
    // A relayed connection is another peer's, and short-lived: the network's own streams do there.
    const link = way.peerId === way.provider ? await this.#links.get(way.peerId, signal) : undefined
    if (link) return link.send(envelope, signal)
    // Those before it went by a link that has ended: whether they arrived has to be known first.
    if (envelope.position > 0) throw new FrameError('CLOSED', 'link has ended')
    return this.#host.sendEnvelope(way, envelope.bytes, envelope.record, { signal })
  }

  handOver(peerId: string, envelope: OwnedEnvelope, signal: AbortSignal): Promise<StatusBody> {
    return handOver(this.#host, peerId, envelope, signal)
  }

  /** Ends the links. */
  close(): void {
    this.#links.close()
  }
}
