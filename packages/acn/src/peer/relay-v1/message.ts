import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import type { PeerId } from '@libp2p/interface'
import { DecodeError } from '@parley/core/encoding'
import { type DhtPeer, readPeer, tag, writePeer } from '../dht/message.ts'

/** Circuit relay v1, spoken by nodes of the older generation: libp2p's specification "Circuit Relay v0.1.0". */
export const CIRCUIT_PROTOCOL = '/libp2p/circuit/relay/0.1.0'

/** Longest message, in bytes, as the older nodes have it. */
export const MAX_CIRCUIT_MESSAGE = 4096

/** Kinds of messages. */
export const CIRCUIT_TYPE = { HOP: 1, STOP: 2, STATUS: 3, CAN_HOP: 4 } as const

/** What a STATUS says. 2xx come from a relay, 3xx from the peer that is called. */
export const CIRCUIT_STATUS = {
  SUCCESS: 100,
  HOP_SRC_ADDR_TOO_LONG: 220,
  HOP_DST_ADDR_TOO_LONG: 221,
  HOP_SRC_MULTIADDR_INVALID: 250,
  HOP_DST_MULTIADDR_INVALID: 251,
  HOP_NO_CONN_TO_DST: 260,
  HOP_CANT_DIAL_DST: 261,
  HOP_CANT_OPEN_DST_STREAM: 262,
  HOP_CANT_SPEAK_RELAY: 270,
  HOP_CANT_RELAY_TO_SELF: 280,
  STOP_SRC_ADDR_TOO_LONG: 320,
  STOP_DST_ADDR_TOO_LONG: 321,
  STOP_SRC_MULTIADDR_INVALID: 350,
  STOP_DST_MULTIADDR_INVALID: 351,
  STOP_RELAY_REFUSED: 390,
  MALFORMED_MESSAGE: 400,
} as const

/** A message of the protocol, the protobuf `CircuitRelay`. */
export interface CircuitMessage {
  /** One of {@link CIRCUIT_TYPE}, or a kind that this program does not know; 0 when it is not said. */
  readonly type: number
  /** Who calls: in HOP and STOP. */
  readonly source?: DhtPeer
  /** Who is called: in HOP and STOP. */
  readonly destination?: DhtPeer
  /** In STATUS: one of {@link CIRCUIT_STATUS}, or a number that this program does not know. */
  readonly code?: number
}

/**
 * A peer as messages of ours name it. Addresses are left out: the two that are to meet cannot use those of each other, or
 * else they would not do so over a relay.
 */
export function namedPeer(peer: PeerId): DhtPeer {
  return { id: peer.toMultihash().bytes, addresses: [] }
}

const FIELD = { type: 1, source: 2, destination: 3, code: 4 } as const

/** The protobuf bytes of a message. */
export function encodeCircuitMessage({ type, source, destination, code }: CircuitMessage): Uint8Array {
  const writer = new BinaryWriter()
  if (type !== 0) writer.uint32(tag(FIELD.type, WireType.Varint)).int32(type)
  if (source) writePeer(writer, FIELD.source, source)
  if (destination) writePeer(writer, FIELD.destination, destination)
  if (code !== undefined) writer.uint32(tag(FIELD.code, WireType.Varint)).int32(code)
  return writer.finish()
}

/**
 * Reads a message; byte fields are views of the input. Fields that are not known are skipped.
 * @throws DecodeError
 */
export function decodeCircuitMessage(bytes: Uint8Array): CircuitMessage {
  try {
    return readMessage(new BinaryReader(bytes))
  } catch (error) {
    if (error instanceof DecodeError) throw error
    throw new DecodeError('circuit message is not valid protobuf', 0)
  }
}

function readMessage(reader: BinaryReader): CircuitMessage {
  let type = 0
  let source: DhtPeer | undefined
  let destination: DhtPeer | undefined
  let code: number | undefined
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag()
    if (field === FIELD.type && wireType === WireType.Varint) type = reader.int32()
    else if (field === FIELD.source && wireType === WireType.LengthDelimited) source = readPeerOf(reader)
    else if (field === FIELD.destination && wireType === WireType.LengthDelimited) destination = readPeerOf(reader)
    else if (field === FIELD.code && wireType === WireType.Varint) code = reader.int32()
    else reader.skip(wireType)
  }
  return { type, ...(source && { source }), ...(destination && { destination }), ...(code !== undefined && { code }) }
}

function readPeerOf(reader: BinaryReader): DhtPeer {
  return readPeer(new BinaryReader(reader.bytes()))
}
