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
  readonly connection: number
  readonly partner: string | undefined
  /** Bytes that have passed. */
  bytes: number
  readonly found: Set<string>
  /** End of what has passed. */
  tail: Uint8Array
}

/** Reads all that one observer sees, while it passes, and remembers what of the things looked for was there. */
export class Tap {
  readonly #search: Search
  readonly #flows = new Map<string, Flow>()
  #pieces = 0
  #bytes = 0
  #changed = Promise.withResolvers<void>()

  constructor(search: Search) {
    this.#search = search
  }

  /** Bytes seen, both ways. */
  get bytes(): number {
    return this.#bytes
  }

  /** Pieces in which they came: blocks in a router. */
  get pieces(): number {
    return this.#pieces
  }

  /** Connections there were. */
  get connections(): number {
    return new Set(this.#of().map(({ connection }) => connection)).size
  }

  /** Takes a piece of what the observer sees. */
  see({ connection, partner, direction }: Passing, bytes: Uint8Array): void {
    const name = `${connection} ${direction}`
    const flow = this.#flows.get(name) ?? { connection, partner, bytes: 0, found: new Set(), tail: new Uint8Array() }
    this.#flows.set(name, flow)
    const all = Buffer.concat([flow.tail, bytes])
    this.#search.scan(all, flow.found)
    flow.tail = Uint8Array.from(all.subarray(-Search.OVERLAP))
    this.#bytes += bytes.length
    this.#pieces++
    flow.bytes += bytes.length
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }

  /** Whether something was there; with a partner, whether it was there on a connection with that one. */
  saw(name: string, partner?: string): boolean {
    return this.#of(partner).some(({ found }) => found.has(name))
  }

  /** Bytes that passed on connections with somebody. */
  bytesWith(partner: string): number {
    return this.#of(partner).reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** Resolves when something is so: looked at now, and each time something has passed. */
  async until(isSo: () => Promise<boolean>): Promise<void> {
    for (;;) {
      const changed = this.#changed.promise
      if (await isSo()) return
      await changed
    }
  }

  #of(partner?: string): Flow[] {
    return [...this.#flows.values()].filter((flow) => partner === undefined || flow.partner === partner)
  }
}
