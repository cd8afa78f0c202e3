import type { BoundedQueue } from '@parley/core/queue'
import type { HostMode, SocksIsolation, SocksMode, SocksProxy, TlsCredentials } from '@parley/core/transport'
import type { VersionRange } from '@parley/core/version'
import type { ServiceRole } from '../protocol/index.ts'
import type { ServerTransmissionBatch } from './events.ts'

/** Whether someone waits for the result: interactive requests give up sooner. `spec/smp.md §9`, timeouts. */
export type RequestMode = 'background' | 'interactive'

/** Milliseconds for each {@link RequestMode}. */
export type ModeTimeouts = { readonly [M in RequestMode]: number }

/** Time to connect, including TLS and the protocol's handshake: `spec/smp.md §9`. */
export const CONNECT_TIMEOUTS: ModeTimeouts = { background: 45_000, interactive: 15_000 }

/** Time to wait for an answer: `spec/smp.md §9`. */
export const REQUEST_TIMEOUTS: ModeTimeouts = { background: 30_000, interactive: 10_000 }

/** How a client finds out that a connection is dead: `spec/smp.md §9`, pings. */
export interface KeepAlive {
  /** Silence after which the connection is looked at, and PING sent when there are subscriptions. Milliseconds. */
  readonly interval: number
  /** Requests in a row without an answer after which the connection is dropped, 0 for never. */
  readonly maxTimeouts: number
  /** The connection is kept at least this long after the last block received. Milliseconds. */
  readonly recoverWindow: number
}

/** `spec/smp.md §9`, pings. */
export const KEEP_ALIVE: KeepAlive = { interval: 600_000, maxTimeouts: 3, recoverWindow: 900_000 }

/** Which host is chosen and how it is reached: `spec/smp.md §9`, host choice; `spec/agent.md §15`. */
export interface NetworkOptions {
  readonly socksProxy?: SocksProxy | undefined
  /** Default `always`. */
  readonly socksMode?: SocksMode | undefined
  /** Default `onionViaSocks`. */
  readonly hostMode?: HostMode | undefined
  /** Default false. */
  readonly requiredHostMode?: boolean | undefined
  /** What tells this connection's circuit from others at a proxy with `auth: 'isolate'`. */
  readonly isolation?: SocksIsolation | undefined
  /** Servers without a port are reached at 443 with ALPN http/1.1 instead of 5223: `spec/smp.md §9.3`. Default false. */
  readonly webPort?: boolean | undefined
}

/** A client that is a service: `spec/smp.md §2.2`. */
export interface ServiceOptions {
  readonly role: ServiceRole
  /** Shown in TLS and in the handshake. */
  readonly credentials: TlsCredentials
}

export interface SmpClientOptions {
  /** Where events go; without it they are dropped. One queue can serve many clients. */
  readonly events?: BoundedQueue<ServerTransmissionBatch> | undefined
  /** Default 6 to 18. */
  readonly versions?: VersionRange | undefined
  /** ALPN protocols to offer; empty: none, which limits the original's router to version 6. Default `smp/1`. */
  readonly alpn?: readonly string[] | undefined
  /** False: no key in the handshake, so that blocks are not encrypted. Default true. */
  readonly agreeSecret?: boolean | undefined
  /** This client is a proxy: blocks are not encrypted. Default false. */
  readonly proxyServer?: boolean | undefined
  readonly service?: ServiceOptions | undefined
  readonly network?: NetworkOptions | undefined
  /** Mode of connecting. Default background. */
  readonly mode?: RequestMode | undefined
  /** Default {@link CONNECT_TIMEOUTS}. */
  readonly connectTimeouts?: ModeTimeouts | undefined
  /** Default {@link REQUEST_TIMEOUTS}. */
  readonly requestTimeouts?: ModeTimeouts | undefined
  /** Default {@link KEEP_ALIVE}. */
  readonly keepAlive?: KeepAlive | undefined
  /** Stops connecting; afterwards it closes the client. */
  readonly signal?: AbortSignal | undefined
}

/** Options of every command. */
export interface RequestOptions {
  /** Default background. */
  readonly mode?: RequestMode | undefined
  /** Instead of the client's timeout for the mode, milliseconds. */
  readonly timeoutMs?: number | undefined
  /** Stops waiting; an answer that comes later is an event. */
  readonly signal?: AbortSignal | undefined
}
