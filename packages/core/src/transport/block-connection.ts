/** Bytes of every block, before and after encryption: `spec/smp.md §2.2`. */
export const BLOCK_SIZE = 16384

/** Largest content of a block that is only padded (handshakes, versions below 11): `spec/smp.md §2.2`. */
export const MAX_PADDED_BLOCK_CONTENT = BLOCK_SIZE - 2

/** An established TLS connection that carries blocks of {@link BLOCK_SIZE} bytes both ways. */
export interface BlockConnection {
  /** "tls-unique": verify_data of the client's Finished, 12 bytes (TLS 1.2) or 32 (TLS 1.3). `spec/smp.md §0`, S3. */
  readonly sessionId: Uint8Array
  /** Negotiated ALPN protocol, undefined when there was no negotiation. */
  readonly alpn: string | undefined
  /** DER certificates of the peer in the order sent, leaf first; empty when the peer (a client) sent none. */
  readonly peerCertificates: readonly Uint8Array[]
  /** Address of the peer, or of the SOCKS proxy; empty when it is already gone. */
  readonly remoteAddress: string
  /** Settles, always with success, when the connection is gone, for whatever reason. */
  readonly closed: Promise<void>
  /** Why the connection ended, when that was not an orderly end: NetworkError or TransportError BLOCK. */
  readonly error: Error | undefined

  /**
   * The next block, waiting for one; undefined after an orderly end by either side. Blocks received before the end
   * come first. One call at a time. A loop that keeps the last block in a variable while it waits for the next one
   * costs an idle connection 16 KiB.
   * @throws NetworkError FAILED when the connection broke; TransportError BLOCK when it ended inside a block;
   * the signal's reason when it aborts (nothing is lost then)
   */
  read(signal?: AbortSignal): Promise<Uint8Array | undefined>
  /** The next block if one has been received already. */
  tryRead(): Uint8Array | undefined
  /**
   * Sends one block of exactly {@link BLOCK_SIZE} bytes; blocks written before the event loop turns go out together.
   * Settles when the connection may take the next one; ignoring the promise is safe but gives up back-pressure.
   * The block must not be changed before `onTaken` is called, which happens in any case.
   * @throws RangeError for another length; NetworkError FAILED when the connection is closed or closes before that
   */
  write(block: Uint8Array, onTaken?: () => void): Promise<void>
  /** Ends the connection after what was written has been sent. Readers see an orderly end. */
  close(): void
  /** Ends the connection at once. Readers see `reason`, or an orderly end without one. */
  destroy(reason?: Error): void
}
