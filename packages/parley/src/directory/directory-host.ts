import type { ChannelOptions, FrameChannel, RemotePeer, RequestOptions } from '@parley/acn/peer'

/** By this Parley peers ask each other for cards. */
export const CARD_PROTOCOL = '/parley/card/1.0.0'

/** A channel on which one message about cards is asked and answered. */
export type CardChannel = Pick<FrameChannel, 'read' | 'write' | 'close' | 'abort'>

/** What a directory needs of the peer that it belongs to: an `AcnHost`. */
export interface DirectoryHost {
  readonly peerId: string
  readonly connectedPeers: readonly string[]
  speaks(peerId: string, protocol: string): Promise<boolean | undefined>
  providersOf(address: string, signal: AbortSignal): AsyncIterable<string>
  openChannel(peerId: string, protocol: string, options: RequestOptions & ChannelOptions): Promise<CardChannel>
  serveChannels(
    protocol: string,
    handler: (channel: CardChannel, from: RemotePeer, signal: AbortSignal) => Promise<void>,
    options: ChannelOptions,
  ): Promise<void>
}
