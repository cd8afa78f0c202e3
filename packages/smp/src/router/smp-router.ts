import type { SmpRouterOptions } from './options.ts'
import type { QueueInspection } from './store.ts'

/** One connection for the eyes of the operator. Times in milliseconds since 1970. */
export interface ConnectionInspection {
  readonly remoteAddress: string
  /** Agreed version, absent during the handshake. */
  readonly version?: number
  readonly connectedAt: number
  readonly lastActiveAt: number
  /** Number of queues subscribed. */
  readonly subscriptions: number
}

/** Everything a router knows, read from its store and its connections: `spec/smp.md §5.1`. */
export interface RouterInspection {
  readonly connections: readonly ConnectionInspection[]
  readonly queues: readonly (QueueInspection & {
    /** Address of the connection that receives this queue's messages. */
    readonly subscriber?: string
  })[]
  readonly totals: { readonly queues: number; readonly messages: number; readonly connections: number }
}

/** An SMP router: `spec/smp.md §5`. */
export class SmpRouter implements AsyncDisposable {
  /** `smp://<fingerprint>[:password]@host[:port]`. */
  readonly address: string
  readonly port: number
  /** SHA-256 of the identity certificate, 32 bytes. */
  readonly fingerprint: Uint8Array

  private constructor(address: string, port: number, fingerprint: Uint8Array) {
    this.address = address
    this.port = port
    this.fingerprint = fingerprint
  }

  /**
   * Opens the data, listens, and removes expired messages.
   * @throws StoreLockedError when another router works on `dataDir`; StoreError when the data cannot be read;
   * NetworkError or the system's error when the port cannot be opened
   */
  static async start(options: SmpRouterOptions): Promise<SmpRouter> {
    throw new Error(`not built yet: ${options.dataDir}`)
  }

  /** What the router knows; at most `queueLimit` queues (default 1,000). */
  async inspect(queueLimit = 1000): Promise<RouterInspection> {
    throw new Error(`not built yet: ${queueLimit}`)
  }

  /** Disconnects everyone, finishes writing and closes the data. */
  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
