import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { DecodeError } from '@parley/core/encoding'
import { type DhtPeer, tag, writePeer } from '../dht/message.ts'

/** By this stream a relay of the newer generation passes a call on: circuit relay v2, "stop". */
export const STOP_V2_PROTOCOL = '/libp2p/circuit/relay/0.2.0/stop'
/** A relay of the newer generation offers its service under this protocol: circuit relay v2, "hop". */
export const HOP_V2_PROTOCOL = '/libp2p/circuit/relay/0.2.0/hop'

/** What a peer that takes the call answers. */
export const STOP_V2_OK = 100

const CONNECT = 0
const FIELD = { type: 1, peer: 2, status: 4 } as const

/** The message `StopMessage` that says who calls. That it names no limit makes the connection one without limits. */
export function encodeStopV2(source: DhtPeer): Uint8Array {
  const writer = new BinaryWriter().uint32(tag(FIELD.type, WireType.Varint)).int32(CONNECT)
  writePeer(writer, FIELD.peer, source)
  return writer.finish()
}

/**
 * The status in the answer; 0 when there is none.
 * @throws DecodeError
 */
export function decodeStopV2Status(bytes: Uint8Array): number {
  try {
    const reader = new BinaryReader(bytes)
    let status = 0
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag()
      if (field === FIELD.status && wireType === WireType.Varint) status = reader.int32()
      else reader.skip(wireType)
    }
    return status
  } catch {
    throw new DecodeError('stop message is not valid protobuf', 0)
  }
}
