import { MAX_FRAME_LENGTH } from '../protocol/index.ts'

/**
 * What a host admits. The defaults take a busy peer of the network, which opens two streams for each envelope, and
 * refuse a flood.
 */
export interface PeerLimits {
  /** Connections in all; beyond them those of least use are closed. */
  readonly connections: number
  /** Connections from one IP address. */
  readonly connectionsPerAddress: number
  /** Connections of one peer id. */
  readonly connectionsPerPeer: number
  /** Connections from one IP address a second. */
  readonly connectionRatePerAddress: number
  /** Connections whose handshake is not done. */
  readonly pendingConnections: number
  /** Streams that one connection may have open towards us. */
  readonly streamsPerConnection: number
  /** Streams of the network's own protocols that are being answered, in all. */
  readonly answering: number
  /** Streams of the network's own protocols that are being answered for one peer. */
  readonly answeringPerPeer: number
  /** New streams of the network's own protocols of one peer a second, in the long run. */
  readonly streamRatePerPeer: number
  /** Streams above the rate that one peer may open at once. */
  readonly streamBurstPerPeer: number
  /** Look-ups in the DHT on behalf of other peers, in all. */
  readonly foreignLookups: number
  /** Peers that this one relays for. */
  readonly relayReservations: number
  /** Relayed connections that are open at once. */
  readonly relayedConnections: number
  /** Relayed connections of one peer, at either end, through circuit relay v1. */
  readonly relayedConnectionsPerPeer: number
  /** Records of providers that are kept for the DHT. */
  readonly providerRecords: number
  /** Records of providers that are kept for one provider. */
  readonly providerRecordsPerPeer: number
  /** Peers that are remembered. */
  readonly rememberedPeers: number
  /** Longest frame on a stream, in bytes. */
  readonly frameLength: number
}

export const DEFAULT_PEER_LIMITS: PeerLimits = {
  connections: 4096,
  connectionsPerAddress: 512,
  connectionsPerPeer: 8,
  connectionRatePerAddress: 200,
  pendingConnections: 256,
  streamsPerConnection: 4096,
  answering: 8192,
  answeringPerPeer: 2048,
  streamRatePerPeer: 5000,
  streamBurstPerPeer: 10_000,
  foreignLookups: 256,
  relayReservations: 1024,
  relayedConnections: 4096,
  relayedConnectionsPerPeer: 512,
  providerRecords: 200_000,
  providerRecordsPerPeer: 20_000,
  rememberedPeers: 20_000,
  frameLength: MAX_FRAME_LENGTH,
}
