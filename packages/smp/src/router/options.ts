import type { PrivateKey, SignatureAlgorithm } from '@parley/core/crypto'
import type { SessionObserver } from './session-observer.ts'
import type { RouterStore } from './store.ts'

/** Identity and online certificate of a router with their keys. */
export interface RouterCertificates {
  /** DER; its SHA-256 is the fingerprint in the address. */
  readonly identityCertificate: Uint8Array
  /** DER. */
  readonly serverCertificate: Uint8Array
  readonly serverKey: PrivateKey<SignatureAlgorithm>
}

/** What happens in a router, for its operator. Never ids, keys or contents: `CONTRIBUTING` rule on logs. */
export type RouterEvent =
  | { readonly event: 'started'; readonly port: number }
  | { readonly event: 'connected' | 'disconnected'; readonly connections: number }
  | { readonly event: 'handshakeFailed'; readonly reason: string }
  | { readonly event: 'connectionFailed'; readonly reason: string }
  | { readonly event: 'expired'; readonly messages: number }
  | { readonly event: 'storeFailed'; readonly reason: string }
  | { readonly event: 'internalError'; readonly reason: string }
  | { readonly event: 'closed' }

/** How a router runs. Every option but `dataDir` has a default. */
export interface SmpRouterOptions {
  /** Folder of the database, certificates and keys; made when missing. One router at a time works on it. */
  readonly dataDir: string
  /** Address to listen on. Default: all, IPv6 and IPv4. */
  readonly host?: string
  /** TCP port, 0 for any free one. Default 5223. */
  readonly port?: number
  /** Host names shown in the address. Default: `host` if given, else `localhost`. */
  readonly addressHosts?: readonly [string, ...string[]]
  /** Needed to create queues: printable, without whitespace, `@`, `:` and `/`. */
  readonly password?: string
  /** False: no new queues. Default true. */
  readonly newQueues?: boolean
  /** Algorithm of certificates made at the first start. Default Ed25519. */
  readonly certificateAlgorithm?: 'ed25519' | 'ed448'
  /** Instead of those in the data folder. */
  readonly certificates?: RouterCertificates
  /** Instead of the SQLite database in the data folder; the router closes it. */
  readonly store?: RouterStore
  /** Messages a queue holds before QUOTA. Default 128. */
  readonly queueQuota?: number
  /** Messages older than this are removed, seconds. Default 21 days; 0 for never. */
  readonly messageTtl?: number
  /** Seconds between runs of expiry. Default two hours. */
  readonly expiryInterval?: number
  /** Remove expired messages of a queue before each SEND to it. Default true. */
  readonly expireOnSend?: boolean
  /** Seconds of silence after which a client without subscriptions is disconnected. Default six hours; 0 for never. */
  readonly inactiveTtl?: number
  /** Seconds between looks for inactive clients. Default one hour. */
  readonly inactiveCheckInterval?: number
  /** Connections at a time; further ones are closed at once. Default 100,000. */
  readonly maxConnections?: number
  /** Milliseconds for the TLS handshake. Default 60,000. */
  readonly tlsTimeout?: number
  /** Milliseconds for the protocol's handshake. Default 120,000. */
  readonly handshakeTimeout?: number
  /** Milliseconds since 1970. Default the system's clock. */
  readonly now?: () => number
  readonly log?: (event: RouterEvent) => void
  /**
   * For tests and demonstrations: told of what each block of each connection says, inside of all encryption that the
   * router itself takes part in. Off by default.
   */
  readonly observe?: SessionObserver
}
