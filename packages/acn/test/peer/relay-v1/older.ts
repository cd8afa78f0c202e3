import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { identify } from '@libp2p/identify'
import type { Libp2p, Stream, Upgrader } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import type { DhtPeer } from '../../../src/peer/dht/message.ts'
import { PeerIds } from '../../../src/peer/dht/peer-ids.ts'
import { DEFAULT_PEER_LIMITS } from '../../../src/peer/limits.ts'
import { CircuitService } from '../../../src/peer/relay-v1/circuit-service.ts'
import { circuitTransport } from '../../../src/peer/relay-v1/circuit-transport.ts'
import { CircuitHandshake } from '../../../src/peer/relay-v1/handshake.ts'
import { CIRCUIT_PROTOCOL, type CircuitMessage, namedPeer } from '../../../src/peer/relay-v1/message.ts'
import { DEFAULT_PEER_TIMEOUTS } from '../../../src/peer/timeouts.ts'
import { tls } from '../../../src/peer/tls/encrypter.ts'

/** What is said on it comes back: to see that a circuit carries. */
export const ECHO_PROTOCOL = '/parley/test/echo/1.0.0'

export const HOST_TIME = 10_000

/** How a host of a test is made. */
export interface OlderOptions {
  /** What of relays it knows: nothing, how to dial through both versions, v2 as libp2p itself has it. */
  readonly dials?: 'nothing' | 'both' | 'v2'
  /** Whether it takes part in v1 as one that can be called, as a relay besides, or not at all. */
  readonly v1?: 'called' | 'relay' | 'none'
  readonly listen?: string[]
}

/** A host that speaks no more of the network than relaying, such as peers and relay clients of the older generation. */
export async function olderHost({ dials = 'nothing', v1 = 'called', listen = [] }: OlderOptions = {}): Promise<Libp2p> {
  const relayed = { nothing: [], both: [circuitTransport()], v2: [circuitRelayTransport()] }[dials]
  const node = await createLibp2p({
    addresses: { listen },
    transports: [tcp(), ...relayed],
    connectionEncrypters: [tls()],
    streamMuxers: [yamux()],
    services: { identify: identify(), parts: ({ upgrader }: { upgrader: Upgrader }) => ({ upgrader }) },
  })
  await node.handle(ECHO_PROTOCOL, (stream) => {
    stream.addEventListener('message', ({ data }) => stream.send(data))
    stream.addEventListener('end', () => {
      stream.close().catch(() => {})
    })
  })
  if (v1 === 'none') return node
  const peerIds = new PeerIds()
  const service = new CircuitService(
    {
      peerId: node.peerId,
      isRelay: v1 === 'relay',
      peerOf: (id) => peerIds.of(id),
      connectionTo: (peer) => node.getConnections(peer)[0],
      find: () => Promise.reject(new Error('dials nobody')),
      free: (stream) => {
        stream.close().catch(() => {})
      },
      accept: (connection, signal) => node.services.parts.upgrader.upgradeInbound(connection, { signal }),
    },
    DEFAULT_PEER_LIMITS,
    DEFAULT_PEER_TIMEOUTS,
    new AbortController().signal,
  )
  await node.handle(CIRCUIT_PROTOCOL, (stream, connection) => service.serve(stream, connection))
  return node
}

/** Connects and waits until the other side knows what we speak. */
export async function connectTo(node: Libp2p, address: string): Promise<void> {
  await node.dial(multiaddr(address), { signal: AbortSignal.timeout(HOST_TIME) })
}

/** Says a message to a relay and reads the answer; the stream is there for what follows. */
export async function ask(
  node: Libp2p,
  relay: string,
  message: CircuitMessage,
): Promise<{ answer: CircuitMessage; stream: Stream }> {
  const signal = AbortSignal.timeout(HOST_TIME)
  const stream = await node.dialProtocol(multiaddr(relay), CIRCUIT_PROTOCOL, { signal })
  const handshake = new CircuitHandshake(stream)
  await handshake.write(message, signal)
  const answer = await handshake.read(signal)
  return { answer, stream: handshake.release() }
}

/** A peer as messages name it. */
export function named(node: Pick<Libp2p, 'peerId'>): DhtPeer {
  return namedPeer(node.peerId)
}
