import type { AgentRecord, StatusBody } from '../protocol/index.ts'

/** Where an agent is, as another peer proved it. */
export interface RemoteRoute {
  /** Proven for the agent's address and {@link peerId}. */
  readonly record: AgentRecord
  /** The peer that takes the agent's envelopes. */
  readonly peerId: string
  /** The peer that gave the record; another than {@link peerId} when it relays for that. */
  readonly provider: string
}

/** How a look-up is made. */
export interface ResolveOptions {
  /** Peer id of the peer for which it is done; that peer is not asked. */
  readonly asker?: string
  /** Milliseconds after which it is given up. */
  readonly timeout?: number
  readonly signal?: AbortSignal
}

/** The other peers, as routing sees them: the host of a node. */
export interface RoutingNetwork {
  /** Announces an agent of this node; never throws. */
  announce(address: string): Promise<void>
  /** Announces an agent no more. */
  withdraw(address: string): void
  /** Looks an agent up among other peers. */
  resolve(address: string, options?: ResolveOptions): Promise<RemoteRoute | undefined>
  /**
   * Sends an envelope with the sender's record and returns the peer's status, whatever it says.
   * @throws when there is no answer
   */
  sendEnvelope(
    route: Pick<RemoteRoute, 'peerId' | 'provider'>,
    envelope: Uint8Array,
    record: AgentRecord,
    options?: { readonly timeout?: number; readonly signal?: AbortSignal },
  ): Promise<StatusBody>
  /**
   * Passes an envelope that was stored for an agent, which has gone, to the agent's new peer, when that is Parley.
   * @param envelope with the record of its sender, and that of the agent for this peer
   * @throws when there is no answer
   */
  handOver(
    peerId: string,
    envelope: { readonly agentRecord: AgentRecord; readonly bytes: Uint8Array; readonly record: AgentRecord },
    signal: AbortSignal,
  ): Promise<StatusBody>
}
