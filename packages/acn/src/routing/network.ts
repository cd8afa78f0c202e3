import type { AgentRecord, StatusBody } from '../protocol/index.ts'
import type { EnvelopeId } from '../store/index.ts'

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
  /**
   * Whether this node is in the network. A relay client is only while it has a contact: without one nothing goes out or
   * comes in, also where another way is open, as it has no place at which its agent could be found.
   */
  readonly isInNetwork: boolean
  /** Tells others that an agent has come to this node, at this time in ms since 1970; never throws. */
  announce(record: AgentRecord, issuedAt: number): Promise<void>
  /** Announces an agent no more. */
  withdraw(address: string): void
  /** Where an agent has gone that was here, as its new peer has signed it. */
  whereabouts(address: string): Pick<RemoteRoute, 'record' | 'peerId'> | undefined
  /** A route led nowhere. */
  doubt(address: string): void
  /** Looks an agent up among other peers. */
  resolve(address: string, options?: ResolveOptions): Promise<RemoteRoute | undefined>
  /** True when the peer takes envelopes by their ids and in turn: several of a pair may be under way to it. */
  takesInTurn(route: Pick<RemoteRoute, 'peerId' | 'provider'>): boolean
  /**
   * Sends an envelope and returns the peer's status, whatever it says.
   * @throws when there is no answer
   */
  sendEnvelope(
    route: Pick<RemoteRoute, 'peerId' | 'provider'>,
    envelope: SentEnvelope,
    signal: AbortSignal,
  ): Promise<StatusBody>
  /**
   * Resolves when nothing of a pair waits at a peer any more, or that peer will not say: it is not Parley, or has been
   * waiting long itself.
   * @param record the sending agent's
   * @throws when the peer does not answer
   */
  drained(peerId: string, to: string, record: AgentRecord, signal: AbortSignal): Promise<void>
  /**
   * Passes an envelope that was stored for an agent, which has gone, to the agent's new peer, when that is Parley.
   * @param envelope with the agent's record for this peer; `transfer` names this handing over
   * @throws when there is no answer
   */
  handOver(
    peerId: string,
    envelope: Omit<SentEnvelope, 'position'> & { readonly transfer: EnvelopeId; readonly agentRecord: AgentRecord },
    signal: AbortSignal,
  ): Promise<StatusBody>
}

/** An envelope on its way to another peer. */
export interface SentEnvelope {
  readonly id: EnvelopeId
  /** Of those of its pair that are under way: 0 when there were none. */
  readonly position: number
  readonly bytes: Uint8Array
  /** The sender's. */
  readonly record: AgentRecord
}
