import type { Connection, MultiaddrConnection, PeerId, Stream } from '@libp2p/interface'
import { DecodeError } from '@parley/core/encoding'
import type { DhtPeer } from '../dht/message.ts'
import type { PeerLimits } from '../limits.ts'
import type { PeerTimeouts } from '../timeouts.ts'
import { CircuitConnection } from './circuit-connection.ts'
import { CircuitError } from './circuit-error.ts'
import { CircuitPlaces } from './circuit-places.ts'
import { CircuitHandshake } from './handshake.ts'
import { joinStreams } from './join-streams.ts'
import { CIRCUIT_STATUS, CIRCUIT_TYPE, type CircuitMessage, namedPeer } from './message.ts'
import { callPeer } from './stop.ts'

/** What the service needs of its host. */
export interface CircuitHost {
  readonly peerId: PeerId
  /** False for a relay client, which can be called but relays for nobody. */
  readonly isRelay: boolean
  /** The peer of an id's bytes. @throws DecodeError */
  peerOf(id: Uint8Array): PeerId
  /** The best open connection to a peer. */
  connectionTo(peer: PeerId): Connection | undefined
  /**
   * Connects to a peer to which there is no connection, on behalf of another.
   * @throws when it is not known or not reached
   */
  find(peer: PeerId, asker: PeerId, signal: AbortSignal): Promise<Connection>
  /** Sees to it that a stream ends on which all is said. */
  free(stream: Stream): void
  /** Secures a connection that a peer makes to us through a relay. */
  accept(connection: MultiaddrConnection, signal: AbortSignal): Promise<void>
}

/**
 * Circuit relay v1 from the side of the one that is asked: relays connections between two other peers (HOP), takes those
 * that come through another relay (STOP), says whether it relays (CAN_HOP). The bytes of a circuit are not limited, nor is
 * its time, as long as something goes over it.
 */
export class CircuitService {
  readonly #host: CircuitHost
  readonly #limits: Pick<PeerLimits, 'relayedConnections'>
  readonly #timeouts: Pick<PeerTimeouts, 'readRequest' | 'openStream' | 'circuitIdle'>
  readonly #signal: AbortSignal
  readonly #places: CircuitPlaces

  /** @param signal ends all circuits */
  constructor(
    host: CircuitHost,
    limits: Pick<PeerLimits, 'relayedConnections' | 'relayedConnectionsPerPeer'>,
    timeouts: Pick<PeerTimeouts, 'readRequest' | 'openStream' | 'circuitIdle'>,
    signal: AbortSignal,
  ) {
    this.#host = host
    this.#limits = limits
    this.#timeouts = timeouts
    this.#signal = signal
    this.#places = new CircuitPlaces(limits)
  }

  /** Circuits that are open or being opened through this host. */
  get circuits(): number {
    return this.#places.size
  }

  /** Serves one stream; returns when the handshake on it is done, however it went. Never throws. */
  async serve(stream: Stream, connection: Connection): Promise<void> {
    const handshake = new CircuitHandshake(stream)
    try {
      await this.#answer(handshake, stream, connection)
    } catch (error) {
      await this.#refuse(handshake, stream, error)
    }
  }

  async #answer(handshake: CircuitHandshake, stream: Stream, connection: Connection): Promise<void> {
    const message = await handshake.read(this.#deadline(this.#timeouts.readRequest))
    switch (message.type) {
      case CIRCUIT_TYPE.HOP:
        return this.#hop(handshake, connection, message)
      case CIRCUIT_TYPE.STOP:
        return this.#stop(handshake, stream, connection, message)
      case CIRCUIT_TYPE.CAN_HOP:
        if (!this.#host.isRelay) throw new CircuitError(CIRCUIT_STATUS.HOP_CANT_SPEAK_RELAY, 'relays for nobody')
        await this.#say(handshake, CIRCUIT_STATUS.SUCCESS)
        return this.#host.free(stream)
      default:
        throw new CircuitError(CIRCUIT_STATUS.MALFORMED_MESSAGE, 'kind of a circuit message')
    }
  }

  async #hop(handshake: CircuitHandshake, { remotePeer, direct }: Connection, message: CircuitMessage): Promise<void> {
    // Over circuits alone no further ones are made: peers could send each other round for ever.
    if (!this.#host.isRelay || !direct) {
      throw new CircuitError(CIRCUIT_STATUS.HOP_CANT_SPEAK_RELAY, 'not relayed from here')
    }
    const source = this.#peerOf(message.source, CIRCUIT_STATUS.HOP_SRC_MULTIADDR_INVALID)
    if (!source.equals(remotePeer)) {
      throw new CircuitError(CIRCUIT_STATUS.HOP_SRC_MULTIADDR_INVALID, 'calls in the name of another')
    }
    const destination = this.#peerOf(message.destination, CIRCUIT_STATUS.HOP_DST_MULTIADDR_INVALID)
    if (destination.equals(this.#host.peerId)) {
      throw new CircuitError(CIRCUIT_STATUS.HOP_CANT_RELAY_TO_SELF, 'is the relay itself')
    }
    const leave = this.#places.enter(source.toString(), destination.toString())
    try {
      const onward = await this.#call(source, destination)
      await this.#say(handshake, CIRCUIT_STATUS.SUCCESS).catch((error: Error) => {
        onward.abort(error)
        throw error
      })
      joinStreams(handshake.release(), onward, this.#timeouts.circuitIdle, this.#signal).finally(leave)
    } catch (error) {
      leave()
      throw error
    }
  }

  async #call(source: PeerId, destination: PeerId): Promise<Stream> {
    const signal = this.#deadline(this.#timeouts.openStream)
    const connection =
      this.#host.connectionTo(destination) ??
      (await this.#host.find(destination, source, signal).catch((cause) => {
        throw new CircuitError(CIRCUIT_STATUS.HOP_NO_CONN_TO_DST, 'not connected to the peer', { cause })
      }))
    return callPeer(connection, namedPeer(source), namedPeer(destination), this.#limits.relayedConnections, signal)
  }

  async #stop(
    handshake: CircuitHandshake,
    stream: Stream,
    { remoteAddr }: Connection,
    message: CircuitMessage,
  ): Promise<void> {
    const source = this.#peerOf(message.source, CIRCUIT_STATUS.STOP_SRC_MULTIADDR_INVALID)
    const destination = this.#peerOf(message.destination, CIRCUIT_STATUS.STOP_DST_MULTIADDR_INVALID)
    if (!destination.equals(this.#host.peerId)) {
      throw new CircuitError(CIRCUIT_STATUS.STOP_DST_MULTIADDR_INVALID, 'calls another peer')
    }
    await this.#say(handshake, CIRCUIT_STATUS.SUCCESS)
    const circuit = new CircuitConnection(handshake.release(), remoteAddr.encapsulate(`/p2p-circuit/p2p/${source}`))
    // From here on the stream is a connection: its failures are not told in statuses.
    await this.#host.accept(circuit, this.#deadline(this.#timeouts.openStream)).catch((error) => stream.abort(error))
  }

  #peerOf(peer: DhtPeer | undefined, code: number): PeerId {
    try {
      if (peer) return this.#host.peerOf(peer.id)
    } catch (cause) {
      throw new CircuitError(code, 'peer cannot be read', { cause })
    }
    throw new CircuitError(code, 'peer is not named')
  }

  #say(handshake: CircuitHandshake, code: number): Promise<void> {
    return handshake.write({ type: CIRCUIT_TYPE.STATUS, code }, this.#deadline(this.#timeouts.readRequest))
  }

  /** Says why, as far as the other side can be told, and ends the stream. */
  async #refuse(handshake: CircuitHandshake, stream: Stream, error: unknown): Promise<void> {
    const code =
      error instanceof CircuitError ? error.code : error instanceof DecodeError ? CIRCUIT_STATUS.MALFORMED_MESSAGE : 0
    try {
      if (code === 0) throw error
      await this.#say(handshake, code)
      this.#host.free(stream)
    } catch {
      stream.abort(error as Error)
    }
  }

  #deadline(time: number): AbortSignal {
    return AbortSignal.any([this.#signal, AbortSignal.timeout(time)])
  }
}
