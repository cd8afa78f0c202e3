/** What a channel needs of a peer's contact card, which somebody has verified. */
export interface ChannelPeerCard {
  readonly card: {
    readonly address: string
    /** Short link of the peer's contact address; absent in a card that revokes. */
    readonly contactLink?: string | undefined
    /** Ed25519, 32 raw bytes. */
    readonly channelKey: Uint8Array
    readonly sequence: number
  }
  readonly kind: 'ledger' | 'represented'
}
