import type { NodeMetrics } from '../metrics/index.ts'
import type { AcnHost } from '../peer/index.ts'
import type { AgentRecord, StatusBody } from '../protocol/index.ts'
import type { RemoteRoute, ResolveOptions, RoutingNetwork } from '../routing/index.ts'
import { handOver } from './handover.ts'

/** The host as routing sees it; measures what it takes. */
export class HostNetwork implements RoutingNetwork {
  readonly #host: AcnHost
  readonly #metrics: NodeMetrics

  constructor(host: AcnHost, metrics: NodeMetrics) {
    this.#host = host
    this.#metrics = metrics
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

  sendEnvelope(
    route: Pick<RemoteRoute, 'peerId' | 'provider'>,
    envelope: Uint8Array,
    record: AgentRecord,
    options: { readonly timeout?: number; readonly signal?: AbortSignal } = {},
  ): Promise<StatusBody> {
    return this.#host.sendEnvelope(route, envelope, record, options)
  }

  handOver(
    peerId: string,
    envelope: { readonly agentRecord: AgentRecord; readonly bytes: Uint8Array; readonly record: AgentRecord },
    signal: AbortSignal,
  ): Promise<StatusBody> {
    return handOver(this.#host, peerId, envelope, signal)
  }
}
