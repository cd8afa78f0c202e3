/** Bytes of a connection with another peer, as they are inside of its encryption: what the muxer reads and writes. */
export interface ObservedBytes {
  /** Number of the connection, unlike that of any other of this host. */
  readonly connection: number
  /** Peer id at the other end. */
  readonly peerId: string
  readonly direction: 'in' | 'out'
  /** Valid while the observer runs: to be copied by those who keep it. */
  readonly bytes: Uint8Array
}

/** Is told of all bytes in their order; must not throw. */
export type StreamObserver = (observed: ObservedBytes) => void
