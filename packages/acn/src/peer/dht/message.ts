import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { DecodeError } from '@parley/core/encoding'

/** Kinds of messages of `/ipfs/kad/1.0.0`. Values are not stored by this network. */
export const DHT_MESSAGE = {
  PUT_VALUE: 0,
  GET_VALUE: 1,
  ADD_PROVIDER: 2,
  GET_PROVIDERS: 3,
  FIND_NODE: 4,
  PING: 5,
} as const

/** A peer as DHT messages name it. Bytes throughout: to make keys and addresses of them takes far longer than to pass them on. */
export interface DhtPeer {
  /** Multihash of the peer id. */
  readonly id: Uint8Array
  /** Multiaddrs. */
  readonly addresses: readonly Uint8Array[]
}

/** A message of the DHT: libp2p's Kademlia specification, "RPC messages". */
export interface DhtMessage {
  /** One of {@link DHT_MESSAGE}, or a kind that this program does not know. */
  readonly type: number
  /** What is looked for: a multihash. */
  readonly key: Uint8Array
  readonly closerPeers: readonly DhtPeer[]
  readonly providerPeers: readonly DhtPeer[]
}

/** Longest message that is taken, in bytes: some hundred peers. */
export const MAX_DHT_MESSAGE = 128 * 1024
/** Peers of one list beyond which a message is refused. */
const MAX_PEERS = 256
/** Addresses of a peer that are kept. */
const MAX_ADDRESSES = 16
const MAX_ADDRESS_LENGTH = 512
const MAX_ID_LENGTH = 128

const FIELD = { type: 1, key: 2, closerPeers: 8, providerPeers: 9, peerId: 1, peerAddress: 2 } as const

/** The protobuf bytes of a message. */
export function encodeDhtMessage({ type, key, closerPeers, providerPeers }: DhtMessage): Uint8Array {
  const writer = new BinaryWriter().uint32(tag(FIELD.type, WireType.Varint)).int32(type)
  if (key.length > 0) writer.uint32(tag(FIELD.key, WireType.LengthDelimited)).bytes(key)
  for (const peer of closerPeers) writePeer(writer, FIELD.closerPeers, peer)
  for (const peer of providerPeers) writePeer(writer, FIELD.providerPeers, peer)
  return writer.finish()
}

/** Writes a peer as a field of a message. */
export function writePeer(writer: BinaryWriter, field: number, { id, addresses }: DhtPeer): void {
  writer.uint32(tag(field, WireType.LengthDelimited)).fork()
  writer.uint32(tag(FIELD.peerId, WireType.LengthDelimited)).bytes(id)
  for (const address of addresses) writer.uint32(tag(FIELD.peerAddress, WireType.LengthDelimited)).bytes(address)
  writer.join()
}

/**
 * Reads a message; byte fields are views of the input. Fields that are not needed are skipped.
 * @throws DecodeError
 */
export function decodeDhtMessage(bytes: Uint8Array): DhtMessage {
  try {
    return readMessage(new BinaryReader(bytes))
  } catch (error) {
    if (error instanceof DecodeError) throw error
    throw new DecodeError('DHT message is not valid protobuf', 0)
  }
}

function readMessage(reader: BinaryReader): DhtMessage {
  let type: number = DHT_MESSAGE.PUT_VALUE
  let key: Uint8Array = new Uint8Array()
  const closerPeers: DhtPeer[] = []
  const providerPeers: DhtPeer[] = []
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag()
    if (field === FIELD.type && wireType === WireType.Varint) type = reader.int32()
    else if (field === FIELD.key && wireType === WireType.LengthDelimited) key = reader.bytes()
    else if (field === FIELD.closerPeers && wireType === WireType.LengthDelimited) addPeer(closerPeers, reader)
    else if (field === FIELD.providerPeers && wireType === WireType.LengthDelimited) addPeer(providerPeers, reader)
    else reader.skip(wireType)
  }
  return { type, key, closerPeers, providerPeers }
}

function addPeer(peers: DhtPeer[], reader: BinaryReader): void {
  if (peers.length === MAX_PEERS) throw new DecodeError('too many peers in a DHT message', reader.pos)
  peers.push(readPeer(new BinaryReader(reader.bytes())))
}

/**
 * Reads a peer. Addresses beyond the first 16, and those of more than 512 bytes, are left out.
 * @throws DecodeError when the id is missing or longer than 128 bytes; the reader's own errors
 */
export function readPeer(reader: BinaryReader): DhtPeer {
  let id: Uint8Array = new Uint8Array()
  const addresses: Uint8Array[] = []
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag()
    if (field === FIELD.peerId && wireType === WireType.LengthDelimited) id = reader.bytes()
    else if (field === FIELD.peerAddress && wireType === WireType.LengthDelimited) {
      const address = reader.bytes()
      if (addresses.length < MAX_ADDRESSES && address.length <= MAX_ADDRESS_LENGTH) addresses.push(address)
    } else reader.skip(wireType)
  }
  if (id.length === 0 || id.length > MAX_ID_LENGTH) throw new DecodeError('id of a peer', reader.pos)
  return { id, addresses }
}

/** The tag of a field, as it is written. */
export function tag(field: number, wireType: WireType): number {
  return (field << 3) | wireType
}
