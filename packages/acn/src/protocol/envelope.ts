import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { decodeProtobuf, READ_OPTIONS } from './decode-protobuf.ts'
import { EnvelopeSchema } from './gen/acn_pb.ts'

/** A message between two agents: `spec/acn.md §4`. Nodes look at the addresses only and pass the bytes on unchanged. */
export interface Envelope {
  /** Address of the receiving agent. */
  readonly to: string
  /** Address of the sending agent. */
  readonly sender: string
  /** Id of the protocol's specification, such as `fetchai/default:1.0.0`. */
  readonly protocolId: string
  /** The message in its protocol's own encoding. */
  readonly message: Uint8Array
  /** Empty when the envelope has no context. */
  readonly uri: string
}

/** The protobuf bytes of an envelope. */
export function encodeEnvelope(envelope: Envelope): Uint8Array {
  return toBinary(EnvelopeSchema, create(EnvelopeSchema, envelope))
}

/**
 * The envelope that these bytes hold; `message` is a view of them. Empty bytes are an envelope without addresses.
 * @throws DecodeError
 */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  return decodeProtobuf('envelope', () => {
    const { to, sender, protocolId, message, uri } = fromBinary(EnvelopeSchema, bytes, READ_OPTIONS)
    return { to, sender, protocolId, message, uri }
  })
}
