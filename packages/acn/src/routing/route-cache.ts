import type { RemoteRoute } from './network.ts'

const DEFAULT_LIMIT = 10_000
const DEFAULT_LIFETIME = 5 * 60_000

/** Remembers where agents were found, for a while; a route that failed is forgotten at once. */
export class RouteCache {
  readonly #limit: number
  readonly #lifetime: number
  /** The oldest first. */
  readonly #routes = new Map<string, { readonly route: RemoteRoute; readonly until: number }>()

  /** @param lifetime milliseconds */
  constructor(limit: number = DEFAULT_LIMIT, lifetime: number = DEFAULT_LIFETIME) {
    this.#limit = limit
    this.#lifetime = lifetime
  }

  get size(): number {
    return this.#routes.size
  }

  get(address: string, now: number = Date.now()): RemoteRoute | undefined {
    const known = this.#routes.get(address)
    if (known && known.until > now) return known.route
    if (known) this.#routes.delete(address)
    return undefined
  }

  put(address: string, route: RemoteRoute, now: number = Date.now()): void {
    this.#routes.delete(address)
    this.#routes.set(address, { route, until: now + this.#lifetime })
    const [oldest] = this.#routes.keys()
    if (this.#routes.size > this.#limit && oldest !== undefined) this.#routes.delete(oldest)
  }

  forget(address: string): void {
    this.#routes.delete(address)
  }
}
