import { isIPv6 } from 'node:net'
import { autoNAT } from '@libp2p/autonat'
import { type CircuitRelayService, circuitRelayServer } from '@libp2p/circuit-relay-v2'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import { identify, identifyPush } from '@libp2p/identify'
import type { ComponentLogger, Libp2p, Upgrader } from '@libp2p/interface'
import type { AddressManager, ConnectionManager, TransportManager } from '@libp2p/interface-internal'
import { type KadDHT, kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p, type Libp2pOptions } from 'libp2p'
import { formatPeerAddress, type HostPort } from '../../protocol/index.ts'
import { DHT_PROTOCOL } from '../dht/client.ts'
import { CLOSEST_PEERS } from '../dht/search.ts'
import type { PeerLimits } from '../limits.ts'
import { circuitTransport } from '../relay-v1/circuit-transport.ts'
import type { PeerTimeouts } from '../timeouts.ts'
import { tls } from '../tls/encrypter.ts'
import type { StreamObserver } from '../tls/stream-observer.ts'
import type { ConnectionLimits } from './connection-limits.ts'
import { orderConnections } from './connection-order.ts'
import { QUIET_LOGGER } from './quiet-logger.ts'
import { rememberProtocols } from './remembered-protocols.ts'

/** How long what is known of a peer is kept, as long as records of the DHT are valid. */
const MEMORY = 48 * 3_600_000
/** Every so often connections are asked whether they live. */
const HEARTBEAT = 30_000

/** What a node is made from. */
export interface NodeInit {
  /** 32 bytes. */
  readonly privateKey: Uint8Array
  /** Where a peer listens, an IP address with a port that is not 0; undefined for a relay client. */
  readonly listen: HostPort | undefined
  /** What others are told to connect to, when it is not where the peer listens. */
  readonly announce: HostPort | undefined
  readonly limits: PeerLimits
  readonly timeouts: PeerTimeouts
  readonly connectionLimits: ConnectionLimits
  readonly logger?: ComponentLogger | undefined
  readonly metrics?: Libp2pOptions['metrics'] | undefined
  /** Sees all connections from inside of their encryption; TLS alone is offered then. */
  readonly observe?: StreamObserver | undefined
}

/** Parts of libp2p that have no place in its outer interface. */
export interface NodeParts {
  readonly transportManager: TransportManager
  readonly addressManager: AddressManager
  readonly connectionManager: ConnectionManager
  readonly upgrader: Upgrader
}

/** A node and what of its inside is needed. */
export interface Libp2pNode {
  readonly node: Libp2p
  readonly dht: KadDHT
  readonly parts: NodeParts
  /** The relay service; undefined for a relay client. */
  readonly relay: CircuitRelayService | undefined
}

/**
 * Makes a libp2p node with which peers of the network get on, started: TCP; TLS before Noise; yamux; identify, ping,
 * AutoNAT; circuit relay v2, and dialling through v1; kad-dht for the routing table. `spec/acn-libp2p.md §4` says what each setting is for.
 */
export async function createNode(init: NodeInit): Promise<Libp2pNode> {
  const { listen, announce, limits, timeouts, connectionLimits, logger, metrics, observe } = init
  const node = await createLibp2p({
    start: false,
    privateKey: privateKeyFromRaw(Uint8Array.from(init.privateKey)),
    nodeInfo: { name: 'parley-acn', version: '0.1.0', userAgent: 'parley-acn/0.1.0' },
    logger: logger ?? QUIET_LOGGER,
    addresses: {
      listen: listen ? [`/${isIPv6(listen.host) ? 'ip6' : 'ip4'}/${listen.host}/tcp/${listen.port}`] : [],
      // One address only, `/dns4/` even for an IP address, as the Go node has it; not what others think they saw.
      announce: listen ? [formatPeerAddress({ protocol: 'dns4', ...(announce ?? listen) })] : [],
    },
    transports: [tcp({ backlog: limits.pendingConnections }), circuitTransport()],
    connectionEncrypters: observe ? [tls(observe)] : [tls(), noise()],
    streamMuxers: [
      yamux({
        maxInboundStreams: limits.streamsPerConnection,
        maxOutboundStreams: 65_536,
        // Streams that come while a connection is still being set up; by default the 11th ends them all.
        maxEarlyStreams: limits.streamsPerConnection,
        // One data frame for what fits into a window, and room for an envelope of some size without waiting.
        streamOptions: { maxStreamWindowSize: 4 * 1024 * 1024 },
      }),
    ],
    connectionManager: {
      maxConnections: limits.connections,
      inboundConnectionThreshold: limits.connectionRatePerAddress,
      maxIncomingPendingConnections: limits.pendingConnections,
      dialTimeout: timeouts.dial,
      addressDialTimeout: timeouts.dial,
      inboundUpgradeTimeout: timeouts.handshake,
    },
    connectionMonitor: { pingInterval: HEARTBEAT },
    connectionGater: connectionLimits.gater,
    peerStore: { maxAddressAge: MEMORY, maxPeerAge: MEMORY },
    services: {
      identify: identify(),
      identifyPush: identifyPush(),
      ping: ping({ maxInboundStreams: 8, maxOutboundStreams: 64 }),
      dht: kadDHT({
        protocol: DHT_PROTOCOL,
        // Peers are answered by DhtServer; kad-dht keeps the routing table.
        clientMode: true,
        kBucketSize: CLOSEST_PEERS,
        alpha: 3,
        disjointPaths: 1,
        allowQueryWithZeroPeers: true,
        // By default addresses of private networks are dropped, and with them whole peers.
        peerInfoMapper: passthroughMapper,
        maxInboundStreams: 4096,
        maxOutboundStreams: 4096,
      }),
      // What makes no one a service by being offered: relay and dial-back, by peers only.
      ...(listen && {
        autoNat: autoNAT(),
        relay: circuitRelayServer({
          reservations: { maxReservations: limits.relayReservations, applyDefaultLimit: false },
          maxInboundHopStreams: limits.relayedConnections,
          maxOutboundStopStreams: limits.relayedConnections,
        }),
      }),
      parts: ({ transportManager, addressManager, connectionManager, upgrader }: NodeParts): NodeParts => ({
        transportManager,
        addressManager,
        connectionManager,
        upgrader,
      }),
    },
    ...(metrics && { metrics }),
  })
  // A place is kept for the connected only: libp2p would hold it for two hours.
  const { relay } = node.services
  if (relay) node.addEventListener('peer:disconnect', ({ detail: peer }) => relay.reservations.delete(peer))
  rememberProtocols(node.peerStore)
  orderConnections(node.services.parts.connectionManager)
  return { node, dht: node.services.dht, parts: node.services.parts, relay }
}
