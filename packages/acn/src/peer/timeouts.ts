/** How long a host waits, in milliseconds: `spec/acn.md §10`, unless said otherwise. */
export interface PeerTimeouts {
  /** To connect to a peer, with both handshakes. */
  readonly dial: number
  /** For a peer that connects to us to be done with both handshakes. */
  readonly handshake: number
  /** To open a stream to a peer that we are connected to. */
  readonly openStream: number
  /** For the whole request on a stream, once it is open. */
  readonly request: number
  /** For a peer to say what it wants on a stream that it opened. */
  readonly readRequest: number
  /** For our own side to answer; longer than {@link lookup}, which may be part of it. */
  readonly answer: number
  /** For one peer to answer a look-up: it may ask others for us. */
  readonly lookupRequest: number
  /** For a look-up as a whole. */
  readonly lookup: number
  /** For a look-up on behalf of another peer. */
  readonly foreignLookup: number
  /** How long an address that was not found is not looked for again. */
  readonly notFound: number
  /** Between two searches of the DHT for the same address. */
  readonly searchAgain: number
  /** For a peer to come into the routing table. */
  readonly routingTable: number
  /** To announce one address. */
  readonly announce: number
  /** After this announcements are made again: half of the 24 h after which Go peers forget a provider's addresses. */
  readonly reannounce: number
  /** For a relayed address after connecting to the relay. */
  readonly reservation: number
  /** For something to go over a circuit, before it is ended; both generations of Go nodes say something every 30 s. */
  readonly circuitIdle: number
  /** For an entry peer to be reached again, first and longest wait between two tries. */
  readonly rejoin: readonly [first: number, longest: number]
  /** The same for a relay client's contact, without which nobody reaches it: the Go node tries every second. */
  readonly contact: readonly [first: number, longest: number]
  /** For a peer that was answered to close the stream, before it is reset. */
  readonly linger: number
}

export const DEFAULT_PEER_TIMEOUTS: PeerTimeouts = {
  dial: 10_000,
  handshake: 10_000,
  openStream: 10_000,
  request: 20_000,
  readRequest: 10_000,
  answer: 25_000,
  lookupRequest: 5_000,
  lookup: 20_000,
  foreignLookup: 10_000,
  notFound: 1_000,
  searchAgain: 200,
  routingTable: 5_000,
  announce: 5_000,
  reannounce: 12 * 3_600_000,
  reservation: 10_000,
  circuitIdle: 600_000,
  rejoin: [200, 10_000],
  contact: [200, 2_000],
  linger: 1_000,
}
