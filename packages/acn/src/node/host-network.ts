import { LINK_PROTOCOL, type LinkPool } from '../link/index.ts'
import type { NodeMetrics } from '../metrics/index.ts'
import { type AcnHost, FrameError } from '../peer/index.ts'
import { type AgentRecord, peerIdOf, peerPublicKeyFromHex, type StatusBody } from '../protocol/index.ts'
import type { RemoteRoute, ResolveOptions, RoutingNetwork, SentEnvelope } from '../routing/index.ts'
import { HANDOVER_PROTOCOL, handOver, type OwnedEnvelope } from './handover.ts'
import type { Registrations } from './registrations.ts'

type Way = Pick<RemoteRoute, 'peerId' | 'provider'>

/** The host as routing sees it; measures what it takes. */
export class HostNetwork implements RoutingNetwork {
  readonly #host: AcnHost
  readonly #metrics: NodeMetrics
  readonly #links: LinkPool

  readonly #registrations: Registrations

  constructor(host: AcnHost, metrics: NodeMetrics, links: LinkPool, registrations: Registrations) {
    this.#host = host
    this.#metrics = metrics
    this.#links = links
    this.#registrations = registrations
  }

  get isInNetwork(): boolean {
    return this.#host.port !== undefined || this.#host.contact !== undefined
  }

  async announce(record: AgentRecord, issuedAt: number): Promise<void> {
    const started = performance.now()
    this.#registrations.publish(record, issuedAt)
    // A relay client's address is announced by its relay.
    if (this.#host.port === undefined) return
    await this.#host.announce(record.address)
    this.#metrics.announced(performance.now() - started)
  }

  withdraw(address: string): void {
    this.#host.withdraw(address)
    this.#registrations.forget(address)
  }

  whereabouts(address: string): Pick<RemoteRoute, 'record' | 'peerId'> | undefined {
    return this.#registrations.whereabouts(address)
  }

  doubt(address: string): void {
    this.#registrations.doubt(address)
  }

  async resolve(address: string, options: ResolveOptions = {}): Promise<RemoteRoute | undefined> {
    const known = this.#registrations.whereabouts(address)
    if (known && known.peerId !== options.asker) return { ...known, provider: known.peerId }
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
    // A peer that has not said yet what it speaks may be Parley, and have the envelope already.
    const mayBeParley = (await this.#host.speaks(way.peerId, LINK_PROTOCOL)) !== false
    const { id, bytes, record } = envelope
    return this.#host.sendEnvelope(way, bytes, record, { signal, ...(mayBeParley && { id }) })
  }

  async drained(peerId: string, to: string, record: AgentRecord, signal: AbortSignal): Promise<void> {
    const link = await this.#links.get(peerId, signal)
    await link?.drained({ to, record }, signal)
  }

  async handOver(peerId: string, envelope: OwnedEnvelope, signal: AbortSignal): Promise<StatusBody> {
    const isParley = (await this.#host.speaks(peerId, HANDOVER_PROTOCOL)) !== false
    // To others only the sender's own peer can speak for it.
    const to = isParley ? peerId : peerIdOf(peerPublicKeyFromHex(envelope.record.peerPublicKey))
    return handOver(this.#host, to, envelope, signal)
  }
}
