import type { Connection, Stream } from '@libp2p/interface'
import type { DhtPeer } from '../dht/message.ts'
import { CircuitError } from './circuit-error.ts'
import { CircuitHandshake } from './handshake.ts'
import { CIRCUIT_PROTOCOL, CIRCUIT_STATUS, CIRCUIT_TYPE } from './message.ts'
import { decodeStopV2Status, encodeStopV2, STOP_V2_OK, STOP_V2_PROTOCOL } from './stop-v2.ts'

const { HOP_CANT_OPEN_DST_STREAM, SUCCESS } = CIRCUIT_STATUS

/**
 * Calls a peer on behalf of another, in the version of the relay protocol that the called peer speaks: what goes over
 * the circuit afterwards is the same in both, so that peers of different generations meet.
 * @returns the stream that leads to the called peer
 * @throws CircuitError with the called peer's own code, or HOP_CANT_OPEN_DST_STREAM
 */
export async function callPeer(
  connection: Connection,
  source: DhtPeer,
  destination: DhtPeer,
  maxOutboundStreams: number,
  signal: AbortSignal,
): Promise<Stream> {
  const stream = await connection
    .newStream([CIRCUIT_PROTOCOL, STOP_V2_PROTOCOL], { signal, runOnLimitedConnection: true, maxOutboundStreams })
    .catch((cause) => {
      throw new CircuitError(HOP_CANT_OPEN_DST_STREAM, 'peer cannot be called', { cause })
    })
  try {
    const handshake = new CircuitHandshake(stream)
    if (stream.protocol === STOP_V2_PROTOCOL) await callV2(handshake, source, signal)
    else await callV1(handshake, source, destination, signal)
    return handshake.release()
  } catch (error) {
    stream.abort(error as Error)
    if (error instanceof CircuitError) throw error
    throw new CircuitError(HOP_CANT_OPEN_DST_STREAM, 'peer did not answer the call', { cause: error })
  }
}

async function callV1(
  handshake: CircuitHandshake,
  source: DhtPeer,
  destination: DhtPeer,
  signal: AbortSignal,
): Promise<void> {
  await handshake.write({ type: CIRCUIT_TYPE.STOP, source, destination }, signal)
  const { type, code = HOP_CANT_OPEN_DST_STREAM } = await handshake.read(signal)
  if (type !== CIRCUIT_TYPE.STATUS) throw new CircuitError(HOP_CANT_OPEN_DST_STREAM, 'answer to a call is no status')
  if (code !== SUCCESS) throw new CircuitError(code, 'peer refuses the call')
}

async function callV2(handshake: CircuitHandshake, source: DhtPeer, signal: AbortSignal): Promise<void> {
  await handshake.writeBytes(encodeStopV2(source), signal)
  const status = decodeStopV2Status(await handshake.readBytes(signal))
  if (status !== STOP_V2_OK) throw new CircuitError(CIRCUIT_STATUS.STOP_RELAY_REFUSED, 'peer refuses the call')
}
