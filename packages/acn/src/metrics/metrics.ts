import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { RoutingObserver } from '../routing/index.ts'

/** The Go node's buckets, in microseconds. */
const BUCKETS = [100, 500, 1e3, 1e4, 1e5, 5e5, 1e6]

/** What a router knows of itself. */
export interface RouterNumbers {
  /** Envelopes that wait. */
  readonly waiting: number
  /** Relay clients that are registered. */
  readonly relayClients: number
}

/** What a node counts under the Go node's names (`spec/acn.md §12`), the process's own figures, and some of ours. */
export class NodeMetrics {
  readonly registry = new Registry()
  readonly #store = this.#histogram('acn_dht_op_latency_store', 'Announcing an address to the DHT, microseconds')
  readonly #lookup = this.#histogram('acn_dht_op_latency_lookup', 'Looking an address up, microseconds')
  readonly #register = this.#histogram('acn_op_latency_register', 'Registering an agent, microseconds')
  readonly #route = this.#histogram('acn_op_latency_route', 'Routing an envelope, microseconds')
  readonly #routeCount = this.#gauge('acn_op_route_count', 'Envelopes being routed')
  readonly #routeAll = this.#counter('acn_op_route_count_all', 'Envelopes that were to be routed')
  readonly #routeSuccess = this.#counter('acn_op_route_count_success', 'Envelopes that were delivered')
  readonly #delegates = this.#gauge('acn_service_delegate_clients_count', 'Delegate clients that are connected')
  readonly #delegatesAll = this.#counter('acn_service_delegate_clients_count_all', 'Registrations of delegate clients')
  readonly #relaysAll = this.#counter('acn_service_relay_clients_count_all', 'Registrations of relay clients')
  readonly #carried = this.#counter('parley_acn_carried_total', 'Envelopes that went by a private channel')
  readonly #notDelivered = new Counter({
    name: 'parley_acn_not_delivered_total',
    help: 'Envelopes that were given up',
    labelNames: ['reason'],
    registers: [this.registry],
  })

  constructor(router: RouterNumbers) {
    collectDefaultMetrics({ register: this.registry })
    this.#asked('parley_acn_waiting_envelopes', 'Envelopes that wait in the queues', () => router.waiting)
    this.#asked('acn_service_relay_clients_count', 'Relay clients that are registered', () => router.relayClients)
  }

  /** The text of all metrics. */
  text(): Promise<string> {
    return this.registry.metrics()
  }

  /** An address was announced. @param duration milliseconds */
  announced(duration: number): void {
    this.#store.observe(duration * 1000)
  }

  /** Counts what routing tells. */
  observer(log: RoutingObserver['log']): RoutingObserver {
    return {
      routing: () => this.#routing(),
      registered: (kind, duration) => {
        this.#register.observe(duration * 1000)
        if (kind === 'delegate') this.#delegatesAll.inc()
        if (kind === 'relay') this.#relaysAll.inc()
      },
      attached: (kind, change) => {
        if (kind === 'delegate') this.#delegates.inc(change)
      },
      lookedUp: (duration) => this.#lookup.observe(duration * 1000),
      notDelivered: (reason) => this.#notDelivered.inc({ reason }),
      carried: () => this.#carried.inc(),
      log,
    }
  }

  #routing(): (outcome: 'delivered' | 'not-delivered') => void {
    const started = performance.now()
    this.#routeAll.inc()
    this.#routeCount.inc()
    return (outcome) => {
      this.#routeCount.dec()
      this.#route.observe((performance.now() - started) * 1000)
      if (outcome === 'delivered') this.#routeSuccess.inc()
    }
  }

  #histogram(name: string, help: string): Histogram {
    return new Histogram({ name, help, buckets: BUCKETS, registers: [this.registry] })
  }

  #gauge(name: string, help: string): Gauge {
    return new Gauge({ name, help, registers: [this.registry] })
  }

  /** A gauge that is set when somebody looks. */
  #asked(name: string, help: string, value: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.set(value())
      },
    })
  }

  #counter(name: string, help: string): Counter {
    return new Counter({ name, help, registers: [this.registry] })
  }
}
