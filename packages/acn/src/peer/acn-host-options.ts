import type { ComponentLogger } from '@libp2p/interface'
import type { Libp2pOptions } from 'libp2p'
import type { AgentRecord, HostPort } from '../protocol/index.ts'
import type { PeerKey, ProofCache } from '../record/index.ts'
import type { EntryPeer } from './host/entry-peers.ts'
import type { PeerLimits } from './limits.ts'
import type { LookupHandler } from './streams/address.ts'
import type { EnvelopeHandler } from './streams/envelope.ts'
import type { RegisterHandler } from './streams/register.ts'
import type { RemotePeer } from './streams/remote-peer.ts'
import type { PeerTimeouts } from './timeouts.ts'
import type { StreamObserver } from './tls/stream-observer.ts'

/** What a host does with what other peers want. Each may throw an AcnStatusError, which is the answer then. */
export interface PeerHandlers {
  /** Looks an address up for another peer. */
  readonly lookup: LookupHandler
  /** Takes an envelope for an agent of this node. */
  readonly receive: EnvelopeHandler
  /** Takes the registration of a relay client; absent where none are served. */
  readonly register?: RegisterHandler
}

/** What a host is made from. */
export interface AcnHostOptions {
  readonly key: PeerKey
  /** Where a peer listens: an IP address, and port 0 for any. Absent: a relay client. */
  readonly listen?: HostPort
  /** What others are told to connect to, when it is not where the peer listens. */
  readonly announce?: HostPort
  /** Peers through which to join; a relay client takes its contact from them, in this order. */
  readonly entryPeers?: readonly EntryPeer[]
  readonly handlers: PeerHandlers
  /** Addresses to announce from the start. */
  readonly addresses?: readonly string[]
  /** Record that a relay client registers. */
  readonly record?: AgentRecord
  /** Told when a relay client's contact changes: its peer id, undefined while there is none. */
  readonly onContact?: (relay: string | undefined) => void
  /** Told when a peer has notified us and our addresses are announced. */
  readonly onNotified?: (peer: RemotePeer) => void
  /** Told of faults of others and of our own; never with contents or keys. */
  readonly onFailure?: (protocol: string, peer: RemotePeer, error: unknown) => void
  /** Proofs found valid, to be shared with other parts of the node. */
  readonly proofs?: ProofCache
  readonly limits?: Partial<PeerLimits>
  readonly timeouts?: Partial<PeerTimeouts>
  /** libp2p's own log; by default there is none. */
  readonly logger?: ComponentLogger
  /** libp2p's own metrics. */
  readonly metrics?: Libp2pOptions['metrics']
  /**
   * For tests and demonstrations: told of every byte of every connection, inside of its encryption. Off by default. With
   * it the host offers TLS alone, so that nothing passes unseen.
   */
  readonly observe?: StreamObserver
}

/** How a request to a peer is made. */
export interface RequestOptions {
  /** Peer id of the peer that relays for it. */
  readonly via?: string
  /** Milliseconds for the answer, once there is a stream. */
  readonly timeout?: number
  readonly signal?: AbortSignal
}

/** What a channel takes. */
export interface ChannelOptions {
  /** Longest body of a frame, in bytes; that of the host by default. */
  readonly maxFrameLength?: number
}

/** Where an envelope goes: a {@link Resolution} is one. */
export interface Route {
  readonly peerId: string
  /** Peer through which {@link peerId} is reached when that is another. */
  readonly provider?: string
}
