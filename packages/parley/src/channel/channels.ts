import type {
  ChannelEnvelope,
  ChannelEventName,
  ChannelHandler,
  ChannelSummary,
  ChannelsOptions,
  EnvelopeState,
  LocalAgent,
} from './types.ts'
import type { ChannelPeerCard } from './verified-card.ts'

/**
 * Private channels between ledger addresses, over the connections of one agent: `docs/channels.md`. One channel per pair
 * of addresses; envelopes arrive once and in order, are stored until the peer's application has taken them, and wait for
 * a peer that is away.
 */
export class Channels implements AsyncDisposable {
  /**
   * Opens the store and goes on with what it holds. Nothing is told before a handler is there: {@link Channels.on}.
   * @throws StoreError LOCKED, PASSPHRASE, NEWER, MIGRATION, IO
   */
  static async open(_options: ChannelsOptions): Promise<Channels> {
    throw new Error('not built yet')
  }

  /**
   * An agent of ours is here: its contact address is listened to, its channels go on, envelopes for it are given. Calling
   * it again replaces card and key.
   */
  async addLocal(_local: LocalAgent): Promise<void> {}

  /**
   * The agent is not here any more. `away`: it will be back, its channels stay. `moved` or `refused`: peers are told and
   * its channels are deleted; what it had not taken, peers send elsewhere; what it had sent and peers had not taken is
   * `notDelivered`.
   */
  async removeLocal(_address: string, _reason: 'away' | 'moved' | 'refused'): Promise<void> {}

  /**
   * Sends an envelope: it is stored when this resolves. It waits while as much as allowed is stored for the peer.
   * @throws ChannelError NO_PEER when `open` was never called and the peer has opened none; LARGE; UNKNOWN_LOCAL; CLOSED;
   * the signal's reason
   */
  async send(_local: string, _peer: string, _envelope: ChannelEnvelope, _signal?: AbortSignal): Promise<void> {}

  /**
   * Opens a channel with the owner of the card unless there is one or one is being opened; resolves when the intent is
   * stored. `opened` follows, or `cardNeeded`.
   * @throws ChannelError NO_CONTACT for a card without a link or of another address; UNKNOWN_LOCAL; CLOSED
   */
  async open(_local: string, _peer: string, _card: ChannelPeerCard): Promise<void> {}

  /** Whether there is a channel with the peer, proven by both sides, or one is being opened. */
  hasChannel(_local: string, _peer: string): 'open' | 'opening' | undefined {
    return undefined
  }

  /** Where an envelope is that was sent in the last 7 days. */
  stateOf(_local: string, _peer: string, _id: string): EnvelopeState | undefined {
    return undefined
  }

  /** All pairs. */
  list(): ChannelSummary[] {
    return []
  }

  /** Calls `handler` for each event with this name; returns how to stop that. */
  on<N extends ChannelEventName>(_name: N, _handler: ChannelHandler<N>): () => void {
    return () => undefined
  }

  /** Ends all work and releases the store; the agent stays open. What is pending goes on when it is opened again. */
  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
