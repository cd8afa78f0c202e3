import { type CircuitRelayTransportComponents, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import type { Connection, DialTransportOptions, PeerId, Transport } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { CircuitConnection } from './circuit-connection.ts'
import { CircuitError } from './circuit-error.ts'
import { CircuitHandshake } from './handshake.ts'
import { CIRCUIT_PROTOCOL, CIRCUIT_STATUS, CIRCUIT_TYPE, namedPeer } from './message.ts'
import { HOP_V2_PROTOCOL } from './stop-v2.ts'

/**
 * libp2p's transport over relays, which speaks circuit relay v2, and v1 besides: to relays that speak only that, and to
 * those that refuse v2 since the peer behind them, of the older generation, could not reserve a place.
 */
export function circuitTransport(): (components: CircuitRelayTransportComponents) => Transport {
  const make = circuitRelayTransport()
  return (components) => {
    const transport = make(components)
    const dialV2 = transport.dial.bind(transport)
    transport.dial = async (address, options) => {
      const circuit = circuitOf(address)
      if (!circuit) return dialV2(address, options)
      const known = await protocolsOf(components, circuit.relay)
      if (known.includes(CIRCUIT_PROTOCOL) && !known.includes(HOP_V2_PROTOCOL)) {
        return dialV1(components, circuit, options)
      }
      try {
        return await dialV2(address, options)
      } catch (error) {
        options.signal.throwIfAborted()
        // A relay that has just been connected to may not have said yet what it speaks: it is asked.
        const protocols = await protocolsOf(components, circuit.relay)
        if (protocols.includes(HOP_V2_PROTOCOL) && !protocols.includes(CIRCUIT_PROTOCOL)) throw error
        return await dialV1(components, circuit, options)
      }
    }
    return transport
  }
}

interface Circuit {
  readonly address: Multiaddr
  /** Address of the relay, with its id. */
  readonly relayAddress: Multiaddr
  readonly relay: PeerId
  readonly destination: PeerId
}

/** Undefined for an address that does not name both peers; libp2p says what is wrong with it. */
function circuitOf(address: Multiaddr): Circuit | undefined {
  const [, base, relay, destination] = /^(.*\/p2p\/([^/]+))\/p2p-circuit\/p2p\/([^/]+)$/.exec(address.toString()) ?? []
  if (base === undefined || relay === undefined || destination === undefined) return undefined
  return {
    address,
    relayAddress: multiaddr(base),
    relay: peerIdFromString(relay),
    destination: peerIdFromString(destination),
  }
}

async function dialV1(
  { connectionManager, upgrader, peerId }: CircuitRelayTransportComponents,
  { address, relayAddress, relay, destination }: Circuit,
  options: DialTransportOptions,
): Promise<Connection> {
  const { signal } = options
  const connection =
    connectionManager.getConnections(relay)[0] ?? (await connectionManager.openConnection(relayAddress, { signal }))
  const stream = await connection.newStream(CIRCUIT_PROTOCOL, { signal })
  try {
    const handshake = new CircuitHandshake(stream)
    const [source, target] = [namedPeer(peerId), namedPeer(destination)]
    await handshake.write({ type: CIRCUIT_TYPE.HOP, source, destination: target }, signal)
    const { type, code = CIRCUIT_STATUS.MALFORMED_MESSAGE } = await handshake.read(signal)
    if (type !== CIRCUIT_TYPE.STATUS || code !== CIRCUIT_STATUS.SUCCESS) {
      throw new CircuitError(code, 'relay makes no circuit')
    }
    return await upgrader.upgradeOutbound(new CircuitConnection(handshake.release(), address), options)
  } catch (error) {
    stream.abort(error as Error)
    throw error
  }
}

async function protocolsOf({ peerStore }: CircuitRelayTransportComponents, relay: PeerId): Promise<string[]> {
  try {
    return (await peerStore.get(relay)).protocols
  } catch {
    return []
  }
}
