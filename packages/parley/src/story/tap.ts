import { Search } from './search.ts'

/** Where bytes have passed. */
export interface Passing {
  /** Number of the connection. */
  readonly connection: number
  /** Who is at the other end, where the observer knows. */
  readonly partner?: string
  readonly direction: 'in' | 'out'
}

interface Flow {
  readonly partner: string | undefined
  readonly found: Set<string>
  /** End of what has passed. */
  tail: Uint8Array
}

/** Reads all that one observer sees, while it passes, and remembers what of the things looked for was there. */
export class Tap {
  readonly #search: Search
  readonly #flows = new Map<string, Flow>()
  readonly #sizes = new Map<number, number>()
  #bytes = 0
  #changed = Promise.withResolvers<void>()

  constructor(search: Search) {
    this.#search = search
  }

  /** Bytes seen, both ways. */
  get bytes(): number {
    return this.#bytes
  }

  /** How often something of each length has passed, by length. */
  get sizes(): ReadonlyMap<number, number> {
    return this.#sizes
  }

  /** Takes a piece of what the observer sees. */
  see({ connection, partner, direction }: Passing, bytes: Uint8Array): void {
    const name = `${connection} ${direction}`
    const flow = this.#flows.get(name) ?? { partner, found: new Set(), tail: new Uint8Array() }
    this.#flows.set(name, flow)
    const all = Buffer.concat([flow.tail, bytes])
    this.#search.scan(all, flow.found)
    flow.tail = Uint8Array.from(all.subarray(-Search.OVERLAP))
    this.#bytes += bytes.length
    this.#sizes.set(bytes.length, (this.#sizes.get(bytes.length) ?? 0) + 1)
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }

  /** Whether something was there; with a partner, whether it was there on a connection with that one. */
  saw(name: string, partner?: string): boolean {
    return this.#of(partner).some(({ found }) => found.has(name))
  }

  /** Whether there was a connection with somebody. */
  met(partner: string): boolean {
    return this.#of(partner).length > 0
  }

  /** Resolves when something is so: looked at now, and each time something has passed. */
  async until(isSo: () => Promise<boolean>): Promise<void> {
    for (;;) {
      const changed = this.#changed.promise
      if (await isSo()) return
      await changed
    }
  }

  #of(partner: string | undefined): Flow[] {
    return [...this.#flows.values()].filter((flow) => partner === undefined || flow.partner === partner)
  }
}
